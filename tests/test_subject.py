"""The interface of the laws: cases, captured networks, and networks that are reached by values."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import torch
from broken_convnets.commands.learn.pair.in_between import SIZES
from broken_convnets.corpus.entries import Case, default_root, find
from broken_convnets.observe.captured import CapturedNetwork
from broken_convnets.observe.facts import RunRequest
from broken_convnets.observe.laws import CHECKS, judge
from broken_convnets.observe.laws.registry import judge_one
from broken_convnets.observe.program import Program
from broken_convnets.observe.recorder import Options, Recorder
from broken_convnets.observe.remote.answering import Answering
from broken_convnets.observe.remote.connection import Connection
from broken_convnets.observe.remote.subject import RemoteProgram
from broken_convnets.observe.run_reads import old_graph
from broken_convnets.observe.subject import NotApplicableError
from broken_convnets.vocabulary import STRUCTURAL, Law
from kit import HEALTHY, patched
from sick_runs import EPOCH, SCORING
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Net(nn.Module):  # type: ignore[misc]  # torch is not there for mypy
    """A healthy network, or one with a single mistake."""

    def __init__(self, mistake: str = "") -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.idle = nn.Linear(2, 2) if mistake == "idle layer" else nn.Identity()
        self.blocks = [nn.Linear(16, 16)] if mistake == "layers in a list" else []
        self.fc = nn.Linear(16, 3)
        self.mistake = mistake

    def forward(self, x: torch.Tensor, scale: torch.Tensor | None = None) -> torch.Tensor:
        if self.mistake == "in-place input":
            x.clamp_(-1, 1)
        x = torch.flatten(torch.relu(self.conv(x)), 1)
        if self.mistake == "batch statistics":
            x = x - x.mean(0)
        if self.mistake == "dropout":
            x = nn.functional.dropout(x)
        for block in self.blocks:
            x = block(x)
        return self.fc(x if scale is None else x * scale)


def captured(mistake: str = "", **keywords: Any) -> CapturedNetwork:
    """Run a network as a user's program does, and return what was captured."""
    torch.manual_seed(0)
    net = Net(mistake)
    with Recorder(Options(calls=True, captures=True)) as recorder:
        net(torch.randn(4, 1, 4, 4), **keywords)
    assert recorder.record.problems == []
    (first,) = recorder.record.passes
    subject = CapturedNetwork.from_pass(first, lambda: Net(mistake))
    subject.alive = net  # type: ignore[attr-defined]  # the user's program keeps it
    return subject


def broken(subject: Any, laws: set[Law]) -> set[Law]:
    return {law for law in laws if judge_one(CHECKS[law], subject).holds is False}


FORWARD = {
    Law.ANY_BATCH_SIZE,
    Law.SAMPLES_INDEPENDENT,
    Law.DETERMINISTIC_IN_EVAL,
    Law.INPUTS_UNTOUCHED,
    Law.NONLINEAR,
    Law.EVERY_PARAMETER_LEARNS,
    Law.STATE_ROUND_TRIPS,
    Law.MOVES_AS_ONE,
}


@pytest.mark.parametrize(
    ("mistake", "laws"),
    [
        ("", set()),
        ("idle layer", {Law.EVERY_PARAMETER_LEARNS}),
        ("layers in a list", {Law.STATE_ROUND_TRIPS, Law.MOVES_AS_ONE}),
        ("in-place input", {Law.INPUTS_UNTOUCHED}),
        ("batch statistics", {Law.SAMPLES_INDEPENDENT}),
        (
            "dropout",
            {Law.DETERMINISTIC_IN_EVAL, Law.SAMPLES_INDEPENDENT, Law.STATE_ROUND_TRIPS},
        ),
    ],
)
def test_a_captured_network_violates_exactly(mistake: str, laws: set[Law]) -> None:
    assert broken(captured(mistake), FORWARD) == laws


