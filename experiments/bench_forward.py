"""Time the forward pass of every fix and control with pytest-benchmark: `nox -s bench`.

The times are a record for one machine and one torch release, and no command fails because of
them: see docs/timing.md.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from broken_convnets.commands.bench.cuda import CudaDevice, gpu_state, measure_on
from broken_convnets.commands.bench.inputs import Size, inputs_of
from broken_convnets.commands.bench.stabilize import stabilize
from broken_convnets.corpus import entries as corpora
from broken_convnets.observe import preload
from broken_convnets.observe.facts import RuntimeRequest
from broken_convnets.observe.forward_timing import forward_call
from broken_convnets.observe.program import FILE_NAME, Program
from broken_convnets.observe.runtime import runtime
from broken_convnets.observe.trees import tensors

if TYPE_CHECKING:
    import torch
    from pytest_benchmark.fixture import BenchmarkFixture

CORPUS = corpora.load(corpora.default_root())
DEVICES = runtime(RuntimeRequest()).devices
AVAILABLE = [device for device, reason in DEVICES.items() if not reason]


@pytest.fixture(scope="module", autouse=True)
def _stable() -> None:
    preload.configure()
    stabilize()


@pytest.fixture
def program(name: str, device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Load the fix or control `name` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, Path(FILE_NAME).stem, raising=False)
    importlib.invalidate_caches()
    return Program.load(CORPUS.entries[name].programs()["fixed"], seed=0, device=device)


@pytest.mark.parametrize("size", list(Size), ids=str)
@pytest.mark.parametrize("device", AVAILABLE)
@pytest.mark.parametrize("name", sorted(CORPUS.entries))
def test_forward(
    name: str,
    device: str,
    size: Size,
    program: Program,
    benchmark: BenchmarkFixture,
) -> None:
    """Time one forward pass, or skip it if the network rejects the size."""
    net, inputs = program.net(), _inputs(program, size)
    call = forward_call(net, inputs)
    with program.device:
        if device == "cuda":
            benchmark.extra_info["device"] = _on_device(net, inputs)
        try:
            call()
        except Exception as error:  # noqa: BLE001  (a network may accept one size only)
            pytest.skip(f"{name} rejects {size} inputs: {type(error).__name__}")
        output = benchmark(call)
    assert tensors(output)  # noqa: S101  (a test)


@pytest.mark.parametrize("device", sorted(DEVICES.keys() - set(AVAILABLE)))
def test_unavailable(device: str) -> None:
    """Report the reason."""
    pytest.skip(f"{device} is unavailable: {DEVICES[device]}")


def _inputs(program: Program, size: Size) -> tuple[Any, ...]:
    try:
        return inputs_of(program, size)
    except ValueError as error:
        pytest.skip(str(error))


def _on_device(net: torch.nn.Module, inputs: tuple[Any, ...]) -> dict[str, object]:
    """Return the time that the device is busy; the benchmark itself times the host's wait."""
    found = measure_on(CudaDevice(), lambda: net(*inputs))
    return {
        "ns": vars(found.device),
        "mode": found.mode,
        "waits_for_host": found.bound_by_host,
        "gpu": gpu_state(),
    }
