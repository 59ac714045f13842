"""The wild tier: mistakes of the corpus in real models, drawn from a seed and verified."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from broken_convnets.commands.wild.checks import broken_check, original_check
from broken_convnets.commands.wild.drafts import Draft, Draws, broken_sources
from broken_convnets.commands.wild.faults.all_faults import faults_named
from broken_convnets.commands.wild.faults.registry import FAULTS, TRAINING
from broken_convnets.commands.wild.hosts.networks import Wrapper
from broken_convnets.commands.wild.hosts.original import original
from broken_convnets.commands.wild.hosts.registry import HOSTS, hosts_named
from broken_convnets.commands.wild.hosts.runs import Run
from broken_convnets.commands.wild.store import OriginalCheck
from broken_convnets.corpus.entries import default_root
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
from broken_convnets.sandbox.job import JobStatus
from broken_convnets.vocabulary import Law, Stage
from kit import our_corpus

HEALTHY = Healthy(output="float32[8, 4]", inputs="float32[8, 3, 8, 8]", parameters=(9, 9))


def draws(seed: int = 3, hosts: list[str] | None = None, faults: list[str] | None = None) -> Draws:
    return Draws(hosts_named(hosts or []), faults_named(faults or []), seed)


def first(drawn: Draws, number: int = 0) -> Draft:
    return next(drawn.drafts(number))


def ended(answer: Observation | None, status: JobStatus = JobStatus.DONE) -> Ended:
    return Ended(0, status, "detail", answer)


def observed(raised: ExceptionInfo | None = None, **violated: bool) -> Observation:
    """Return the facts of a run that obeys every law except those in `violated`."""
    if raised:
        return Observation(raised=raised)
    laws = {law: CheckResult(law.name not in violated) for law in Law}
    given = InputSummary("float32[8, 3, 8, 8]", 0.0, 1.0, [0.5] * 3, (9, 9))
    return Observation(output="float32[8, 4]", given=given, laws=laws)


# Drafts.


def test_a_site_must_be_among_the_lines_that_run() -> None:
    draft = first(draws(faults=["shape/missing_flatten"]))
    assert any(broken_sources(draft, OriginalCheck(lines=list(range(1, 1000)))))
    assert list(broken_sources(draft, OriginalCheck(healthy=HEALTHY))) == []


def test_a_method_runs_if_its_body_does() -> None:
    draft = first(draws(hosts=["resnet"], faults=["module/misspelled_forward"]))
    defined = [
        at
        for at, line in enumerate(draft.original.source.splitlines(), start=1)
        if line.strip().startswith("def ")
    ]
    assert list(broken_sources(draft, OriginalCheck(lines=defined))) == []
    assert any(broken_sources(draft, OriginalCheck(lines=[at + 1 for at in defined])))


def test_only_layers_that_keep_the_shape_can_be_left_out() -> None:
    draft = first(draws(hosts=["resnet"], faults=["module/unused_layer"]))
    lines = list(range(1, 1000))
    found = list(broken_sources(draft, OriginalCheck(lines=lines, same_shape=["bn2"])))
    assert len(set(found)) == len(found) > 0
    for source in found:
        removed = [line.strip() for line in draft.original.source.splitlines()]
        for line in source.splitlines():
            removed.remove(line.strip())
        assert removed == ["out = self.bn2(out)"]
    assert list(broken_sources(draft, OriginalCheck(lines=lines, same_shape=["other"]))) == []


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


@pytest.mark.slow
def test_drafts_depend_on_the_seed_and_the_number_alone() -> None:
    one, again, other = ([first(draws(seed), number) for number in range(12)] for seed in (3, 3, 4))
    assert one == again
    assert one != other


def test_the_programs_of_a_class_begin_with_different_models() -> None:
    drawn = draws(faults=["shape/channels_last_images"])
    assert {first(drawn, number).original.host for number in range(len(HOSTS))} == set(HOSTS)


def test_fault_classes_share_healthy_programs() -> None:
    inside = ["shape/channels_last_images", "module/misspelled_forward", "none/layer_not_called"]
    drawn = draws(hosts=["resnet"], faults=inside)
    assert len({first(drawn, number).original.source for number in range(3)}) == 1
    later = {first(drawn, number).original.source for number in range(12)}
    assert len(later) > 1  # or one model would have few programs


def test_a_number_has_further_drafts_with_other_healthy_programs() -> None:
    found = list(draws(hosts=["unet", "resnet"], faults=["module/misspelled_forward"]).drafts(0))
    assert {one.original.host for one in found} == {"unet", "resnet"}
    assert len({one.original.source for one in found}) == len(found) > 4


def test_a_fault_class_that_fits_no_model_has_no_draft() -> None:
    drawn = draws(hosts=["autoencoder"], faults=["loss/labels_start_at_one"])
    assert list(drawn.drafts(0)) == []


@pytest.mark.slow
def test_no_healthy_program_passes_probabilities_to_the_cross_entropy() -> None:
    drawn = draws(faults=["training/backward_twice"])
    assert all(one.original.wrapper is not Wrapper.PROBABILITIES for one in drawn.drafts(0))


def test_a_model_that_does_not_learn_has_no_loss() -> None:
    assert list(draws(hosts=["alexnet"], faults=["training/backward_twice"]).drafts(0)) == []
    drawn = draws(hosts=["alexnet"], faults=["shape/channels_last_images"])
    assert {one.original.run for one in drawn.drafts(0)} <= {Run.FORWARD, Run.PREDICT}


def test_a_model_with_kinks_has_no_loss_without_an_optimizer() -> None:
    for host, runs in (("resnet", {Run.VALIDATE}), ("convnext", {Run.VALIDATE, Run.LOSS})):
        drawn = draws(hosts=[host], faults=["loss/broadcast_accuracy"])
        assert {one.original.run for one in drawn.drafts(0)} == runs


def test_a_model_with_auxiliary_heads_has_no_loss_without_an_optimizer() -> None:
    drawn = draws(hosts=["googlenet_aux"], faults=["loss/loss_module_as_function"])
    assert {one.original.run for one in drawn.drafts(0)} <= {*TRAINING}


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


# The case format.


def test_the_style_of_a_generated_program_is_not_checked_but_its_contract_is() -> None:
    source = original(HOSTS["unet"], Wrapper.NOTHING, Run.FORWARD, "seed").source
    assert any("shorten it" in message for message in check_program(source))
    assert check_program(source, generated=True) == []
    unsafe = source.replace("import torch\n", "import torch\nimport subprocess\n", 1)
    assert any("subprocess" in message for message in check_program(unsafe, generated=True))


def test_no_case_of_the_corpus_is_generated() -> None:
    assert [e.id for e in our_corpus().entries.values() if getattr(e.spec, "generated", None)] == []


def test_the_document_has_the_numbers_of_models_and_classes() -> None:
    text = (default_root() / "docs/wild.md").read_text(encoding="utf-8")
    silent = sum(fault.silent for fault in FAULTS.values())
    assert f"There are {len(FAULTS)} fault classes, {silent} of them silent." in text
    by_package = Counter(host.module.rpartition(".")[0] for host in HOSTS.values())
    classifiers = by_package["torchvision.models"]
    segmenters = by_package["torchvision.models.segmentation"]
    numbers = f"There are {len(HOSTS)}: {classifiers} classifiers and {segmenters} segmentation"
    assert numbers in text
