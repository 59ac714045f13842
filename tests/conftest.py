"""The runners that tests share: loading torch takes seconds, so it is done once for each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves this to us

from kit import Remembering

from harness.facts import Limits
from harness.runner import ForkServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def server() -> Iterator[ForkServer]:
    with ForkServer(Limits(seconds=20, workers=2)) as runner:
        yield runner


@pytest.fixture(scope="session")
def runner(server: ForkServer) -> Remembering:
    return Remembering(server)


@pytest.fixture(scope="session")
def strict_runner() -> Iterator[ForkServer]:
    """Give a runner for programs that hang or hoard: its limits are soon reached."""
    with ForkServer(Limits(seconds=6, memory_bytes=256 << 20, workers=12)) as runner:
        yield runner