def test_a_call_with_keywords_is_repeated_with_them() -> None:
    subject = captured(scale=torch.full((4, 16), 2.0))
    assert [len(tensor) for tensor in subject.inputs(7)] == [7, 7]
    assert broken(subject, FORWARD) == set()


def test_the_captured_network_and_inputs_stay_as_they_are() -> None:
    subject = captured("in-place input")
    net: Any = subject.alive  # type: ignore[attr-defined]  # as above
    before = {name: value.clone() for name, value in net.state_dict().items()}
    inputs = subject.inputs()
    judge(subject, structural=False)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(map(torch.equal, inputs, subject.inputs()))
    assert all(parameter.grad is None for parameter in net.parameters())
    assert net.training


def test_a_law_that_needs_more_than_a_call_does_not_apply() -> None:
    found = judge(captured(), structural=False)
    assert found[Law.GRADIENTS_ARE_FRESH].note == "a captured call has no run"
    assert found[Law.ONE_BATCH_CAN_BE_LEARNED].note == "a captured call has no targets"
    assert found[Law.EPOCHS_DIFFER].note == "a captured call has no example_loader"
    assert {law for law, result in found.items() if result.holds is False} == set()


def test_what_cannot_be_copied_or_constructed_again_is_not_judged() -> None:
    class Locked(nn.Identity):  # type: ignore[misc]  # torch is not there for mypy
        def __deepcopy__(self, memo: object) -> None:
            raise TypeError

    locked = CapturedNetwork(Locked(), (torch.ones(1, 1),))
    assert judge_one(CHECKS[Law.NONLINEAR], locked).holds is None
    once = CapturedNetwork(Net(), (torch.ones(1, 1, 4, 4),))
    assert judge_one(CHECKS[Law.STATE_ROUND_TRIPS], once).holds is None
    net = Net()
    with Recorder(Options(calls=True)) as recorder:
        net(torch.ones(1, 1, 4, 4))
    (first,) = recorder.record.passes
    with pytest.raises(NotApplicableError, match="not captured"):
        CapturedNetwork.from_pass(first)


PROGRAMS = {
    "healthy": HEALTHY,
    "training": EPOCH,
    "score": SCORING,
    "stale gradients": patched(("        optimizer.zero_grad()\n", ""), source=EPOCH),
}


@pytest.fixture
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.modules.pop("program", None)
    yield
    sys.modules.pop("program", None)


@pytest.mark.usefixtures("_own_folder")
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_law_judges_the_same_when_only_values_are_exchanged(name: str) -> None:
    connection = Connection(Answering().handle)
    seen, _ = connection.ask("plain_run", msgspec.to_builtins(RunRequest(PROGRAMS[name])))
    functions = frozenset(seen["functions"])
    remote = RemoteProgram(connection, 0, functions, lambda: connection)
    sys.modules.pop("program")
    plain = judge(Program.load(PROGRAMS[name], 0, "cpu"), structural=False)
    assert judge(remote, structural=False) == plain
    assert plain.keys() == set(CHECKS) - STRUCTURAL
    assert (plain[Law.GRADIENTS_ARE_FRESH].holds is False) == (name == "stale gradients")


@pytest.mark.usefixtures("_own_folder")
def test_the_shortest_drawn_run_is_long_enough_to_see_that_it_keeps_graphs() -> None:
    case = find(default_root(), "memory/outputs_kept_with_graph")
    assert isinstance(case, Case)
    kept_until_the_end = patched(
        ("torch.cat(collected)", "torch.cat([one.detach() for one in collected])"),
        source=case.broken,
    )
    shortest = min(SIZES)
    others = torch.ones(2, requires_grad=True).exp().exp()  # a graph that is not the run's
    assert others.requires_grad
    assert old_graph(Program.load(kept_until_the_end, 0, "cpu"), shortest) > 0
    sys.modules.pop("program")
    assert old_graph(Program.load(case.fixed, 0, "cpu"), shortest) == 0
