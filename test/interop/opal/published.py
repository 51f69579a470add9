"""Prints what an OPAL server makes of each case's DataUpdate when it is asked to publish
it: a line of JSON for each case that is one, {"says": ..., "topics": [...], "data": ...}.
"""

import asyncio
import json
import sys

from opal_common.schemas.data import DataUpdate
from opal_server.data.data_update_publisher import DataUpdatePublisher


class Publisher:
    """Stands where the server has its websockets."""

    async def publish(self, topics, data):
        self.topics, self.data = topics, data


def main(path):
    with open(path, encoding="utf-8") as file:
        for case in json.load(file):
            if "at" in case or "entries" not in case["body"]:
                continue
            to = Publisher()
            update = DataUpdate.parse_raw(json.dumps(case["body"]))
            asyncio.run(DataUpdatePublisher(to).publish_data_updates(update))
            print(json.dumps({"says": case["says"], "topics": sorted(to.topics), "data": to.data}))


main(sys.argv[1])
