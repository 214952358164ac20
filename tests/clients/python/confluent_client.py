"""librdkafka as Python programs use it, through confluent-kafka."""

import sys

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from exchange import Condensed, Progress, Refused, Shared, check, deadline, key_and_value, serve

BOOTSTRAP = sys.argv[1]
WAIT = 20


def consumer(**settings):
    dotted = {name.replace("_", "."): value for name, value in settings.items()}
    return Consumer({
        "bootstrap.servers": BOOTSTRAP, "enable.auto.commit": False,
        "auto.offset.reset": "earliest", **dotted})


def about(_request):
    return {
        "versions": {"confluent-kafka": confluent_kafka.__version__,
                     "librdkafka": confluent_kafka.libversion()[0]},
        "codecs": ["none", "gzip", "snappy", "lz4", "zstd"],
        "group_protocols": ["classic", "consumer"],
    }


def list_topics(_request):
    topics = AdminClient({"bootstrap.servers": BOOTSTRAP}).list_topics(timeout=WAIT).topics
    return {"topics": {name: len(topic.partitions) for name, topic in topics.items()}}


def partition_count(client, topic):
    return len(client.list_topics(topic, timeout=WAIT).topics[topic].partitions)


def consume(request):
    reader = consumer(
        group_id="unused", isolation_level=request["isolation"], enable_partition_eof=True)
    condensed = Condensed(request)
    count = partition_count(reader, request["topic"])
    open_ends = set(range(count))
    reader.assign([TopicPartition(request["topic"], partition, confluent_kafka.OFFSET_BEGINNING)
                   for partition in open_ends])
    until = deadline()
    while open_ends:
        check(until, f"no end of partitions {open_ends}")
        for message in reader.consume(1000, timeout=0.5):
            if message.error() is None:
                condensed.add(
                    message.partition(), message.offset(), message.timestamp()[1],
                    message.key(), message.value(), message.headers() or [])
            elif message.error().code() == KafkaError._PARTITION_EOF:
                open_ends.discard(message.partition())
            else:
                raise KafkaException(message.error())
    reader.close()
    return condensed.answer()


def group(request):
    member = consumer(group_id=request["group"], group_protocol=request["protocol"])
    member.subscribe([request["topic"]])
    progress = Progress(request)
    until = deadline()
    while progress.consumed < request["count"]:
        check(until, f"{progress.consumed} records of {request['count']}")
        for message in member.consume(progress.most(), timeout=0.5):
            if message.error() is not None:
                raise KafkaException(message.error())
            if progress.add(message.partition(), message.offset()):
                commit(member, request["topic"], progress)
    partitions = range(partition_count(member, request["topic"]))
    asked = [TopicPartition(request["topic"], partition) for partition in partitions]
    committed = {one.partition: one.offset for one in member.committed(asked, timeout=WAIT)
                 if one.offset >= 0}
    member.close()
    return progress.answer(committed=committed)


def commit(member, topic, progress):
    positions = [TopicPartition(topic, partition, offset)
                 for partition, offset in progress.next().items()]
    for done in member.commit(offsets=positions, asynchronous=False):
        if done.error:
            raise KafkaException(done.error)


def share(request):
    shared = Shared(2, request["partitions"], request["count"])

    def run(index):
        member = consumer(group_id=request["group"], group_protocol=request["protocol"])
        member.subscribe([request["topic"]])
        until = deadline()
        while not shared.done():
            check(until, f"not shared: {shared.assigned}, {len(shared.seen)} records")
            for message in member.consume(1000, timeout=0.2):
                if message.error() is not None:
                    raise KafkaException(message.error())
                shared.see(message.partition(), message.offset())
            shared.assign(index, [one.partition for one in member.assignment()])
        member.close()

    return shared.run(run)


def produce(request):
    producer = Producer({
        "bootstrap.servers": BOOTSTRAP, "acks": request["acks"],
        "compression.type": request["codec"], "enable.idempotence": request["idempotent"],
        "linger.ms": 5, "message.timeout.ms": 20000})
    delivered = {}
    errors = []

    def on_delivery(index):
        def note(error, message):
            if error is not None:
                errors.append(error)
            else:
                delivered[index] = message.offset()
        return note

    for index in range(request["count"]):
        key, value = key_and_value(request, index)
        producer.produce(request["topic"], value, key, request["partition"],
                         on_delivery=on_delivery(index))
    if producer.flush(WAIT + 5) > 0:
        raise TimeoutError("records without an answer")
    if errors:
        raise Refused(errors[0].name(), errors[0].code())
    return {"offsets": [delivered[index] for index in range(request["count"])]}


serve({"about": about, "list": list_topics, "consume": consume, "group": group, "share": share,
       "produce": produce})
