"""Goal:   the official Python client means the same over REST and gRPC, waited for or not.
Method: the walk of walk.py by each of the four clients, each against a server of its own; what they get is compared
        step by step, up to what protobuf cannot say (tests/conformance/doors.py, GrpcDoor).
"""

import asyncio
import inspect
import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, Dict, List

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "conformance"))

import doors  # noqa: E402
import walk  # noqa: E402

KINDS = ["rest", "grpc", "async rest", "async grpc"]


async def take(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def outcome_of(reason: Exception) -> doors.Outcome:
    return (doors.GrpcDoor if hasattr(reason, "details") else doors.Door)._failure(reason)


async def play(kind: str) -> Dict[str, str]:
    """What each step of the walk gave, as text."""
    import qdrant_client

    folder = tempfile.mkdtemp(prefix="octant-clients-")
    server = doors.Server(folder)
    server.start()
    shown: Dict[str, str] = {}
    sees = doors.GrpcDoor.sees
    try:
        made = qdrant_client.AsyncQdrantClient if "async" in kind else qdrant_client.QdrantClient
        client = made(url=server.url, grpc_port=server.grpc_port, prefer_grpc="grpc" in kind, timeout=30,
                      check_compatibility=False)  # fmt: skip
        for step in walk.steps():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    got = doors.Outcome(True, await take(getattr(client, step.method)(**step.arguments)))
                except Exception as reason:  # noqa: BLE001  whatever it is, it is the outcome
                    got = outcome_of(reason)
            if not got.ok:
                shown[step.name] = f"{got.status} {got.text}"
            elif step.volatile:
                shown[step.name] = type(got.value).__name__
            else:
                shown[step.name] = sees(None, doors.as_json_shows(got.value))  # type: ignore[arg-type]
        await take(client.close())
        server.stop()
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
    return shown


@pytest.fixture(scope="module")
def played() -> Dict[str, Dict[str, str]]:
    reason = doors.missing_reason()
    if reason:
        pytest.skip(reason)
    return {kind: asyncio.run(play(kind)) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS[1:])
def test_each_client_gets_what_the_first_gets(played: Dict[str, Dict[str, str]], kind: str) -> None:
    wanted, got = played[KINDS[0]], played[kind]
    assert list(got) == list(wanted)
    different: List[str] = [f"{name}:\n  rest {wanted[name]}\n  {kind} {got[name]}" for name in wanted if got[name] != wanted[name]]
    assert not different, "\n".join(different)


def test_most_of_the_walk_succeeds(played: Dict[str, Dict[str, str]]) -> None:
    """Steps that are made to fail, and what is not there yet, are few."""
    failed = [name for name, text in played["rest"].items() if text[:1].isdigit()]
    print("failed:", failed)
    assert len(failed) < len(played["rest"]) / 4
    assert "everything" not in failed
    assert not [name for name in failed if played["rest"][name].startswith("500")]
    assert json.loads(played["grpc"]["count"])["count"] == 26
