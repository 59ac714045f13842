"""No program that attacks what observes it passes as healthy, and none ends or hangs a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from broken_convnets.corpus.spec import Healthy
from broken_convnets.observe.facts import Observation
from broken_convnets.verdicts.collect import SEEDS, observation_job
from broken_convnets.verdicts.declared_laws import violated_laws
from broken_convnets.verdicts.judge import judge
from broken_convnets.vocabulary import JUDGED, STRUCTURAL
from kit import HEALTHY, OUTPUT, TRAINED, Solo, control_of, slow_but
from sick_runs import EPOCH, SCORING

sys.path.append(str(Path(__file__).parent))

from attacks import FORGING, HIDING, REPLACING, SICK
from cheats import CHEATS, NOT_FINITE, returning

if TYPE_CHECKING:
    from broken_convnets.observe.facts import Run
    from broken_convnets.sandbox.fork_client import ForkServer

ATTACKS = {
    **{f"forging: {name}": source for name, source in FORGING.items()},
    **{f"replacing: {name}": source for name, source in REPLACING.items()},
    **{f"hiding: {name}": source for name, source in HIDING.items()},
    **{f"without an attack: {name}": source for name, source in SICK.items()},
}
SOUND = {"network": HEALTHY, "training": TRAINED, "epoch": EPOCH, "score": SCORING}


def _passes(run: Run) -> bool:
    """Return whether a run would count as healthy, whatever the output that is declared."""
    seen = run.answer
    if seen is None or seen.raised or seen.output is None or "non-finite" in seen.output:
        return False
    assert seen.laws.keys() >= JUDGED - STRUCTURAL
    return not violated_laws(Healthy(output=seen.output), seen)


def _run(server: ForkServer, source: str) -> Run:
    """Run a program once, with a seed after the first: without the laws of structure."""
    (run,) = server.run([observation_job(0, source, 2, "cpu")], Observation)
    return run


@pytest.mark.parametrize("name", slow_but([*ATTACKS][::8], ATTACKS))
def test_an_attack_does_not_pass(name: str, server: ForkServer) -> None:
    assert not _passes(_run(server, ATTACKS[name]))


@pytest.mark.parametrize("name", SOUND)
def test_what_does_not_attack_passes(name: str, server: ForkServer) -> None:
    run = _run(server, SOUND[name])
    assert _passes(run), run


@pytest.mark.parametrize("name", slow_but([*NOT_FINITE][::4], NOT_FINITE))
def test_a_number_that_is_not_finite_is_found_in(name: str, server: ForkServer) -> None:
    seen = _run(server, returning(NOT_FINITE[name])).answer
    assert seen is not None
    assert seen.raised is None
    assert seen.output is not None
    assert "non-finite" in seen.output


@pytest.mark.parametrize("name", slow_but([*CHEATS][:1], CHEATS))
def test_a_cheat_does_not_pass(name: str, server: ForkServer) -> None:
    # As often as `reproduce` runs it: some cheats are found by chance.
    jobs = [observation_job(seed, CHEATS[name], seed, "cpu") for seed in range(SEEDS)]
    found = list(server.run(jobs, Observation))
    output = next((run.answer.output for run in found if run.answer and run.answer.output), OUTPUT)
    control = control_of(Solo(CHEATS[name], output=output))
    assert not judge(control, {"fixed": found}, "cpu", "2.14.1").verdict.as_declared
