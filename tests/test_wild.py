"""The wild tier: mistakes of the corpus in real models, drawn from a seed and verified."""

from __future__ import annotations

import argparse
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from broken_convnets.commands.variants.limits import patient_limits
from broken_convnets.commands.wild import command
from broken_convnets.commands.wild.checks import broken_check, original_check
from broken_convnets.commands.wild.drafts import Draws, broken_source
from broken_convnets.commands.wild.faults.all_faults import faults_named
from broken_convnets.commands.wild.faults.registry import FAULTS
from broken_convnets.commands.wild.hosts.networks import Wrapper, wrappers_of
from broken_convnets.commands.wild.hosts.original import original
from broken_convnets.commands.wild.hosts.registry import HOSTS, hosts_named
from broken_convnets.commands.wild.hosts.runs import Run
from broken_convnets.commands.wild.store import CheckStore, OriginalCheck
from broken_convnets.commands.wild.verify import Checked, generate
from broken_convnets.corpus.entries import default_root, load
from broken_convnets.corpus.lint import lint, unformatted
from broken_convnets.corpus.rules import check_program
from broken_convnets.corpus.spec import Healthy
from broken_convnets.errors import UsageError
from broken_convnets.observe.facts import (
    CheckResult,
    ExceptionInfo,
    InputSummary,
    Layer,
    Observation,
)
from broken_convnets.observe.facts import Run as Ended
from broken_convnets.observe.runner import runtime_of
from broken_convnets.sandbox.job import JobStatus
from broken_convnets.sandbox.runner import Runner
from broken_convnets.vocabulary import Law, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from broken_convnets.sandbox.job import Answer, Job, JobResult
    from conftest import Command

FAST = ["autoencoder"]
SOME = [
    "shape/missing_flatten",
    "module/inplace_relu_on_input",
    "memory/missing_no_grad_at_inference",
]
HEALTHY = Healthy(output="float32[8, 4]", inputs="float32[8, 3, 8, 8]", parameters=(9, 9))


def draws(seed: int = 3, hosts: list[str] | None = None, faults: list[str] | None = None) -> Draws:
    return Draws(hosts_named(hosts or []), faults_named(faults or []), seed)


def ended(answer: Observation | None, status: JobStatus = JobStatus.DONE) -> Ended:
    return Ended(0, status, "detail", answer)


def observed(raised: ExceptionInfo | None = None, **violated: bool) -> Observation:
    """Return the facts of a run that obeys every law except those in `violated`."""
    if raised:
        return Observation(raised=raised)
    laws = {law: CheckResult(law.name not in violated) for law in Law}
    given = InputSummary("float32[8, 3, 8, 8]", 0.0, 1.0, [0.5] * 3, (9, 9))
    return Observation(output="float32[8, 4]", given=given, laws=laws)


# Healthy programs.


@pytest.mark.parametrize("name", HOSTS)
def test_every_model_becomes_a_program_of_the_case_format(name: str) -> None:
    host = HOSTS[name]
    for wrapper in wrappers_of(host.task):
        for run in (Run.FORWARD, Run.TRAIN):
            source = original(host, wrapper, run, "seed").source
            assert check_program(source, generated=True) == []
            assert "import torchvision" not in source
            assert "from torchvision" not in source


def test_a_program_depends_on_its_seed_alone() -> None:
    host = HOSTS["resnet"]
    texts = [original(host, Wrapper.NOTHING, Run.LOSS, seed).source for seed in "01234567"]
    original.cache_clear()
    again = [original(host, Wrapper.NOTHING, Run.LOSS, seed).source for seed in "01234567"]
    assert texts == again
    assert len(set(texts)) > 1


def test_a_model_of_a_users_file_becomes_a_program(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "import torch.nn as nn\n"
        "WIDTH: int = 6\n"
        "class Small(nn.Module):\n"
        '    """Mine."""\n'
        "    def __init__(self, classes: int = 3) -> None:\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, WIDTH, 3)\n"
        "        self.fc = nn.Linear(WIDTH * 30 * 30, classes)\n"
        "    def forward(self, x):\n"
        "        x = self.conv(x)\n"
        "        x = x.flatten(1)\n"
        "        return self.fc(x)\n"
    )
    (host,) = hosts_named([f"{path}:Small"])
    source = original(host, Wrapper.NOTHING, Run.FORWARD, "seed").source
    assert check_program(source, generated=True) == []
    assert "WIDTH = 6" in source
    assert "class Net(Small):" in source


