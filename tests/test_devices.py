"""A requested device is available or rejected, and its late errors find their stage."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import torch
from broken_convnets.errors import DeviceError
from broken_convnets.observe.facts import RuntimeInfo
from broken_convnets.observe.program import seed_everything
from broken_convnets.observe.runner import runtime_of
from broken_convnets.sandbox.job import Job
from broken_convnets.verdicts.collect import choose_devices
from broken_convnets.vocabulary import Verdict
from kit import HEALTHY, TRAINED, Pair, Remembering, Solo, corpus_of, doing, outcome
from PIL import Image
from torch_jobs import LateError, Synchronized

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.sandbox.fork_client import ForkServer


def _runtime(why_no_cuda: str) -> RuntimeInfo:
    return RuntimeInfo("3.11", "2.14.1", "0.29.1", {"cpu": "", "cuda": why_no_cuda})


WITH, WITHOUT = _runtime(""), _runtime("no CUDA device")


@pytest.mark.parametrize(
    ("wanted", "runtime", "devices", "missing"),
    [
        ("auto", WITH, ["cpu", "cuda"], {}),
        ("auto", WITHOUT, ["cpu"], {"cuda": "no CUDA device"}),
        ("cpu", WITH, ["cpu"], {"cuda": "not asked for"}),
        ("cpu", WITHOUT, ["cpu"], {"cuda": "not asked for"}),
        ("cuda", WITH, ["cuda"], {"cpu": "not asked for"}),
        ("cpu,cuda", WITH, ["cpu", "cuda"], {}),
        ("cuda,cpu", WITH, ["cuda", "cpu"], {}),
        ("cpu,cpu", WITH, ["cpu"], {"cuda": "not asked for"}),
    ],
)
def test_devices_are_chosen(
    wanted: str, runtime: RuntimeInfo, devices: list[str], missing: dict[str, str]
) -> None:
    assert choose_devices(wanted, runtime) == (devices, missing)


@pytest.mark.parametrize("wanted", ["cuda", "cpu,cuda"])
def test_a_device_that_is_unavailable_is_rejected_by_name(wanted: str) -> None:
    with pytest.raises(DeviceError, match=r"^--device cuda .*no CUDA device$"):
        choose_devices(wanted, WITHOUT)


@pytest.mark.parametrize("wanted", ["tpu", "cpu,tpu", "", "CPU"])
def test_an_unknown_device_is_rejected_with_the_known_ones(wanted: str) -> None:
    with pytest.raises(DeviceError, match=r"is unknown: choose from auto, cpu, cuda$"):
        choose_devices(wanted, WITH)


LATE = [
    (HEALTHY, 1, "import"),
    (HEALTHY, 2, "build"),
    (HEALTHY, 3, "inputs"),
    (TRAINED, 4, "inputs"),
    (HEALTHY, 5, "forward"),
    (TRAINED, 5, "run"),
]
NEVER = 0


@pytest.fixture(scope="module")
def synchronized(server: ForkServer) -> dict[tuple[str, int], Synchronized]:
    requests = [(HEALTHY, NEVER), (TRAINED, NEVER), *((source, bad) for source, bad, _ in LATE)]
    jobs = [
        Job(number, "torch_jobs:observe_late_error", LateError(*request))
        for number, request in enumerate(requests)
    ]
    results = server.run(jobs, Synchronized)
    return {requests[result.job]: result.answer for result in results if result.answer}


@pytest.mark.parametrize("source", [HEALTHY, TRAINED], ids=["forward", "training"])
def test_the_device_is_synchronized_after_every_stage(
    source: str, synchronized: dict[tuple[str, int], Synchronized]
) -> None:
    found = synchronized[source, NEVER]
    import_build_inputs_targets_run = 5
    assert (found.times, found.run.raised) == (import_build_inputs_targets_run, None)


@pytest.mark.parametrize(("source", "bad", "stage"), LATE, ids=[f"{b}-{s}" for _, b, s in LATE])
def test_a_late_error_counts_for_the_stage_that_caused_it(
    source: str, bad: int, stage: str, synchronized: dict[tuple[str, int], Synchronized]
) -> None:
    found = synchronized[source, bad]
    assert found.run.raised
    assert (found.times, found.run.raised.stage) == (bad, stage)
    assert found.run.raised.message == "late"


@pytest.mark.cuda
def test_a_poisoned_cuda_context_affects_no_other_program(
    server: ForkServer, tmp_path: Path
) -> None:
    reason = runtime_of(server).devices["cuda"]
    if reason:
        pytest.skip(reason)
    poison = doing("torch.zeros(3, device=x.device)[torch.full((1,), 9, device=x.device)]")
    entries: dict[str, Pair | Solo] = {
        "cuda/pair": Pair(),
        "cuda/poison": Solo(poison),
        "cuda/net": Solo(TRAINED, "float32[]"),
    }
    corpus = corpus_of(tmp_path, entries)
    verdicts = {
        name: outcome(Remembering(server), corpus, name, "cuda").verdict for name in corpus.ids
    }
    assert verdicts == {
        "cuda/pair": Verdict.REPRODUCED,
        "cuda/poison": Verdict.CONTROL_FAILED,
        "cuda/net": Verdict.WORKS,
    }


def test_the_cpu_is_seeded_as_by_manual_seed() -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3)
    seed_everything(7)
    assert torch.equal(torch.rand(3), wanted)


def test_an_accelerator_is_seeded_for_a_program_that_runs_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch, "manual_seed", seeded.append)
    seed_everything(1, "cpu")
    seed_everything(2, "cuda")
    assert seeded == [2]


@pytest.mark.skipif(os.name != "posix", reason="the generator of C is seeded on POSIX only")
def test_the_noise_of_pil_depends_on_the_seed_alone() -> None:
    def noise(seed: int) -> bytes:
        seed_everything(seed)
        pixels: bytes = Image.effect_noise((8, 8), 64).tobytes()
        return pixels

    assert noise(3) == noise(3)
    assert noise(3) != noise(4)
