import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import doors as doors_module  # noqa: E402


@pytest.fixture
def doors():
    reason = doors_module.missing_reason()
    if reason:
        pytest.skip(reason)
    opened = doors_module.open_all()
    yield opened
    failures = []
    for door in opened:
        try:
            door.close()
        except Exception as failure:  # noqa: BLE001  close the others first
            failures.append(f"{door.name}: {failure}")
    assert not failures, failures
