"""One JSON object per line in, one per line out; and how records are condensed.

What the requests and answers are is in ../README.md.
"""

import hashlib
import json
import sys
import threading
import time
import traceback

WAIT_SECONDS = 30


class Refused(Exception):
    """The broker refused records; `name` and `code` are the client's words for the error."""

    def __init__(self, name, code):
        super().__init__(f"{name} ({code})")
        self.name = name
        self.code = code


def serve(actions):
    """Answers requests until there are no more; `actions` maps names to functions."""
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": True, **actions[request["action"]](request)}
        except Refused as refused:
            answer = {"ok": True, "refused": {"name": refused.name, "code": refused.code}}
        except Exception as error:
            traceback.print_exc()
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def deadline():
    return time.monotonic() + WAIT_SECONDS


def check(until, what):
    if time.monotonic() > until:
        raise TimeoutError(f"{what} within {WAIT_SECONDS} s")


def short_hash(data):
    return "null" if data is None else hashlib.sha256(data).hexdigest()[:16]


class Condensed:
    """What a consumer got from one topic: a line per record, a digest per partition."""

    def __init__(self, request):
        self.prefix = request.get("values")
        self.with_lines = request.get("lines", False)
        self.partitions = {}
        self.values = []

    def add(self, partition, offset, timestamp, key, value, headers):
        named = [f"{name}={short_hash(data)}" for name, data in headers]
        line = " ".join([
            str(offset), str(timestamp), short_hash(key), short_hash(value),
            ",".join(named) or "-",
        ])
        self.partitions.setdefault(str(partition), []).append(line)
        if self.prefix and value is not None and value.startswith(self.prefix.encode()):
            self.values.append([partition, offset, value.decode()])

    def answer(self):
        answer = {"partitions": {}, "values": self.values}
        for partition, lines in self.partitions.items():
            joined = "\n".join(lines).encode()
            answer["partitions"][partition] = {
                "count": len(lines),
                "sha256": hashlib.sha256(joined).hexdigest(),
                **({"lines": lines} if self.with_lines else {}),
            }
        return answer


class Progress:
    """What a group member got of each partition, and when it commits."""

    def __init__(self, request):
        self.count = request["count"]
        self.commit_every = request.get("commit_every") or self.count
        self.consumed = 0
        self.offsets = {}

    def most(self):
        """How many records to take now: a commit may come behind the last of them only."""
        to_commit = self.commit_every - self.consumed % self.commit_every
        return min(50, self.count - self.consumed, to_commit)

    def add(self, partition, offset):
        """Notes a record; true when it is time to commit."""
        self.consumed += 1
        self.offsets.setdefault(partition, []).append(offset)
        return self.consumed % self.commit_every == 0

    def next(self):
        """Where each partition goes on."""
        return {partition: offsets[-1] + 1 for partition, offsets in self.offsets.items()}

    def answer(self, **more):
        return {"consumed": self.consumed, "offsets": self.offsets, **more}


class Shared:
    """What two members of one group have been given, from two threads."""

    def __init__(self, members, partitions, count):
        self.lock = threading.Lock()
        self.assigned = [set() for _ in range(members)]
        self.partitions = set(range(partitions))
        self.seen = set()
        self.count = count
        self.errors = []
        self.finished = False

    def assign(self, member, partitions):
        with self.lock:
            # The first member to see the end leaves; what the other one gets then does not count.
            if not self.finished:
                self.assigned[member] = set(partitions)

    def see(self, partition, offset):
        with self.lock:
            self.seen.add((partition, offset))

    def done(self):
        with self.lock:
            parts = sum(len(assigned) for assigned in self.assigned)
            self.finished = self.finished or (
                all(self.assigned)
                and parts == len(self.partitions)
                and set().union(*self.assigned) == self.partitions
                and len(self.seen) >= self.count)
            return self.errors or self.finished

    def run(self, member):
        """Runs `member(index)` in a thread each until all return."""
        def guarded(index):
            try:
                member(index)
            except Exception as error:
                traceback.print_exc()
                with self.lock:
                    self.errors.append(error)
        threads = [threading.Thread(target=guarded, args=(index,))
                   for index in range(len(self.assigned))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.errors:
            raise self.errors[0]
        return {"members": [sorted(assigned) for assigned in self.assigned],
                "consumed": len(self.seen)}


def key_and_value(request, index):
    return f"key-{index}".encode(), f"{request['prefix']}{index}".encode()
