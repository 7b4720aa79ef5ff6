"""What tests of the server share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "conformance"))

import doors  # noqa: E402


@pytest.fixture(scope="session")
def serving():
    """`with serving(NAME, **settings) as server`: doors.serving, where the program has been built."""
    reason = doors.missing_reason()
    if reason:
        pytest.skip(reason)
    return doors.serving
