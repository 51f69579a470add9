"""Listens for notifications with oslo.messaging's own listener, and prints a line of JSON
for each call of the endpoint: {"method": "info", "payload": ..., ...}.

usage: listener.py TRANSPORT_URL TOPIC...
"""

import json
import sys
import threading

import oslo_messaging
from oslo_config import cfg

PRIORITIES = ["audit", "debug", "info", "warn", "error", "critical", "sample"]


class Endpoint:
    def __init__(self):
        self.lock = threading.Lock()
        for priority in PRIORITIES:
            setattr(self, priority, self.method(priority))

    def method(self, name):
        def call(ctxt, publisher_id, event_type, payload, metadata):
            with self.lock:
                print(json.dumps({"method": name, "publisher_id": publisher_id, "event_type": event_type,
                                  "payload": payload, "context": ctxt, "metadata": metadata}), flush=True)
        return call


def main(url, topics):
    transport = oslo_messaging.get_notification_transport(cfg.ConfigOpts(), url=url)
    targets = [oslo_messaging.Target(topic=topic) for topic in topics]
    listener = oslo_messaging.get_notification_listener(transport, targets, [Endpoint()], executor="threading")
    listener.start()  # polls for five seconds, and loses what this gets
    print("listening", flush=True)
    listener.wait()


main(sys.argv[1], sys.argv[2:])
