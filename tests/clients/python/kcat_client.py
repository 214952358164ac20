"""kcat, one process per request."""

import json
import re
import subprocess
import sys
import threading

from exchange import (
    WAIT_SECONDS, Condensed, Progress, Refused, Shared, check, deadline, key_and_value, serve)

BOOTSTRAP = sys.argv[1]

# Lengths before the bytes, so that any key and value can be told apart; null has length -1.
FORMAT = r"%p %o %T %K %S %h\n%k%s\n"


def kcat(*arguments, data=None):
    return subprocess.run(
        ["kcat", "-b", BOOTSTRAP, *arguments], input=data, capture_output=True,
        timeout=WAIT_SECONDS, check=False)


def settled(done):
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode().strip())
    return done.stdout


def about(_request):
    told = subprocess.run(["kcat", "-V"], capture_output=True, check=True).stdout.decode()
    return {
        "versions": {"kcat": re.search(r"Version (\S+)", told)[1],
                     "librdkafka": re.search(r"librdkafka (\S+)", told)[1]},
        "codecs": ["none", "gzip", "snappy", "lz4", "zstd"],
        "group_protocols": ["classic"],
    }


def list_topics(_request):
    told = json.loads(settled(kcat("-L", "-J")))
    return {"topics": {one["topic"]: len(one["partitions"]) for one in told["topics"]}}


def header_pairs(text):
    """kcat's `name=value,...`; enough for headers without commas."""
    for pair in filter(None, text.split(",")):
        name, _, value = pair.partition("=")
        yield name, None if value == "NULL" else value.encode()


def records(output):
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        partition, offset, timestamp, key_length, value_length, headers = (
            output[at:end].decode().split(" ", 5))
        at = end + 1
        parts = []
        for length in (int(key_length), int(value_length)):
            parts.append(None if length < 0 else output[at:at + length])
            at += max(length, 0)
        at += 1
        yield int(partition), int(offset), int(timestamp), *parts, list(header_pairs(headers))


def consume(request):
    condensed = Condensed(request)
    output = settled(kcat(
        "-C", "-t", request["topic"], "-o", "beginning", "-e", "-q", "-f", FORMAT,
        "-X", f"isolation.level={request['isolation']}"))
    for record in records(output):
        condensed.add(*record)
    return condensed.answer()


def member_arguments(request):
    return ["-G", request["group"], "-f", r"%p %o\n", "-X", "auto.offset.reset=earliest"]


def group(request):
    progress = Progress(request)
    output = settled(kcat(
        "-c", str(request["count"]), "-q", *member_arguments(request), request["topic"]))
    for line in output.decode().splitlines():
        partition, offset = line.split()
        progress.add(int(partition), int(offset))
    return progress.answer()


def share(request):
    shared = Shared(2, request["partitions"], request["count"])
    assigned = re.compile(r"rebalanced .*: (assigned|revoked): ?(.*)")

    def run(index):
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "kcat", "-b", BOOTSTRAP, "-u",
             *member_arguments(request), request["topic"]],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def watch():
            for line in process.stderr:
                found = assigned.search(line)
                if found:
                    given = re.findall(r"\[(\d+)\]", found[2])
                    shared.assign(index, map(int, given if found[1] == "assigned" else []))

        def read():
            for line in process.stdout:
                partition, offset = line.split()
                shared.see(int(partition), int(offset))

        watchers = [threading.Thread(target=watch), threading.Thread(target=read)]
        for watcher in watchers:
            watcher.start()
        until = deadline()
        try:
            while not shared.done():
                check(until, f"not shared: {shared.assigned}, {len(shared.seen)} records")
                watchers[0].join(0.1)
        finally:
            process.terminate()
            process.wait()
            for watcher in watchers:
                watcher.join()

    return shared.run(run)


def produce(request):
    lines = [b"%s:%s\n" % key_and_value(request, index) for index in range(request["count"])]
    done = kcat(
        "-P", "-vvv", "-t", request["topic"], "-p", str(request["partition"]), "-K:",
        "-z", request["codec"], "-X", f"acks={request['acks']}",
        "-X", f"enable.idempotence={str(request['idempotent']).lower()}",
        "-X", "message.timeout.ms=20000", data=b"".join(lines))
    told = done.stderr.decode()
    failure = re.search(r"Delivery failed for message: (.*)", told)
    if failure:
        raise Refused(failure[1], code_of(failure[1]))
    settled(done)
    return {"offsets": [int(one) for one in re.findall(r"\(offset (-?\d+)\)", told)]}


def code_of(text):
    """kcat prints librdkafka's description of an error only."""
    unknown = re.search(r"Err-(-?\d+)\?", text)
    if unknown:
        return int(unknown[1])
    return {"Broker: Topic authorization failed": 29, "Broker: Policy violation": 44,
            "Broker: Unknown topic or partition": 3, "Broker: Message size too large": 10,
            "Unknown broker error": -1}.get(text)


serve({"about": about, "list": list_topics, "consume": consume, "group": group, "share": share,
       "produce": produce})