@pytest.mark.parametrize(
    ("name", "message"),
    [("alexnot", "unknown; choose from"), ("missing.py:Net", "the file does not exist")],
)
def test_an_unknown_model_is_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        hosts_named([name])


def test_a_class_that_the_file_does_not_define_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    (host,) = hosts_named([f"{tmp_path / 'empty.py'}:Missing"])
    with pytest.raises(UsageError, match="defines no class Missing"):
        original(host, Wrapper.NOTHING, Run.FORWARD, "seed")


# Drafts.


def test_a_site_must_be_among_the_lines_that_run() -> None:
    draft = draws(faults=["shape/missing_flatten"]).draft(0)
    assert draft is not None
    assert broken_source(draft, OriginalCheck(lines=list(range(1, 1000))))
    assert broken_source(draft, OriginalCheck(healthy=HEALTHY)) == ""


def test_only_layers_that_keep_the_shape_can_be_left_out() -> None:
    draft = draws(hosts=["resnet"], faults=["module/unused_layer"]).draft(0)
    assert draft is not None
    lines = list(range(1, 1000))
    source = broken_source(draft, OriginalCheck(lines=lines, same_shape=["bn2"]))
    removed = [line.strip() for line in draft.original.source.splitlines()]
    for line in source.splitlines():
        removed.remove(line.strip())
    assert removed == ["out = self.bn2(out)"]
    assert broken_source(draft, OriginalCheck(lines=lines, same_shape=["other"])) == ""


def test_layers_that_keep_the_shape_have_parameters_and_keep_it_always() -> None:
    shapes = [
        ("a.bn", "BatchNorm2d", "f[1]"),
        ("b.relu", "ReLU", "f[1]"),
        ("a.conv", "Conv2d", "f[1]"),
    ]
    layers = [Layer(path, kind, "f[1]", output) for path, kind, output in shapes]
    layers.append(Layer("b.conv", "Conv2d", "f[1]", "f[2]"))
    answer = msgspec.structs.replace(observed(), layers=layers)
    assert original_check([ended(answer)] * 2, []).same_shape == ["bn"]


