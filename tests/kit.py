"""Tiny networks as source text, corpora of them on disk, and the verdicts on those."""

from __future__ import annotations

import contextlib
import functools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import pytest
import tomli_w
from broken_convnets.corpus.entries import Case, Control, Corpus, default_root, load
from broken_convnets.corpus.spec import CaseSpec, ControlSpec
from broken_convnets.corpus.symptoms import SHOWN_BY, Symptom
from broken_convnets.observe.facts import Observation, RunRequest
from broken_convnets.observe.runner import OBSERVE, runtime_of
from broken_convnets.sandbox.job import Answer, Job, JobResult
from broken_convnets.sandbox.runner import Runner
from broken_convnets.verdicts.collect import Outcome, Results, plan
from broken_convnets.verdicts.records import Baseline, read_all

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path


@functools.cache
def our_corpus() -> Corpus:
    """Return the project's own corpus, read once."""
    return load(default_root())


@functools.cache
def our_records() -> list[Baseline]:
    """Return the project's own recorded results, read once."""
    return read_all(default_root() / "results")


HEALTHY = '''\
"""Classify tiny images."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, kernel_size=3)
        self.fc = nn.Linear(4 * 2 * 2, 5)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(torch.flatten(x, 1))


def example_inputs(batch_size=4):
    return (torch.randn(batch_size, 2, 4, 4),)


if __name__ == "__main__":
    Net()(*example_inputs())
'''
OUTPUT = "float32[4, 5]"

RAISES = "self.fc(torch.flatten(x, 2))"
SAYS = "cannot be multiplied"
DECLARED = {
    "stage": "forward",
    "raises": "RuntimeError",
    "message": SAYS,
    "expression": RAISES,
    "layer": "fc",
}

TRAINING = """\
def example_targets(batch_size=4):
    return (torch.randint(5, (batch_size,)),)


def run(net, x, labels):
    loss = nn.functional.cross_entropy(net(x), labels)
    loss.backward()
    return loss


if __name__"""


# What is recorded of a pair that fails as it declares.
BOOK = """\
torch = "2.14.1"
torchvision = "0.29.1"
python = "3.11"
device = "cpu"

[entries."shape/pair"]
verdict = "reproduced"

[entries."shape/pair".broken]
stage = "forward"
raises = "RuntimeError"
message = '''
mat1 and mat2 shapes cannot be multiplied (16x4 and 16x5)
[entries]'''
expression = "self.fc(torch.flatten(x, 2))"
layer = "fc"
layers = [
    "Net: float32[4, 2, 4, 4] -> …",
    "fc Linear: float32[4, 4, 4] -> ✗",
]
"""


def patched(*changes: tuple[str, str], source: str = HEALTHY) -> str:
    """Return `source` with each old text replaced once; fails if one is missing."""
    for old, new in changes:
        assert old in source, f"{old!r} is not in the source"
        source = source.replace(old, new, 1)
    return source


BROKEN = patched(("self.fc(torch.flatten(x, 1))", RAISES))
TRAINED = patched(("if __name__", TRAINING))


def doing(*lines: str, needs: str = "", source: str = HEALTHY) -> str:
    """Return `source` with lines at the beginning of `forward`, and modules imported."""
    body = "".join(f"        {line}\n" for line in lines)
    source = patched(("(self, x):\n", f"(self, x):\n{body}"), source=source)
    return importing(needs, source=source) if needs else source


def importing(modules: str, *lines: str, source: str = HEALTHY) -> str:
    """Return `source` with more imports, and lines that run on import."""
    body = "".join(f"\n{line}\n" for line in lines)
    tail = f"import torch\nfrom torch import nn\n{body}"
    return patched(
        ("import torch\nfrom torch import nn\n", f"import {modules}\n{tail}"), source=source
    )


def symptoms_of(laws: Collection[str]) -> list[Symptom]:
    """Return symptoms that a case may declare if it violates these laws, and must; [] for none."""
    shown = [min(symptoms) for law, symptoms in SHOWN_BY.items() if law in laws]
    return list(dict.fromkeys([*shown, Symptom.WORSE_THAN_EXPECTED])) if laws else []


@dataclass(frozen=True)
class Pair:
    """A case and its fix; by default, it reproduces."""

    broken: str = BROKEN
    fixed: str = HEALTHY
    declared: dict[str, Any] = field(default_factory=dict)  # on top of DECLARED; None removes a key
    silent: tuple[str, ...] = ()  # the laws violated, instead of DECLARED
    output: str = OUTPUT
    waive: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)  # other keys of the .toml

    def spec(self) -> dict[str, Any]:
        """Return the content of its `.toml`."""
        silent = {"stage": "silent", "violates": list(self.silent)}
        broken = {**(silent if self.silent else DECLARED), **self.declared}
        broken = {key: value for key, value in broken.items() if value is not None}
        return {
            **PROSE,
            "symptoms": symptoms_of(self.silent),
            "broken": broken,
            "fixed": {"output": self.output},
            "waive": self.waive,
            **self.extra,
        }


