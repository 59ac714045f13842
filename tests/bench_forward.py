"""Time the forward pass of every fix and control with pytest-benchmark: `nox -s bench`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import corpus, warm
from harness.program import FILE_NAME, Program, tensors
from harness.timing import forward_call

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

CORPUS = corpus.load(corpus.default_root())
DEVICES = warm.hello("in process").devices


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    warm.calm()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", sorted(CORPUS.entries))
def test_forward(
    name: str,
    device: str,
    benchmark: BenchmarkFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if DEVICES[device]:
        pytest.skip(f"{device} is unavailable: {DEVICES[device]}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, Path(FILE_NAME).stem, raising=False)
    program = Program.load(CORPUS.entries[name].programs()["fixed"], seed=0, device=device)
    net, inputs = program.net(), program.inputs()
    with program.device:
        output = benchmark(forward_call(net, inputs))
    assert tensors(output)
