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
from kit import HEALTHY, OUTPUT, TRAINED, Remembering, Solo, control_of
from sick_runs import EPOCH, SCORING

sys.path.append(str(Path(__file__).parent))

from attacks import FORGING, HIDING, REPLACING, SICK
from cheats import CHEATS, NOT_FINITE, returning

if TYPE_CHECKING:
    from broken_convnets.observe.facts import Run
    from broken_convnets.sandbox.fork_client import ForkServer
    from broken_convnets.sandbox.job import Job

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


@pytest.fixture(scope="module")
def runs(server: ForkServer) -> dict[str, Run]:
    """Run each program once, with a seed after the first: without the laws of structure."""
    programs = {
        **ATTACKS,
        **{f"sound: {name}": source for name, source in SOUND.items()},
        **{f"returning: {name}": returning(text) for name, text in NOT_FINITE.items()},
    }
    jobs = [observation_job(i, source, 2, "cpu") for i, source in enumerate(programs.values())]
    names = list(programs)
    return {names[run.job]: run for run in server.run(jobs, Observation)}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_does_not_pass(name: str, runs: dict[str, Run]) -> None:
    assert not _passes(runs[name])


@pytest.mark.parametrize("name", SOUND)
def test_what_does_not_attack_passes(name: str, runs: dict[str, Run]) -> None:
    assert _passes(runs[f"sound: {name}"]), runs[f"sound: {name}"]


@pytest.mark.parametrize("name", NOT_FINITE)
def test_a_number_that_is_not_finite_is_found_in(name: str, runs: dict[str, Run]) -> None:
    seen = runs[f"returning: {name}"].answer
    assert seen is not None
    assert seen.raised is None
    assert seen.output is not None
    assert "non-finite" in seen.output


@pytest.fixture(scope="module")
def cheats(server: ForkServer) -> dict[str, list[Run]]:
    """Run each program as often as `reproduce` does: some cheats are found by chance."""
    runner = Remembering(server)
    return {name: list(runner.run(_jobs(source), Observation)) for name, source in CHEATS.items()}


def _jobs(source: str) -> list[Job]:
    return [observation_job(seed, source, seed, "cpu") for seed in range(SEEDS)]


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_does_not_pass(name: str, cheats: dict[str, list[Run]]) -> None:
    found = cheats[name]
    output = next((run.answer.output for run in found if run.answer and run.answer.output), OUTPUT)
    control = control_of(Solo(CHEATS[name], output=output))
    assert not judge(control, {"fixed": found}, "cpu", "2.14.1").verdict.as_declared
