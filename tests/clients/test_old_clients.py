"""Goal:   programs written for qdrant-client 1.10, 1.13, 1.15 and the newest run against Octant by changing the address.
Method: core.py with each version (tools/clients.sh puts them under build/clients) against the server and against that
        client's own local engine; every step must give the same.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "conformance"))

from doors import ServerDoor, missing_reason  # noqa: E402

VERSIONS = ["1.10.0", "1.13.3", "1.15.1", "1.20.0"]  # as in tools/clients.sh
STEPS_MIN = 25


def run_core(version: str, url: str) -> list:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "build" / "clients" / version)}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("core.py")), url],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )
    assert done.returncode == 0, f"{version} at {url}:\n{done.stdout[-600:]}\n{done.stderr[-3000:]}"
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("version", VERSIONS)
def test_core_of_client(version: str) -> None:
    reason = missing_reason()
    if reason:
        pytest.skip(reason)
    got_them = subprocess.run(["sh", "tools/clients.sh", version], cwd=ROOT, capture_output=True, text=True, timeout=300)
    if got_them.returncode != 0:
        pytest.skip(f"qdrant-client {version} could not be had: {got_them.stderr[-300:]}")
    wanted = run_core(version, ":memory:")
    server = ServerDoor()
    try:
        got = run_core(version, server.server.url)
    finally:
        server.close()
    assert [name for name, _ in got] == [name for name, _ in wanted] and len(got) >= STEPS_MIN
    different = [
        f"{name}:\n  here  {json.dumps(a)[:600]}\n  local {json.dumps(b)[:600]}"
        for (name, a), (_, b) in zip(got, wanted)
        if a != b
    ]
    assert not different, "\n".join(different)