@dataclass(frozen=True)
class Solo:
    """A control; by default, it works."""

    source: str = HEALTHY
    output: str = OUTPUT
    waive: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)  # other keys of the .toml

    def spec(self) -> dict[str, Any]:
        """Return the content of its `.toml`."""
        return {**SOLO_PROSE, "works": {"output": self.output}, "waive": self.waive, **self.extra}


PROSE = {
    "title": "A network of a test",
    "covers": ["shape/flatten"],
    "sources": ["https://example.org/question"],
    "level": 1,
    "hints": ["Which shape arrives?"],
    "why": "It flattens too little.",
    "diagnose": "Print the shapes.",
    "distinguish": "Do the shapes agree?",
}
SOLO_PROSE = {
    "title": "A control of a test",
    "claim": "This cannot work.",
    "truth": "It works.",
    "sources": ["https://example.org/answer"],
    "level": 1,
}


def corpus_of(root: Path, entries: dict[str, Pair | Solo]) -> Corpus:
    """Write a corpus to disk and load it."""
    for tree in ("cases", "fixes", "controls"):
        (root / tree).mkdir(parents=True, exist_ok=True)
    for name, entry in entries.items():
        tree, source = (
            ("cases", entry.broken) if isinstance(entry, Pair) else ("controls", entry.source)
        )
        put(root / tree / f"{name}.py", source)
        put(root / tree / f"{name}.toml", tomli_w.dumps(entry.spec()))
        if isinstance(entry, Pair):
            put(root / "fixes" / f"{name}.py", entry.fixed)
    return load(root)


def put(path: Path, text: str) -> None:
    """Write a file, and create the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def case_of(pair: Pair, name: str = "shape/pair") -> Case:
    """Return a case that is in no file."""
    return Case(name, msgspec.convert(pair.spec(), CaseSpec), pair.broken, pair.fixed)


def control_of(solo: Solo, name: str = "shape/solo") -> Control:
    """Return a control that is in no file."""
    return Control(name, msgspec.convert(solo.spec(), ControlSpec), solo.source)


class Remembering(Runner):
    """A runner that runs each job once, and returns the cached result from then on."""

    def __init__(self, runner: Runner) -> None:
        """Wrap a runner that is open."""
        self._runner = runner
        self.isolation = runner.isolation
        self._cached: dict[Job, JobResult[Any]] = {}

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        """Yield a result for each job, in their order, after all new ones have run."""
        new = list(dict.fromkeys(job for job in map(_plain, jobs) if job not in self._cached))
        numbered = [msgspec.structs.replace(job, number=i) for i, job in enumerate(new)]
        for result in self._runner.run(numbered, schema):
            self._cached[new[result.job]] = result
        for job in jobs:
            yield msgspec.structs.replace(self._cached[_plain(job)], job=job.number)

    def close(self) -> None:
        """Stay open: the session closes the runner."""


def _plain(job: Job) -> Job:
    return msgspec.structs.replace(job, number=0)


def outcome(runner: Runner, corpus: Corpus, name: str, device: str = "cpu") -> Outcome:
    """Run one entry of a corpus, unless its results are cached, and judge it."""
    results = Results(plan(corpus, [name], [device]))
    results.collect(runner)
    return results.outcomes([], runtime_of(runner))[0]


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """Run also programs that `lint` refuses, so that the other defenses are tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("broken_convnets.verdicts.collect.check", lambda _: [])
        yield


def slow_but(quick: Collection[str], names: Iterable[str]) -> list[Any]:
    """Return names as parameters of a test, marked `slow` but for the quick ones."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]


def run_all(runner: Remembering, corpus: Corpus) -> Corpus:
    """Run all entries of a corpus in one batch, for `outcome` to judge one by one."""
    Results(plan(corpus, corpus.ids, ["cpu"])).collect(runner)
    return corpus


def observations(
    runner: Runner, sources: dict[str, str], seed: int = 0, *, full: bool = True
) -> dict[str, Observation]:
    """Run programs under one seed and return what was observed, by name."""
    jobs = [
        Job(number, OBSERVE, RunRequest(source, seed, full=full))
        for number, source in enumerate(sources.values())
    ]
    names, seen = list(sources), {}
    for result in runner.run(jobs, Observation):
        assert result.answer is not None, f"{names[result.job]}: {result.detail}"
        seen[names[result.job]] = result.answer
    return seen


def servers() -> set[psutil.Process]:
    """Return the fork servers that this process started and that still run."""
    return {
        p
        for p in psutil.Process().children()
        if "broken_convnets.sandbox.fork_server" in _command(p)
    }


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # it has just ended
        return []


def wait_for(true: Callable[[], bool], seconds: float) -> bool:
    """Return whether a condition becomes true within a number of seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
