"""Subscribes to topics of an OPAL server, as an OPAL client does, and prints a line of
JSON for each update: {"topic": ..., "data": ...}.

usage: subscriber.py ws://127.0.0.1:7002/ws TOPIC...
"""

import asyncio
import json
import sys

from fastapi_websocket_pubsub import PubSubClient


async def main(url, topics):
    async def show(data, topic):
        print(json.dumps({"topic": topic, "data": data}), flush=True)

    client = PubSubClient(topics, callback=show)
    client.start_client(url)
    await client.wait_until_ready()
    print("subscribed", flush=True)
    await client.wait_until_done()


asyncio.run(main(sys.argv[1], sys.argv[2:]))
