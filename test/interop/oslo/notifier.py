"""Sends a notification with oslo.messaging's own notifier and Kafka driver.

usage: notifier.py TRANSPORT_URL TOPIC < {"publisher_id": ..., "event_type": ..., "priority": ..., "payload": ...}
"""

import json
import sys

import oslo_messaging
from oslo_config import cfg


def main(url, topic):
    given = json.load(sys.stdin)
    transport = oslo_messaging.get_notification_transport(cfg.ConfigOpts(), url=url)
    notifier = oslo_messaging.Notifier(transport, given["publisher_id"], driver="messagingv2", topics=[topic])
    getattr(notifier, given["priority"].lower())({}, given["event_type"], given["payload"])
    transport.cleanup()  # waits for the delivery


main(sys.argv[1], sys.argv[2])
