"""Says of each case of a file, a list of objects with "says" and "body", whether OPAL's
own models take the body: one line of JSON each, {"says": ..., "models": true or false}.

A body that has notifier_id, topics or data is a BroadcastNotification, whose data its
clients read as a DataUpdate; any other is a DataUpdate.
"""

import json
import sys

from fastapi_websocket_pubsub.event_broadcaster import BroadcastNotification
from opal_common.schemas.data import DataUpdate


def takes(body):
    try:
        if isinstance(body, dict) and {"notifier_id", "topics", "data"} & body.keys():
            body = BroadcastNotification.parse_raw(json.dumps(body)).data
        DataUpdate.parse_raw(json.dumps(body))
    except Exception:  # whatever it is, the reader has not got an update
        return False
    return True


with open(sys.argv[1], encoding="utf-8") as file:
    for case in json.load(file):
        print(json.dumps({"says": case["says"], "models": takes(case["body"])}))
