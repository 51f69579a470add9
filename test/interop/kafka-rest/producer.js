// Produces with kafka-rest, and prints a line of JSON for each call: {"reply": ..., "raised": the error's name or ""}.
//
// usage: producer.js URL < [{"topic": ..., "records": [{"key": ..., "value": base64, "partition": ...}]}]
"use strict";

const KafkaRest = require("kafka-rest");

const client = new KafkaRest({ url: process.argv[2] });

function produce(calls) {
  if (calls.length === 0) return;
  const [call, ...rest] = calls;
  const records = call.records.map((r) => ({ ...r, value: Buffer.from(r.value, "base64") }));
  client.topic(call.topic).produce(records, (err, reply) => {
    console.log(JSON.stringify({ reply: err ? err.data : reply, raised: err ? err.name : "" }));
    produce(rest);
  });
}

produce(JSON.parse(require("fs").readFileSync(0)));