def test_drafts_depend_on_the_seed_and_the_number_alone() -> None:
    first, again, other = (
        [draws(seed).draft(number) for number in range(12)] for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_no_healthy_program_passes_probabilities_to_the_cross_entropy() -> None:
    drawn = draws(faults=["training/backward_twice"])
    found = [drawn.draft(number) for number in range(20)]
    assert {one.original.wrapper for one in found if one} - {Wrapper.PROBABILITIES}
    assert all(one and one.original.wrapper is not Wrapper.PROBABILITIES for one in found)


def test_an_unknown_fault_class_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown; choose from"):
        faults_named(["shape/no_such_case"])


# Verification.


def test_a_healthy_program_must_obey_every_law() -> None:
    good, bad = observed(), observed(NONLINEAR=False)
    assert original_check([ended(good), ended(good)], [1]).healthy == HEALTHY
    assert original_check([ended(bad), ended(bad)], [1]).reason == "original violates nonlinear"
    assert original_check([ended(good), ended(bad)], [1]).reason.startswith("flaky")
    lost = ended(None, JobStatus.TIMEOUT)
    assert original_check([ended(good), lost], [1]).reason == "timeout: detail"
    raises = ended(observed(ExceptionInfo(Stage.FORWARD, "ValueError", "no")))
    assert original_check([raises, raises], [1]).reason == "original raises: no"


def test_a_loud_program_must_raise_what_its_class_says() -> None:
    fault = FAULTS["shape/missing_flatten"]

    def reason_for(answer: Observation) -> str:
        return broken_check(fault, HEALTHY, [ended(answer)] * 2).reason

    raised = ExceptionInfo(Stage.FORWARD, "RuntimeError", "mat1 and mat2\nmore", "self.fc(x)", "fc")
    found = broken_check(fault, HEALTHY, [ended(observed(raised))] * 2).broken
    assert found is not None
    assert (found.message, found.layer, found.stage) == ("mat1 and mat2", "fc", Stage.FORWARD)
    assert reason_for(observed()).startswith("no failure")
    assert reason_for(observed(msgspec.structs.replace(raised, type="KeyError"))).startswith(
        "other"
    )
    assert reason_for(observed(msgspec.structs.replace(raised, expression=""))).startswith("other")


def test_a_silent_program_must_violate_the_laws_of_its_class() -> None:
    fault = FAULTS["module/inplace_relu_on_input"]
    answer = ended(observed(INPUTS_UNTOUCHED=False, NONLINEAR=False))
    found = broken_check(fault, HEALTHY, [answer] * 2).broken
    assert found is not None
    assert found.violates == {Law.INPUTS_UNTOUCHED, Law.NONLINEAR}
    other = ended(observed(NONLINEAR=False))
    assert broken_check(fault, HEALTHY, [other] * 2).reason.startswith("no failure")
    raised = ended(observed(ExceptionInfo(Stage.RUN, "RuntimeError", "leaf")))
    assert broken_check(fault, HEALTHY, [raised] * 2).reason.startswith("other failure")


class _Reversed(Runner):
    """A runner whose results come in the opposite order."""

    isolation = "reversed"

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def run(self, jobs: Sequence[Job], schema: type[Answer]) -> Iterator[JobResult[Answer]]:
        yield from reversed(list(self._runner.run(jobs, schema)))

    def close(self) -> None:
        """Leave the inner runner open."""


def kept(checked: Sequence[Checked]) -> list[tuple[int, str]]:
    return [(one.draft.number, one.case.broken) for one in checked if one.case]


def test_the_order_in_which_programs_finish_changes_nothing(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broken_convnets.commands.wild.verify.BATCH", 3)
    runtime = runtime_of(runner)
    found = [
        list(generate(each, draws(3, FAST, SOME), 3, CheckStore(tmp_path / name, runtime)))
        for name, each in (("a", runner), ("b", _Reversed(runner)))
    ]
    assert len(kept(found[0])) == 3
    assert kept(found[0]) == kept(found[1])


@pytest.mark.slow
def test_the_command_writes_a_corpus_that_lint_accepts(harness: Command, tmp_path: Path) -> None:
    out = tmp_path / "wild"
    options = ["--models", "autoencoder", "--classes", ",".join(SOME), "--seed", "3"]
    done = harness("wild", *options, "--count", "3", "--out", str(out))
    assert done.code == 0
    assert "3 of 3 programs verified" in done.out
    corpus = load(out)
    assert lint(corpus) == []
    assert unformatted(corpus) == []
    assert sorted(name.partition("/")[0] for name in corpus.ids) == ["memory", "module", "shape"]
    refused = harness("wild", *options, "--out", str(out))
    assert refused.code == 2
    assert "is not an empty folder" in refused.err


def test_the_limits_leave_time_for_a_busy_machine() -> None:
    limits = patient_limits(2, ["hidden"])
    assert limits.seconds >= 100
    assert limits.wall_seconds >= 3600
    assert (limits.workers, limits.hidden) == (2, ["hidden"])


@pytest.mark.parametrize("module", ["variants", "programs", "wild"])
def test_every_command_that_chooses_programs_has_these_limits(module: str) -> None:
    found = import_module(f"broken_convnets.commands.{module}.command")
    text = Path(str(found.__file__)).read_text(encoding="utf-8")
    assert "patient_limits(" in text
    assert "Limits(" not in text


def test_the_executor_runs_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = argparse.ArgumentParser()
    command.add_options(parser)
    opened = []
    monkeypatch.setattr(command, "load_executor", lambda spec: spec)
    monkeypatch.setattr(command, "ExecutorRunner", lambda *found: opened.append(found))
    command.open_runner_for(parser.parse_args(["--executor", "cluster:executor"]))
    ((executor, limits),) = opened
    assert executor == "cluster:executor"
    assert limits.preload


# The case format.


def test_the_style_of_a_generated_program_is_not_checked_but_its_contract_is() -> None:
    source = original(HOSTS["unet"], Wrapper.NOTHING, Run.FORWARD, "seed").source
    assert any("shorten it" in message for message in check_program(source))
    assert check_program(source, generated=True) == []
    unsafe = source.replace("import torch\n", "import torch\nimport subprocess\n", 1)
    assert any("subprocess" in message for message in check_program(unsafe, generated=True))


def test_no_case_of_the_corpus_is_generated() -> None:
    assert [
        e.id for e in load(default_root()).entries.values() if getattr(e.spec, "generated", None)
    ] == []


def test_the_document_has_the_numbers_of_models_and_classes() -> None:
    text = (default_root() / "docs/wild.md").read_text(encoding="utf-8")
    silent = sum(fault.silent for fault in FAULTS.values())
    assert f"There are {len(FAULTS)} fault classes, {silent} of them silent." in text
    by_package = Counter(host.module.rpartition(".")[0] for host in HOSTS.values())
    classifiers = by_package["torchvision.models"]
    segmenters = by_package["torchvision.models.segmentation"]
    numbers = f"There are {len(HOSTS)}: {classifiers} classifiers and {segmenters} segmentation"
    assert numbers in text
