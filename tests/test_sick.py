"""Pairs and controls that lie, and the one verdict that each must get."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from broken_convnets.vocabulary import Verdict
from kit import (
    BROKEN,
    TRAINED,
    Pair,
    Remembering,
    Solo,
    corpus_of,
    doing,
    importing,
    outcome,
    patched,
    run_all,
)

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.corpus.entries import Corpus


@dataclass(frozen=True)
class Sick:
    """An entry, its verdict, and what its mismatches are about: none where it is as declared."""

    entry: Pair | Solo
    verdict: Verdict
    names: set[str] = field(default_factory=set)


def _symptom(what: str, happens: str) -> Sick:
    return Sick(Pair(declared={what: happens}), Verdict.WRONG_SYMPTOM, {what})


def _silent(broken: str, *violates: str, verdict: Verdict = Verdict.REPRODUCED) -> Sick:
    names = set() if verdict is Verdict.REPRODUCED else {"violates"}
    return Sick(Pair(broken, silent=violates), verdict, names)


def _fix(fixed: str, *laws: str, broken: str = BROKEN) -> Sick:
    return Sick(Pair(broken, fixed), Verdict.FIX_FAILED, set(laws))


LINEAR = patched(("torch.relu(self.conv(x))", "self.conv(x)"))
MIXING = patched(("(torch.flatten(x, 1))", "(torch.flatten(x - x.mean(0), 1))"))
SWALLOWING = patched(
    (
        "        return self.fc(torch.flatten(x, 1))",
        """\
        try:
            return torch.flatten(x, 2) @ self.fc.weight.T
        except RuntimeError:
            return torch.zeros(x.shape[0], 5)""",
    )
)
IN_RUN = patched(
    ("loss.backward()", "loss.backward()\n    torch.zeros(2, 3) @ torch.zeros(2, 3)"),
    source=TRAINED,
)
FLIPPING = doing("if torch.initial_seed() % 3 == 2:", "    raise TypeError('odd')", source=BROKEN)
RANDOM_MESSAGE = doing(
    "raise RuntimeError(f'cannot be multiplied {torch.rand(())}')", source=BROKEN
)

SICK = {
    "raises_another_class": _symptom("raises", "ValueError"),
    "says_something_else": _symptom("message", "must be Tensor, not NoneType"),
    "raises_elsewhere": Sick(
        Pair(declared={"expression": "torch.relu(self.conv(x))"}),
        Verdict.WRONG_SYMPTOM,
        {"expression"},
    ),
    "raises_in_another_layer": _symptom("layer", "conv"),
    "raises_in_another_stage": _symptom("stage", "build"),
    "raises_after_the_network": Sick(
        Pair(IN_RUN, TRAINED, declared={"expression": "torch.zeros(2, 3) @ torch.zeros(2, 3)"}),
        Verdict.WRONG_SYMPTOM,
        {"stage", "layer"},
    ),
    "raises_at_import": Sick(
        Pair(importing("copy", "raise RuntimeError('cannot be multiplied')", source=BROKEN)),
        Verdict.WRONG_SYMPTOM,
        {"stage", "layer", "expression"},
    ),
    "raises_in_example_inputs": Sick(
        Pair(patched(("torch.randn(batch", "torch.rand(2, batch"), source=BROKEN)),
        Verdict.WRONG_SYMPTOM,
        {"message", "expression", "layer"},
    ),
    "does_nothing_wrong": Sick(
        Pair(
            patched(("        return", "        x = x.clone()\n        return")),
            declared={"expression": "torch.flatten(x, 1)"},
        ),
        Verdict.NOT_REPRODUCED,
        {"failure"},
    ),
    "prints_that_it_passed": Sick(
        Pair(
            doing("print('passed')", "print('reproduced')"),
            declared={"expression": "torch.flatten(x, 1)"},
        ),
        Verdict.NOT_REPRODUCED,
        {"failure"},
    ),
    "fix_raises": _fix(patched(("flatten(x, 1)", "flatten(x, 3)")), "fixed side"),
    "fix_returns_none": _fix(
        patched(("return self.fc(", "self.fc(")),
        "output-as-declared",
        "any-batch-size",
        "deterministic-in-eval",
        "every-parameter-learns",
        "nonlinear",
        "samples-independent",
        "state-round-trips",
    ),
    "fix_swallows_the_exception": _fix(
        SWALLOWING, "every-parameter-learns", "exports", "nonlinear"
    ),
    "fix_detaches_the_graph": _fix(
        patched(("x, 1))", "x, 1)).detach()")), "every-parameter-learns"
    ),
    "fix_multiplies_by_zero": _fix(
        patched(("x, 1))", "x, 1)) * 0")), "every-parameter-learns", "nonlinear"
    ),
    "fix_gives_another_dtype": _fix(patched(("x, 1))", "x, 1)).double()")), "output-as-declared"),
    "fix_gives_another_shape": _fix(patched(("2, 5)", "2, 6)")), "output-as-declared"),
    "fix_works_for_one_batch_size": _fix(
        patched(("torch.flatten(x, 1)", "x.view(4, -1)")),
        "any-batch-size",
        "exports",
        "samples-independent",
    ),
    "fix_warns": _fix(
        patched(("return self.fc(", "return nn.functional.softmax(self.fc("), ("1))", "1)))")),
        "no-warnings",
    ),
    "fix_flips_with_the_seed": Sick(
        Pair(fixed=FLIPPING), Verdict.FLAKY, {"the fixed side in every run"}
    ),
    "flips_with_the_seed": Sick(Pair(FLIPPING), Verdict.FLAKY, {"the broken side in every run"}),
    "says_a_random_number": Sick(
        Pair(RANDOM_MESSAGE), Verdict.FLAKY, {"the broken side in every run"}
    ),
    "imports_what_is_not_there": Sick(
        Pair(importing("torch.not_there", source=BROKEN)), Verdict.UNSUPPORTED, {"import"}
    ),
    "fix_imports_what_is_not_there": Sick(
        Pair(fixed=importing("torch.not_there")), Verdict.UNSUPPORTED, {"import"}
    ),
    "imports_too_late": Sick(
        Pair(doing("import torch.not_there", source=BROKEN)),
        Verdict.WRONG_SYMPTOM,
        {"raises", "message", "expression", "layer"},
    ),
    "waives_needlessly": Sick(
        Pair(waive={"nonlinear": "not so"}), Verdict.FIX_FAILED, {"waive.nonlinear"}
    ),
    "waives_another_law": Sick(
        Pair(fixed=LINEAR, waive={"exports": "not so"}),
        Verdict.FIX_FAILED,
        {"nonlinear", "waive.exports"},
    ),
    "waives_with_reason": Sick(
        Pair(fixed=LINEAR, waive={"nonlinear": "one layer is enough here"}), Verdict.REPRODUCED
    ),
    "breaks_the_declared_law": _silent(LINEAR, "nonlinear"),
    "breaks_both_declared_laws": _silent(
        patched(("(torch.flatten(x, 1))", "(torch.flatten(x - x.mean(0), 1))"), source=LINEAR),
        "nonlinear",
        "samples-independent",
    ),
    "breaks_another_law": _silent(LINEAR, "exports", verdict=Verdict.WRONG_SYMPTOM),
    "breaks_one_more_law": _silent(
        patched(
            ("x.mean(0)", "x.mean(0)"), ("torch.relu(self.conv(x))", "self.conv(x)"), source=MIXING
        ),
        "nonlinear",
        verdict=Verdict.WRONG_SYMPTOM,
    ),
    "breaks_one_law_less": _silent(LINEAR, "nonlinear", "exports", verdict=Verdict.WRONG_SYMPTOM),
    "breaks_no_law": _silent(
        patched(("torch.relu", "torch.tanh")), "nonlinear", verdict=Verdict.NOT_REPRODUCED
    ),
    "raises_though_silent": _silent(BROKEN, "nonlinear", verdict=Verdict.WRONG_SYMPTOM),
    "silent_but_fix_raises": Sick(
        Pair(LINEAR, BROKEN, silent=("nonlinear",)), Verdict.FIX_FAILED, {"fixed side"}
    ),
    "control_that_works": Sick(Solo(), Verdict.WORKS),
    "control_that_raises": Sick(Solo(BROKEN), Verdict.CONTROL_FAILED, {"fixed side"}),
    "control_that_breaks_a_law": Sick(Solo(LINEAR), Verdict.CONTROL_FAILED, {"nonlinear"}),
    "control_with_a_waiver": Sick(Solo(LINEAR, waive={"nonlinear": "why not"}), Verdict.WORKS),
}


@pytest.fixture(scope="module")
def ward(runner: Remembering, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    entries = {f"sick/{name}": sick.entry for name, sick in SICK.items()}
    corpus = corpus_of(tmp_path_factory.mktemp("ward"), {**entries, "healthy/pair": Pair()})
    return run_all(runner, corpus)


@pytest.mark.parametrize("name", SICK)
def test_verdict_is_exactly(name: str, ward: Corpus, runner: Remembering) -> None:
    judgement = outcome(runner, ward, f"sick/{name}").judgement
    assert judgement.verdict is SICK[name].verdict, judgement.mismatches
    named = {wrong.what for wrong in judgement.mismatches}
    assert named == SICK[name].names, judgement.mismatches


@pytest.mark.parametrize("name", SICK)
def test_what_is_not_as_declared_says_why(name: str, ward: Corpus, runner: Remembering) -> None:
    judgement = outcome(runner, ward, f"sick/{name}").judgement
    assert bool(judgement.mismatches) is not judgement.verdict.as_declared
    assert all(wrong.declared != wrong.happened for wrong in judgement.mismatches)


def test_a_healthy_pair_among_the_sick_is_unharmed(ward: Corpus, runner: Remembering) -> None:
    assert outcome(runner, ward, "healthy/pair").verdict is Verdict.REPRODUCED


@pytest.mark.parametrize("solo", [Solo(), Solo(TRAINED, output="float32[]")])
def test_the_networks_that_the_tests_build_on_are_sound(
    solo: Solo, runner: Remembering, tmp_path: Path
) -> None:
    found = outcome(runner, corpus_of(tmp_path, {"sound/net": solo}), "sound/net")
    assert found.verdict is Verdict.WORKS, found.judgement.mismatches
