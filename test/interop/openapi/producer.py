"""Produces with a client that openapi-generator has made of docs/restproxy-v3.yaml, and prints a line of JSON for each call:
{"reply": {"offsets": [{"partition": ..., "offset": ...}]}, or {"error_code": ...}; "raised": the exception's name or ""}.

usage: producer.py URL < [{"topic": ..., "type": of values, "records": [{"key": text, "value": JSON, or base64 of BINARY, "partition": ...}]}]

A call with one record is produceRecord, others are produceRecordsBatch.
"""

import json
import sys

import restproxy_v3 as client


def form(call, record):
    key = record["key"]
    return {
        "partition_id": record.get("partition"),
        "key": None if key is None else {"type": "STRING", "data": key},
        "value": {"type": call["type"], "data": record["value"]},
    }


def produce(api, call):
    forms = [form(call, record) for record in call["records"]]
    if len(forms) == 1:
        return [api.produce_record("c", call["topic"], client.ProduceRequest.from_dict(forms[0]))]
    entries = [{"id": str(i), **one} for i, one in enumerate(forms)]
    reply = api.produce_records_batch("c", call["topic"], client.ProduceBatchRequest.from_dict({"entries": entries}))
    if reply.failures:
        raise ValueError(reply)
    return sorted(reply.successes, key=lambda success: int(success.id))


def main(url):
    api = client.RecordsApi(client.ApiClient(client.Configuration(host=url + "/v3")))
    for call in json.load(sys.stdin):
        raised, reply = "", {}
        try:
            reply["offsets"] = [{"partition": one.partition_id, "offset": one.offset} for one in produce(api, call)]
        except client.ApiException as e:
            raised, reply = type(e).__name__, json.loads(e.body)
        print(json.dumps({"reply": reply, "raised": raised}), flush=True)


main(sys.argv[1])
