"""Reads a topic from its beginning with Confluent's deserialisers, and prints a line of JSON
for each record: {"key": ..., "value": ...}, or {"key": ..., "error": ...}.

A schema is what the registry has under the record's id; protoc compiles Protobuf's. What Avro's
logical types become in Python is printed as text, bytes with a character for each.

usage: reader.py BROKERS REGISTRY TOPIC RECORDS
"""

import datetime
import decimal
import importlib.resources
import json
import math
import pathlib
import sys
import tempfile
import traceback
import uuid

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from confluent_kafka.schema_registry.serde import SchemaId
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from grpc_tools import protoc
import io

STRATEGY = {"subject.name.strategy.type": "TOPIC"}


def plain(v):
    """Returns what Avro's deserialiser returns as JSON has it."""
    if isinstance(v, dict):
        return {k: plain(x) for k, x in v.items()}
    if isinstance(v, list):
        return [plain(x) for x in v]
    if isinstance(v, bytes):
        return v.decode("latin-1")
    if isinstance(v, decimal.Decimal):
        return format(v, "f")
    if isinstance(v, datetime.datetime):
        return v.strftime("%Y-%m-%dT%H:%M:%S.%f") + ("Z" if v.utcoffset() == datetime.timedelta(0) else "")
    if isinstance(v, datetime.time):
        return v.strftime("%H:%M:%S.%f")
    if isinstance(v, datetime.date):
        return v.isoformat()
    if isinstance(v, uuid.UUID):
        return str(v)
    if isinstance(v, float) and not math.isfinite(v):
        return "NaN" if math.isnan(v) else "Infinity" if v > 0 else "-Infinity"
    return v


class Messages:
    """The classes of a registry's Protobuf messages."""

    def __init__(self, registry):
        self.registry = registry

    def of(self, data):
        """Returns the class of the message that a record's bytes say, as Confluent's library reads them."""
        schema_id = SchemaId("PROTOBUF")
        schema_id.from_bytes(io.BytesIO(data))
        with tempfile.TemporaryDirectory() as folder:
            return self.compiled(pathlib.Path(folder), schema_id)

    def compiled(self, folder, schema_id):
        self.write(folder, "main.proto", self.registry.get_schema(schema_id.id))
        google = importlib.resources.files("grpc_tools") / "_proto"
        if protoc.main(["protoc", f"-I{folder}", f"-I{google}", "--include_imports", f"--descriptor_set_out={folder}/set", "main.proto"]):
            raise ValueError("protoc does not compile the schema")
        files = descriptor_pb2.FileDescriptorSet.FromString((folder / "set").read_bytes()).file
        pool = descriptor_pool.DescriptorPool()
        for file in files:
            pool.Add(file)
        of, name = files[-1].message_type, files[-1].package
        for i in schema_id.message_indexes:
            name, of = f"{name}.{of[i].name}".lstrip("."), of[i].nested_type
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))

    def write(self, folder, name, schema):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(schema.schema_str, encoding="utf-8")
        for reference in schema.references or []:
            self.write(folder, reference.name, self.registry.get_version(reference.subject, reference.version).schema)


def main(brokers, url, topic, records):
    registry = SchemaRegistryClient({"url": url})
    avro, messages = AvroDeserializer(registry, conf=STRATEGY), Messages(registry)
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "reader", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    for _ in range(records):
        record = None
        while record is None:
            record = consumer.poll(1)
        if record.error():
            raise SystemExit(record.error())
        line = {"key": avro(record.key(), SerializationContext(topic, MessageField.KEY))}
        context = SerializationContext(topic, MessageField.VALUE)
        try:
            if line["key"].startswith("avro"):
                line["value"] = plain(avro(record.value(), context))
            else:
                message = ProtobufDeserializer(messages.of(record.value()), STRATEGY)(record.value(), context)
                line["value"] = json_format.MessageToDict(message)
        except Exception:
            line["error"] = traceback.format_exc()
        print(json.dumps(line), flush=True)
    consumer.close()


main(*sys.argv[1:4], int(sys.argv[4]))
