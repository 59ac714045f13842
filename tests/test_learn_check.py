"""Any right fix solves a case; a change that only hides the failure does not."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.learn import checks, render
from broken_convnets.commands.learn.editable_parts import closed_parts, graded_program
from broken_convnets.commands.learn.grader import Grader
from broken_convnets.corpus.entries import Case
from broken_convnets.vocabulary import Law
from kit import HEALTHY, TRAINED, Pair, case_of, doing, our_corpus, patched, slow_but
from rich.console import Console

if TYPE_CHECKING:
    from broken_convnets.commands.learn.grading_result import GradingResult
    from broken_convnets.sandbox.fork_client import ForkServer
    from kit import Remembering

CORPUS = our_corpus()
NAME = "work/net.py"

ATTENTION = "        x = x * weights[:, :, None, None]\n"
FLATTEN = "        return self.fc(torch.flatten(x, 1))\n"
LEARNS = Law.EVERY_PARAMETER_LEARNS


@dataclass(frozen=True)
class Try:
    """A change to a case, and what the result names if it is not a fix."""

    id: str
    changes: tuple[tuple[str, str], ...]
    expected: str = ""  # a violated law or check, or a part of the failure

    def source(self) -> str:
        return patched(*self.changes, source=_case(self.id).broken)


def _case(name: str) -> Case:
    entry = CORPUS.entries[name]
    assert isinstance(entry, Case)
    return entry


def _in_run(new: str, old: str = "    loss.backward()\n    return loss\n") -> tuple[str, str]:
    return old, new


NOT_FIXED = {
    "zeros of the right shape": Try(
        "none/missing_return",
        ((ATTENTION, "        return torch.zeros_like(x)\n"),),
        LEARNS,
    ),
    "try around the failing line": Try(
        "none/missing_return",
        (
            (
                FLATTEN,
                (
                    "        try:\n            return self.fc(torch.flatten(x, 1))\n"
                    "        except TypeError:\n            return torch.zeros(4, 10)\n"
                ),
            ),
        ),
        LEARNS,
    ),
    "detach": Try(
        "none/missing_return",
        ((ATTENTION, "        return (x * weights[:, :, None, None]).detach()\n"),),
        LEARNS,
    ),
    "a layer that is no longer called": Try(
        "none/missing_return", (("        x = self.attend(x)\n", ""),), LEARNS
    ),
    "a layer taken out altogether": Try(
        "none/missing_return",
        (("        x = self.attend(x)\n", ""), ("        self.attend = ChannelAttention(8)\n", "")),
        checks.REQUIRED_LAYERS.name,
    ),
    "a constant": Try(
        "none/missing_return",
        (
            (FLATTEN, "        return torch.ones(x.shape[0], 10)\n"),
            (ATTENTION, "        return x\n"),
        ),
        Law.NONLINEAR,
    ),
    "the batch size written down": Try(
        "shape/missing_flatten",
        (("self.fc(x)", "self.fc(x.view(4, 288))"),),
        Law.ANY_BATCH_SIZE,
    ),
    "another batch size written down": Try(
        "batch/hardcoded_batch_size", (("x.view(4,", "x.view(10,"),), "RuntimeError: shape '[10"
    ),
    "labels cast to what they are not": Try(
        "dtype/float_class_labels",
        (
            (
                "torch.Tensor([index % 10 for index in range(batch_size)])",
                "torch.Tensor([index % 10 for index in range(batch_size)]).bool().long()",
            ),
        ),
        checks.DISTINCT_VALUES.name,
    ),
    "labels cast where they are used": Try(
        "dtype/float_class_labels",
        (("(net(images), labels)", "(net(images), labels.bool().long())"),),
        checks.DEPENDENCIES.name,
    ),
    "labels clamped": Try(
        "loss/labels_start_at_one",
        (("(net(images), labels)", "(net(images), labels.clamp(max=9))"),),
        checks.DEPENDENCIES.name,
    ),
    "strict=False": Try(
        "state/dataparallel_prefix",
        (("load_state_dict(torch.load(file))", "load_state_dict(torch.load(file), strict=False)"),),
        Law.RESULTS_REPEAT,
    ),
    "nothing is saved": Try(
        "state/dataparallel_prefix",
        (("    fresh.load_state_dict(torch.load(file))\n", "    fresh = net\n"),),
        checks.SIDE_EFFECTS.name,
    ),
    "retain_graph": Try(
        "training/hidden_state_not_detached",
        (("loss.backward()", "loss.backward(retain_graph=True)"),),
        "RuntimeError: one of the variables needed for gradient",
    ),
    "the input caught and returned": Try(
        "shape/residual_channel_mismatch",
        (
            (
                "        return torch.relu(self.conv(x) + self.shortcut(x))\n",
                (
                    "        try:\n            return torch.relu(self.conv(x) + self.shortcut(x))\n"
                    "        except RuntimeError:\n            return x\n"
                ),
            ),
        ),
        "RuntimeError",
    ),
    "a run that does nothing": Try(
        "training/missing_zero_grad",
        (
            _in_run(
                "    return torch.tensor(0.0)\n",
                "        loss = F.cross_entropy(net(images), labels)\n        loss.backward()\n"
                "        optimizer.step()\n    return loss\n",
            ),
            ("    for _ in range(3):\n", ""),
        ),
        Law.GRADIENTS_ARE_FRESH,
    ),
    "one step only": Try(
        "training/missing_train_mode_after_validation",
        (("        print(epoch, accuracy(net, images, labels).item())\n", ""),),
        checks.SIDE_EFFECTS.name,
    ),
    "inputs that never fail": Try(
        "shape/linear_in_features_image_size", (("3, 64, 64", "3, 32, 32"),), "RuntimeError: mat1"
    ),
    "a run of the learner's own": Try(
        "batch/softmax_over_batch",
        (
            (
                "if __name__",
                ("def run(net, x):\n    return torch.softmax(net(x), dim=1)\n\n\nif __name__"),
            ),
        ),
        Law.SAMPLES_INDEPENDENT,
    ),
    "warnings silenced": Try(
        "none/missing_return",
        (
            ("import torch\n", "import warnings\n\nimport torch\n"),
            (ATTENTION, "        return x * weights[:, :, None, None]\n"),
        ),
        checks.CONTRACT.name,
    ),
}

FIXED = {
    "mul for *": Try(
        "none/missing_return",
        ((ATTENTION, "        return x.mul(weights.unflatten(1, (-1, 1, 1)))\n"),),
    ),
    "a conditional expression": Try(
        "none/conditional_return",
        (
            (
                "        if self.halve:\n            return F.max_pool2d(x, 2)\n",
                "        return F.max_pool2d(x, 2) if self.halve else x\n",
            ),
        ),
    ),
    "labels cast in run": Try(
        "dtype/float_class_labels", (("(net(images), labels)", "(net(images), labels.long())"),)
    ),
    "labels by another function": Try(
        "dtype/float_class_labels",
        (
            (
                "(torch.Tensor([index % 10 for index in range(batch_size)]),)",
                "(torch.arange(batch_size) % 10,)",
            ),
        ),
    ),
    "labels shifted in run": Try(
        "loss/labels_start_at_one",
        (
            (
                "F.cross_entropy(net(images), labels)",
                "nn.CrossEntropyLoss()(net(images), labels - 1)",
            ),
        ),
    ),
    "a pool instead of a larger Linear": Try(
        "shape/linear_in_features_image_size",
        ((FLATTEN, "        x = F.adaptive_avg_pool2d(x, 5)\n" + FLATTEN),),
    ),
    "view by the batch": Try(
        "batch/hardcoded_batch_size", (("x.view(4, 8 * 6 * 6)", "x.view(x.size(0), -1)"),)
    ),
    "gradients set to zero after the step": Try(
        "training/missing_zero_grad",
        (("        optimizer.step()\n", "        optimizer.step()\n        net.zero_grad()\n"),),
    ),
    "a layer for the flatten": Try(
        "shape/missing_flatten",
        (
            (
                "self.fc = nn.Linear(8 * 6 * 6, 10)",
                "self.fc = nn.Sequential(nn.Flatten(), nn.Linear(8 * 6 * 6, 10))",
            ),
        ),
    ),
    "numpy's own cast": Try(
        "dtype/float64_images",
        (("size=(batch_size, 3, 8, 8))", "size=(batch_size, 3, 8, 8)).astype(np.float32)"),),
    ),
    "a state detached after the step": Try(
        "training/hidden_state_not_detached",
        (
            (
                "        optimizer.step()\n",
                ("        optimizer.step()\n        state = state.detach()\n"),
            ),
        ),
    ),
    "the state of the network itself": Try(
        "state/dataparallel_prefix", (("parallel.state_dict()", "net.state_dict()"),)
    ),
    "a norm inside the activation": Try(
        "module/discarded_layer_output",
        (
            (
                "        self.norm(x)\n        x = torch.relu(x)\n",
                "        x = self.norm(x).clamp(min=0)\n",
            ),
        ),
    ),
}

# The first change that a law, a check or a failure reveals.
REVEALED = {change.expected: name for name, change in reversed(NOT_FIXED.items())}


@pytest.fixture(scope="module")
def grader(runner: Remembering) -> Grader:
    return Grader(runner)


def _named(result: GradingResult) -> str:
    return " ".join([result.failure, *(violation.law for violation in result.violations)])


@pytest.mark.parametrize("name", slow_but([*REVEALED.values()][:1], NOT_FIXED))
def test_a_change_that_only_hides_the_failure_is_unsolved(name: str, grader: Grader) -> None:
    change = NOT_FIXED[name]
    result = grader.grade(_case(change.id), change.source(), NAME)
    assert not result.solved
    assert change.expected in _named(result), result


@pytest.mark.parametrize("name", slow_but([*FIXED][:1], FIXED))
def test_every_right_fix_is_solved(name: str, grader: Grader) -> None:
    change = FIXED[name]
    result = grader.grade(_case(change.id), change.source(), NAME)
    assert result.solved, result
    assert change.source() != _case(change.id).fixed


def test_a_violated_law_is_reported_with_its_sentences(grader: Grader) -> None:
    change = NOT_FIXED["detach"]
    result = grader.grade(_case(change.id), change.source(), NAME)
    (violation,) = [item for item in result.violations if item.law == LEARNS]
    assert violation.description == LEARNS.description
    assert "the gradient of conv.weight is none" in violation.note


def test_the_case_is_unsolved_and_our_fix_is_solved(grader: Grader) -> None:
    for name in ("none/missing_return", "batch/softmax_over_batch"):
        case = _case(name)
        assert not grader.grade(case, case.broken, NAME).solved
        assert grader.grade(case, case.fixed, NAME).solved


def test_the_traceback_shows_the_learners_file_and_lines(grader: Grader) -> None:
    source = "\n\n" + _case("none/missing_return").broken
    result = grader.grade(_case("none/missing_return"), source, NAME)
    lines = result.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert f'  File "{NAME}", line 29, in forward' in lines
    assert "    return self.fc(torch.flatten(x, 1))" in lines
    assert lines[-1].startswith("TypeError: flatten(): argument 'input'")
    assert "harness" not in result.traceback


def test_a_syntax_error_is_shown_like_python_shows_it(grader: Grader) -> None:
    result = grader.grade(case_of(Pair()), HEALTHY.replace("class Net(", "class Net("[:-1]), NAME)
    assert not result.solved
    assert f'File "{NAME}", line 7' in result.traceback
    assert result.failure.startswith("SyntaxError")


@pytest.fixture
def strict_grader(strict_runner: ForkServer, monkeypatch: pytest.MonkeyPatch) -> Grader:
    """Return a grader whose runner soon stops a program, and that soon looks where it hangs."""
    monkeypatch.setattr("broken_convnets.commands.learn.grader.HANG_SECONDS", 0.5)
    return Grader(strict_runner)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "failure"),
    [
        ("while True: pass", "timeout: used more than"),
        ("self.kept = [torch.ones(1 << 24) for _ in range(64)]", "crashed: exceeded the memory"),
    ],
)
def test_a_program_that_exceeds_a_limit_is_unsolved(
    line: str, failure: str, strict_grader: Grader
) -> None:
    result = strict_grader.grade(case_of(Pair()), doing(line), NAME)
    assert not result.solved
    assert failure in result.failure


@pytest.mark.slow
def test_a_timeout_shows_where_the_program_was(strict_grader: Grader) -> None:
    source = doing("while True:\n            x = x + 1")
    result = strict_grader.grade(case_of(Pair()), source, NAME)
    assert result.failure.startswith("timeout: used more than")
    assert "x = x + 1" in result.traceback or "while True:" in result.traceback
    assert result.traceback.endswith("the program was here when it was stopped after 0.5 s")
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render.result(result))
    assert console.export_text().rstrip().endswith("of processor time")


def test_the_output_of_a_program_is_limited(grader: Grader) -> None:
    result = grader.grade(case_of(Pair()), doing("print('x' * 99_999)"), NAME)
    assert result.solved
    assert 0 < len(result.printed) < 5_000


def test_a_long_traceback_keeps_its_beginning_and_end(grader: Grader) -> None:
    source = doing("return self.again(x, 90)").replace(
        "    def forward",
        "    def again(self, x, n):\n"
        "        return [self.again(x, n - 1) for _ in range(1)] if n else x.none()\n\n"
        "    def forward",
    )
    result = grader.grade(case_of(Pair()), source, NAME)
    assert len(result.traceback.splitlines()) <= 61
    assert "more lines ..." in result.traceback
    assert result.traceback.endswith("has no attribute 'none'")


def test_a_changed_closed_part_is_replaced_by_the_original_and_named() -> None:
    case = _case("shape/linear_in_features_image_size")
    assert closed_parts(case) == ["example_inputs"]
    changed = case.broken.replace("3, 64, 64", "3, 32, 32")
    contract = graded_program(case, changed)
    assert contract.restored == ["example_inputs"]
    assert contract.source.startswith(changed.rstrip())
    assert contract.source.endswith("(torch.randn(batch_size, 3, 64, 64),)\n")
    assert graded_program(case, case.fixed).source == case.fixed


def test_a_removed_decorator_is_restored_with_its_function() -> None:
    case = _case("batch/hardcoded_batch_size")
    contract = graded_program(case, case.broken.replace("@torch.no_grad()\n", ""))
    assert "run" in contract.restored
    assert "@torch.no_grad()\ndef run" in contract.source


def test_run_may_be_changed_only_if_the_mistake_is_in_the_data() -> None:
    assert "run" not in closed_parts(_case("dtype/float_class_labels"))
    assert "run" in closed_parts(_case("batch/hardcoded_batch_size"))


def test_debugging_prints_in_a_closed_part_do_not_matter(grader: Grader) -> None:
    case = _case("batch/hardcoded_batch_size")
    printing = case.fixed.replace("    net.eval()\n", "    net.eval()\n    print(images.shape)\n")
    result = grader.grade(case, printing, NAME)
    assert result.solved
    assert result.restored == ["run"]
    assert "torch.Size" in result.printed


def test_a_program_that_fails_only_with_another_seed_is_unsolved(grader: Grader) -> None:
    source = doing("if torch.initial_seed() == 3: raise ValueError('rare')")
    result = grader.grade(case_of(Pair()), source, NAME)
    assert not result.solved
    assert result.failure == "ValueError: rare"


def test_a_violation_outside_the_task_is_advice(grader: Grader) -> None:
    case = _case("batch/hardcoded_batch_size")
    result = grader.grade(case, case.broken.replace("view(4,", "view(len(x),"), NAME)
    assert result.solved
    assert [item.law for item in result.advice] == [Law.EXPORTS]


@pytest.mark.slow
def test_a_run_that_ignores_its_labels_is_unsolved(grader: Grader) -> None:
    source = patched(
        (
            "nn.functional.cross_entropy(net(x), labels)",
            "nn.functional.cross_entropy(net(x), torch.randint(5, labels.shape))",
        ),
        source=TRAINED,
    )
    broken = patched(("cross_entropy(net(x)", "cross_entropy(net(x)[0]"), source=TRAINED)
    case = case_of(Pair(broken, TRAINED, output="float32[]"))
    result = grader.grade(case, source, NAME)
    assert not result.solved
    assert Law.ONE_BATCH_CAN_BE_LEARNED in _named(result)


@pytest.mark.parametrize(
    "pair",
    [
        Pair(declared={"torch": {">=1": {"fails": False}}}),
        Pair(extra={"torch": "<1"}),
    ],
)
def test_a_case_for_other_releases_is_never_solved(pair: Pair, grader: Grader) -> None:
    result = grader.grade(case_of(pair), HEALTHY, NAME)
    assert not result.solved
    assert "does not apply to torch" in result.violations[0].note


def test_every_check_is_named_once_and_described() -> None:
    assert len({check.name for check in checks.ALL}) == len(checks.ALL)
    for check in checks.ALL:
        assert check.description.endswith(".")
        assert not check.violation.endswith(".")
