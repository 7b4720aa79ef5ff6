"""The process that test_kill.py kills: it writes to a database in process, and says on a pipe what it is about to
do and what was acknowledged. A line that was written stays readable after the writer is dead.

usage: writer.py FOLDER
Reads seeds from standard input, one a line; for each it forks a child (so that nothing needs to be imported
again), waits for its end and writes an E line.

    P pid                the child is there
    S [[id, version, payload version], ...]
                         what the database holds (several lines)
    R                    all was told; writing begins
    I thread number op   about to do op: ["u", version, ids], ["d", version, ids] or ["c", 0, []] (a checkpoint)
    A thread number      acknowledged
    F text               something went wrong that must not
    E code               the child is dead, and its lines are all above; -9 is as it should be
"""

import json
import os
import random
import sys
import threading
from pathlib import Path
from typing import Any, Dict, List, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "conformance"))

from doors import import_octant  # noqa: E402

NAME, SIZE = "c", 8
THREADS, IDS_PER_THREAD = 4, 400
BATCH_MAX = 16
LINE_BYTES_MAX = 4096  # PIPE_BUF: a write up to here is never torn


def vector_of(point_id: int, version: int) -> List[float]:
    """A vector that tells which write it came from; exact in 32 bits."""
    mixed = (point_id * 2654435761 + version * 40503 + 12345) & 0xFFFFFFFF
    return [((mixed >> (3 * j)) % 4096 - 2048) / 64.0 for j in range(SIZE)]


def payload_of(point_id: int, version: int) -> Dict[str, Any]:
    return {"version": version, "text": f"point {point_id}", "list": [version % 7] * (version % 5)}


def ids_of_thread(thread: int) -> range:
    return range(thread * IDS_PER_THREAD, (thread + 1) * IDS_PER_THREAD)


def random_op(rng: random.Random, thread: int, version: int) -> Tuple[str, int, List[int]]:
    ids = rng.sample(ids_of_thread(thread), rng.choice([1, 1, 2, 5, BATCH_MAX]))
    dice = rng.random()
    return ("c", 0, []) if dice < 0.01 else ("d", version, ids) if dice < 0.2 else ("u", version, ids)


def say(line: str) -> None:
    data = (line + "\n").encode()
    assert len(data) <= LINE_BYTES_MAX
    os.write(1, data)


def tell_state(collection: Any) -> None:
    """Every point, after checking that vector and payload belong together and that a search finds some."""
    records = collection.get(list(range(THREADS * IDS_PER_THREAD)))
    if len(records) != len(collection):
        say(f"F {len(collection)} points are counted, {len(records)} are there")
    told: List[Any] = []
    for record in records:
        version = (record.payload or {}).get("version")
        if version is None or record.payload != payload_of(record.id, version):
            say(f"F point {record.id} has payload {record.payload}")
        elif list(record.vector) != vector_of(record.id, version):
            say(f"F point {record.id} of version {version} has vector {list(record.vector)}")
        told.append([record.id, version])
        if len(told) == 100:
            say(f"S {json.dumps(told)}")
            told = []
    say(f"S {json.dumps(told)}")
    for record in random.Random(len(records)).sample(records, min(10, len(records))):
        _, scores = collection.search(record.vector, 1)
        if scores[0] != 0.0:
            say(f"F a search for the vector of point {record.id} finds nothing nearer than {scores[0]}")


def write_for_ever(database: Any, collection: Any, seed: int, thread: int) -> None:
    rng = random.Random(seed * 100 + thread)
    number = 0
    try:
        while True:
            op, version, ids = random_op(rng, thread, seed * 1_000_000 + number)
            say(f"I {thread} {number} {json.dumps([op, version, ids])}")
            if op == "u":
                collection.upsert(
                    ids, [vector_of(i, version) for i in ids], [payload_of(i, version) for i in ids]
                )
            elif op == "d":
                collection.delete(ids)
            else:
                database.checkpoint()
            say(f"A {thread} {number}")
            number += 1
    except BaseException as reason:  # noqa: BLE001  nothing may go wrong until the kill
        say(f"F thread {thread}: {type(reason).__name__}: {str(reason)[:500]}")
        raise


def child(folder: str, seed: int) -> None:
    say(f"P {os.getpid()}")
    database = import_octant().open(folder)
    if NAME in database:
        collection = database[NAME]
    else:
        collection = database.create(NAME, SIZE, distance="Euclid", m=8, ef_construct=32, full_scan_threshold=10)
    tell_state(collection)
    say("R")
    threads = [
        threading.Thread(target=write_for_ever, args=(database, collection, seed, thread)) for thread in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    import numpy  # noqa: F401  before the forks, since it takes the longest

    import_octant()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                child(sys.argv[1], int(line))
            except BaseException as reason:  # noqa: BLE001
                say(f"F {type(reason).__name__}: {str(reason)[:500]}")
            os._exit(1)
        _, status = os.waitpid(pid, 0)
        say(f"E {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
