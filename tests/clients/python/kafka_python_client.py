"""kafka-python: a client in Python alone."""

import sys

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from exchange import (
    WAIT_SECONDS, Condensed, Progress, Refused, Shared, check, deadline, key_and_value, serve)

BOOTSTRAP = sys.argv[1]


def consumer(**settings):
    return KafkaConsumer(
        bootstrap_servers=BOOTSTRAP, enable_auto_commit=False, auto_offset_reset="earliest",
        **settings)


def subscribed(topic, **settings):
    """A group member that knows the topic's partitions before it first joins.

    A leader that assigns without them joins again as soon as they arrive. If a `poll` ends while
    that join waits for the others, kafka-python 3.0.12 takes nothing of its answer: the need to
    rejoin, a difference of what was assigned and what is known, is gone once the join has assigned
    anew, so no later `poll` looks at the assignment. The member stays empty, sends no heartbeat,
    and keeps its partitions from the others until its session ends. With any broker.
    """
    member = consumer(**settings)
    member.subscribe([topic])
    # Asks a broker, and returns when the subscription has what it answered.
    member.topics()
    return member


def about(_request):
    return {
        "versions": {"kafka-python": kafka.__version__},
        "codecs": ["none", "gzip", "snappy", "lz4", "zstd"],
        "group_protocols": ["classic"],
    }


def list_topics(_request):
    client = consumer()
    topics = {name: len(client.partitions_for_topic(name)) for name in client.topics()}
    client.close()
    return {"topics": topics}


def consume(request):
    reader = consumer(isolation_level=request["isolation"])
    condensed = Condensed(request)
    partitions = [TopicPartition(request["topic"], partition)
                  for partition in reader.partitions_for_topic(request["topic"])]
    reader.assign(partitions)
    reader.seek_to_beginning(*partitions)
    ends = reader.end_offsets(partitions)
    until = deadline()
    while any(reader.position(one) < ends[one] for one in partitions):
        check(until, f"the ends {ends} are not reached")
        for records in reader.poll(timeout_ms=500, max_records=1000).values():
            for record in records:
                condensed.add(record.partition, record.offset, record.timestamp, record.key,
                              record.value, record.headers)
    reader.close()
    return condensed.answer()


def group(request):
    member = subscribed(request["topic"], group_id=request["group"])
    progress = Progress(request)
    until = deadline()
    while progress.consumed < request["count"]:
        check(until, f"{progress.consumed} records of {request['count']}")
        due = False
        for records in member.poll(timeout_ms=500, max_records=progress.most()).values():
            for record in records:
                due = progress.add(record.partition, record.offset)
        if due:
            member.commit()
    committed = {}
    for partition in member.partitions_for_topic(request["topic"]):
        offset = member.committed(TopicPartition(request["topic"], partition))
        if offset is not None:
            committed[partition] = offset
    member.close()
    return progress.answer(committed=committed)


def share(request):
    shared = Shared(2, request["partitions"], request["count"])

    def run(index):
        member = subscribed(
            request["topic"], group_id=request["group"], heartbeat_interval_ms=300)
        until = deadline()
        while not shared.done():
            check(until, f"not shared: {shared.assigned}, {len(shared.seen)} records")
            for records in member.poll(timeout_ms=200).values():
                for record in records:
                    shared.see(record.partition, record.offset)
            shared.assign(index, [one.partition for one in member.assignment()])
        member.close()

    return shared.run(run)


def produce(request):
    codec = None if request["codec"] == "none" else request["codec"]
    producer = KafkaProducer(
        bootstrap_servers=BOOTSTRAP, compression_type=codec, linger_ms=5,
        acks="all" if request["acks"] == "all" else int(request["acks"]),
        enable_idempotence=request["idempotent"])
    try:
        sent = []
        for index in range(request["count"]):
            key, value = key_and_value(request, index)
            sent.append(producer.send(
                request["topic"], value=value, key=key, partition=request["partition"]))
        producer.flush(timeout=WAIT_SECONDS)
        return {"offsets": [future.get(timeout=WAIT_SECONDS).offset for future in sent]}
    except KafkaError as error:
        raise Refused(type(error).__name__, error.errno) from error
    finally:
        producer.close(timeout=5)


serve({"about": about, "list": list_topics, "consume": consume, "group": group, "share": share,
       "produce": produce})
