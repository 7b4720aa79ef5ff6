"""Goal:   what was acknowledged survives kill -9, whole and unchanged; what was not is there wholly or not at all.
Method: round after round on one folder: a process opens it, tells what it holds, and writes upserts (new points
        and old ones), deletes and checkpoints from several threads, with wait=true, until SIGKILL hits at a random
        moment (sometimes while it still opens). Three rounds of four are processes with the engine inside
        (writer.py), the fourth is the server, written to through sockets. Nothing is closed properly before
        the last look.
Budget: OCTANT_KILL_SECONDS, 20 by default, split over the seeds 1, 2, ...: each round has its own.
"""

import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "conformance"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import writer  # noqa: E402
from doors import Server, missing_reason  # noqa: E402

SECONDS = float(os.environ.get("OCTANT_KILL_SECONDS", "20"))
Op = Tuple[str, int, List[int]]


class Ledger:
    """What must be there: the version of each point, None if there must be none, and what hung in the air."""

    def __init__(self) -> None:
        self.versions: Dict[int, Optional[int]] = {}
        self.in_flight: List[Op] = []
        self.points = self.writes = self.kills = self.resolved = 0
        self.halves = [0, 0]  # writes in flight that turned out undone, done

    def acknowledged(self, op: Op) -> None:
        kind, version, ids = op
        for point_id in ids:
            self.versions[point_id] = version if kind == "u" else None
        self.points += len(ids)
        self.writes += 1

    def killed(self, in_flight: List[Op]) -> None:
        """An op stays open until a state is seen: a kill during the next opening tells nothing."""
        self.in_flight = self.in_flight + [op for op in in_flight if op[0] != "c"]
        self.kills += 1

    def verify(self, state: Dict[int, int]) -> None:
        """Threads write disjoint ids, so each op in flight is judged by its own ids."""
        for kind, version, ids in self.in_flight:
            after = {point_id: version if kind == "u" else None for point_id in ids}
            before = {point_id: self.versions.get(point_id) for point_id in ids}
            found = {point_id: state.get(point_id) for point_id in ids}
            assert found in (before, after), (
                f"neither done nor undone (or what went before is lost): {kind} {version}: {found}, before {before}"
            )
            self.halves[found == after and before != after] += 1
            self.versions.update(found)
        self.in_flight = []
        wanted = {point_id: version for point_id, version in self.versions.items() if version is not None}
        lost = {i: v for i, v in wanted.items() if state.get(i) != v}
        extra = {i: v for i, v in state.items() if i not in wanted}
        assert not lost, f"acknowledged, but lost or old: {[(i, v, state.get(i)) for i, v in list(lost.items())[:10]]}"
        assert not extra, f"deleted, but there: {list(extra.items())[:10]}"


