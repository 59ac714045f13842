"""A device that was asked for is there or refused, and its late errors find their stage."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from broken_convnets.errors import DeviceError
from broken_convnets.observe.facts import RuntimeInfo
from broken_convnets.observe.program import seed_everything
from broken_convnets.observe.runner import runtime_of
from broken_convnets.verdicts.collect import choose_devices
from broken_convnets.vocabulary import Verdict
from kit import HEALTHY, TRAINED, Pair, Remembering, Solo, corpus_of, doing, outcome

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.sandbox.fork_client import ForkServer


def _hello(why_no_cuda: str) -> RuntimeInfo:
    return RuntimeInfo("3.11", "2.14.1", "0.29.1", {"cpu": "", "cuda": why_no_cuda})


WITH, WITHOUT = _hello(""), _hello("no CUDA device")


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
def test_a_device_asked_for_and_not_there_is_refused_by_name(wanted: str) -> None:
    with pytest.raises(DeviceError, match=r"^--device cuda .*no CUDA device$"):
        choose_devices(wanted, WITHOUT)


@pytest.mark.parametrize("wanted", ["tpu", "cpu,tpu", "", "CPU"])
def test_an_unknown_device_is_refused_with_the_known_ones(wanted: str) -> None:
    with pytest.raises(DeviceError, match=r"is unknown: choose from auto, cpu, cuda$"):
        choose_devices(wanted, WITH)


# Forks a child per question, as the server does, since a program is imported once per process.
ASK = """
import json, os, sys, tempfile
from broken_convnets.observe import preload
preload.configure()
from broken_convnets.observe.facts import RunRequest
from broken_convnets.observe.run import observe

def ask(source, bad):
    calls = []
    def synchronize():
        calls.append(1)
        if len(calls) == bad:
            raise RuntimeError("late")
    seen = observe(RunRequest(source, full=False), synchronize).raised
    return [len(calls), seen.stage if seen else None, seen.message if seen else None]

answers = []
for source, bad in json.load(sys.stdin):
    read, write = os.pipe()
    if os.fork() == 0:
        os.chdir(tempfile.mkdtemp(dir="."))
        os.write(write, json.dumps(ask(source, bad)).encode())
        os._exit(0)
    os.wait()
    answers.append(json.loads(os.read(read, 9999)))
print(json.dumps(answers))
"""
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
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Any]:
    questions = [(HEALTHY, NEVER), (TRAINED, NEVER), *((source, bad) for source, bad, _ in LATE)]
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=tmp_path_factory.mktemp("ask"),
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(questions, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("source", [HEALTHY, TRAINED], ids=["forward", "training"])
def test_the_device_is_waited_for_after_every_stage(
    source: str, answers: dict[tuple[str, int], Any]
) -> None:
    import_build_inputs_targets_run = 5
    assert answers[source, NEVER] == [import_build_inputs_targets_run, None, None]


@pytest.mark.parametrize(("source", "bad", "stage"), LATE, ids=[f"{b}-{s}" for _, b, s in LATE])
def test_a_late_error_counts_for_the_stage_that_caused_it(
    source: str, bad: int, stage: str, answers: dict[tuple[str, int], Any]
) -> None:
    assert answers[source, bad] == [bad, stage, "late"]


@pytest.mark.cuda
def test_a_poisoned_cuda_context_is_one_programs_own(server: ForkServer, tmp_path: Path) -> None:
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


def test_the_cpu_is_seeded_as_torch_does_it() -> None:
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
