"""Produces with kafka-bridge-client, and prints a line of JSON for each call: {"reply": ..., "raised": the exception's name or ""}.

usage: producer.py URL < [{"topic": ..., "binary": ..., "records": [{"key": ..., "value": JSON, or base64 of binary}]}]
"""

import base64
import json
import sys

import requests
from kafka_bridge_client import KafkaBridgeProducer
from kafka_bridge_client.exceptions import KafkaBridgeError

post, replies = requests.post, []


def noted(*args, **kwargs):  # the client keeps the reply to itself
    response = post(*args, **kwargs)
    replies.append(response.json())
    return response


def main(url):
    requests.post = noted
    producer = KafkaBridgeProducer(url, timeout=15)
    for call in json.load(sys.stdin):
        if call["binary"]:
            for record in call["records"]:
                record["value"] = base64.b64decode(record["value"])
        raised = ""
        try:
            producer.sends(call["topic"], call["records"], binary=call["binary"])
        except KafkaBridgeError as e:
            raised = type(e).__name__
        print(json.dumps({"reply": replies[-1], "raised": raised}), flush=True)


main(sys.argv[1])