class Inside:
    """Rounds with the engine inside a forked process."""

    def __init__(self, folder: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(writer.__file__)), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def lines(self) -> Iterator[str]:
        """To the end of this round's child, which must be by our hand."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            assert line.endswith("\n")
            if line.startswith("E "):
                assert line == "E -9\n", f"not killed, but ended with {line[2:-1]}"
                return
            yield line[:-1]
        raise AssertionError("writer.py ended")

    def round(self, seed: int, ledger: Ledger) -> None:
        rng = random.Random(seed)
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seed}\n")
        self.process.stdin.flush()
        begun: Dict[int, Tuple[int, Op]] = {}  # thread -> number and op not acknowledged yet
        state: Dict[int, int] = {}
        failures: List[str] = []
        pid = 0
        for line in self.lines():
            kind, _, rest = line.partition(" ")
            if kind == "P":
                pid = int(rest)
                if rng.random() < 0.15:  # while it opens
                    threading.Timer(rng.uniform(0, 0.05), kill_quietly, (pid,)).start()
            elif kind == "S":
                state.update(json.loads(rest))
            elif kind == "R":
                ledger.verify(state)
                threading.Timer(rng.choice([0.01, 0.1, 0.5]) * rng.random(), kill_quietly, (pid,)).start()
            elif kind == "I":
                thread, number, op = rest.split(" ", 2)
                begun[int(thread)] = (int(number), tuple(json.loads(op)))
            elif kind == "A":
                thread, number = rest.split(" ")
                assert begun[int(thread)][0] == int(number)
                ledger.acknowledged(begun.pop(int(thread))[1])
            else:
                failures.append(line)
        assert not failures, f"seed {seed}: {failures}"
        ledger.killed([op for _, op in begun.values()])

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


def kill_quietly(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:  # killed while it opened
        pass


class Outside:
    """Rounds with the server."""

    def __init__(self, folder: str) -> None:
        self.server = Server(folder)

    def ask(self, connection: http.client.HTTPConnection, method: str, target: str, body: Any) -> Any:
        connection.request(method, target, body and json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, f"{method} {target}: {answer.status} {text!r}"
        return json.loads(text)["result"]

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)

    def state(self) -> Dict[int, int]:
        connection = self.connect()
        found: Dict[int, int] = {}
        offset: Any = None
        while True:
            body = {"limit": 500, "offset": offset, "with_payload": True, "with_vector": True}
            page = self.ask(connection, "POST", f"/collections/{writer.NAME}/points/scroll", body)
            for record in page["points"]:
                version = record["payload"]["version"]
                assert record["payload"] == writer.payload_of(record["id"], version), record
                assert record["vector"] == writer.vector_of(record["id"], version), record
                found[record["id"]] = version
            offset = page["next_page_offset"]
            if offset is None:
                connection.close()
                return found

    def write(self, seed: int, thread: int, ledger: Ledger, lock: threading.Lock, open_ops: Dict[int, Op],
              failures: List[str], killed: threading.Event) -> None:
        rng = random.Random(seed * 100 + thread)
        connection = self.connect()
        target = f"/collections/{writer.NAME}/points"
        try:
            for number in range(1_000_000):
                kind, version, ids = op = writer.random_op(rng, thread, seed * 1_000_000 + number)
                if kind == "c":
                    continue
                open_ops[thread] = op
                if kind == "u":
                    points = [
                        {"id": i, "vector": writer.vector_of(i, version), "payload": writer.payload_of(i, version)}
                        for i in ids
                    ]
                    result = self.ask(connection, "PUT", f"{target}?wait=true", {"points": points})
                else:
                    result = self.ask(connection, "POST", f"{target}/delete?wait=true", {"points": ids})
                assert result["status"] == "completed", result
                with lock:
                    ledger.acknowledged(op)
                del open_ops[thread]
        except Exception as reason:  # noqa: BLE001
            if not killed.is_set():
                failures.append(f"thread {thread}: {type(reason).__name__}: {reason}")

    def make_collection(self) -> None:
        """Only if no round before this one lived to make it."""
        connection = self.connect()
        if not self.ask(connection, "GET", f"/collections/{writer.NAME}/exists", None)["exists"]:
            vectors = {"size": writer.SIZE, "distance": "Euclid"}
            self.ask(connection, "PUT", f"/collections/{writer.NAME}", {"vectors": vectors})
        connection.close()

    def verify(self, ledger: Ledger) -> None:
        """The last look, and the only proper end."""
        self.server.start()
        ledger.verify(self.state())
        self.server.stop()

    def round(self, seed: int, ledger: Ledger) -> None:
        rng = random.Random(seed)
        self.server.start()
        try:
            self.make_collection()
            ledger.verify(self.state())
            lock, killed = threading.Lock(), threading.Event()
            open_ops: Dict[int, Op] = {}
            failures: List[str] = []
            threads = [
                threading.Thread(target=self.write, args=(seed, thread, ledger, lock, open_ops, failures, killed))
                for thread in range(writer.THREADS)
            ]
            for thread in threads:
                thread.start()
            time.sleep(rng.choice([0.05, 0.2, 0.5]) * rng.random())
            killed.set()
        finally:
            died = self.server.process.poll()
            self.server.kill()
        assert died is None, f"seed {seed}: the server ended with {died} by itself\n{self.server.log_tail()}"
        for thread in threads:
            thread.join()
        assert not failures, f"seed {seed}: {failures}\n{self.server.log_tail()}"
        ledger.killed(list(open_ops.values()))


def test_nothing_acknowledged_is_lost_by_kill_9() -> None:
    reason = missing_reason()
    if reason:
        pytest.skip(reason)
    folder = tempfile.mkdtemp(prefix="octant-kill-")
    ledger = Ledger()
    inside, outside = Inside(folder), Outside(folder)
    seed, failed = 0, True
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            seed += 1
            (outside if seed % 4 == 0 else inside).round(seed, ledger)
        outside.verify(ledger)
        failed = False
    finally:
        inside.close()
        print(
            f"{ledger.kills} kills, {ledger.points} points in {ledger.writes} acknowledged writes, of those in flight "
            f"{ledger.halves[1]} done and {ledger.halves[0]} not; {len(ledger.versions)} ids"
        )
        if failed:
            print(f"seed {seed}; the folder stays: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
            Path(outside.server.log_path).unlink(missing_ok=True)
    assert ledger.kills >= 3 and ledger.points > 0
