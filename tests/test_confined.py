"""A second process inside a job: what it says arrives, what it forges does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from broken_convnets.sandbox import landlock
from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.sandbox.job import Job, JobStatus, Limits
from broken_convnets.sandbox.varied_runner import VariedRunner
from confined_jobs import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.sandbox.job import JobResult
    from broken_convnets.sandbox.runner import Runner

CONFINING = landlock.abi() >= landlock.SCOPES_ABI
needs_landlock = pytest.mark.skipif(not CONFINING, reason="this kernel has no Landlock for signals")


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with ForkServer(Limits(workers=4)) as opened:
        yield opened


def _run(runner: Runner, function: str, text: str, variant: int = 0) -> JobResult[Text]:
    job = Job(0, f"confined_jobs:{function}", Text(text), variant=variant)
    (result,) = runner.run([job], Text)
    return result


def test_an_answer_arrives(runner: Runner) -> None:
    assert _run(runner, "ask", "answer").answer == Text("honest")


def test_only_the_channel_is_open_there(runner: Runner) -> None:
    assert _run(runner, "ask", "list descriptors").answer == Text("[3]")


@pytest.mark.parametrize(
    ("act", "how"),
    [
        ("exit with 0", "exit status 0"),
        ("exit with 3", "exit status 3"),
        ("kill", "Killed"),
        ("terminate", "Terminated"),
        ("write everywhere", "exit status 70"),
        ("close the channel", "exit status 70"),
        ("long", "exit status 70"),
    ],
)
def test_if_it_ends_the_job_ends_like_it_and_without_an_answer(
    act: str, how: str, runner: Runner
) -> None:
    result = _run(runner, "ask", act)
    assert (result.status, result.answer) == (JobStatus.CRASHED, None)
    assert f"({how})" in result.detail


@needs_landlock
@pytest.mark.parametrize("act", ["signal the parent", "read the parent", "open the answer"])
def test_it_cannot_reach_its_parent(act: str, runner: Runner) -> None:
    assert _run(runner, "ask", act).answer == Text("refused")


def test_an_answer_does_not_count_if_the_process_ends_with_an_error(runner: Runner) -> None:
    result = _run(runner, "write_and_fail", "")
    assert (result.status, result.answer) == (JobStatus.CRASHED, None)
    assert "(exit status 3)" in result.detail


def test_variants_run_in_servers_of_other_hashes_and_addresses() -> None:
    with VariedRunner(Limits()) as runner:
        found = [_run(runner, "hashes", "a name", variant).answer for variant in (0, 0, 1, 1)]
    assert None not in found
    hashes, addresses = zip(*(one.text.split() for one in found if one), strict=True)
    assert hashes[0] == hashes[1] != hashes[2] == hashes[3]
    assert addresses[0] != addresses[2]
