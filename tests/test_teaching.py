"""The lesson plans are correct: names, levels, minutes, messages, and the reactions of `learn`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.learn.grader import Grader
from broken_convnets.commands.learn.ordering import alias, ordered_cases
from broken_convnets.commands.learn.render import KEYS
from broken_convnets.commands.show.page import symptom_line
from broken_convnets.corpus.diff import cause_lines
from broken_convnets.corpus.entries import Case
from kit import our_corpus, our_records, patched

if TYPE_CHECKING:
    from kit import Remembering

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
PROSE = " ".join(PAGE.split())
LESSONS = PAGE.split("\n## ")[1:]
CORPUS = our_corpus()
MENTIONED = re.compile(r"\[(\w+/\w+)\]\(\.\./cases/(\w+/\w+)\.py\)")

ATTENTION = "        x = x * weights[:, :, None, None]\n"
FLATTEN = "        return self.fc(torch.flatten(x, 1))\n"
TRY = (
    "        try:\n            return self.fc(torch.flatten(x, 1))\n"
    "        except TypeError:\n            return torch.zeros(4, 10)\n"
)
CALL, LAYER = "        x = self.attend(x)\n", "        self.attend = ChannelAttention(8)\n"
MISSING, GROWING = "none/missing_return", "training/missing_zero_grad"
BACKWARD = "        loss.backward()\n"
LOOP = "    for epoch in range(3):\n"

# Words of the page, the case, the change, and what the result names; "" if it is solved.
TRIED = [
    (
        "`torch.zeros_like(x)` from the layer",
        MISSING,
        [(ATTENTION, "        return torch.zeros_like(x)\n")],
        "every-parameter-learns",
    ),
    ("delete the line `x = self.attend(x)`", MISSING, [(CALL, "")], "every-parameter-learns"),
    ("delete the layer as well", MISSING, [(CALL, ""), (LAYER, "")], "required-layers-used"),
    ("wrap the failing line in `try`", MISSING, [(FLATTEN, TRY)], "every-parameter-learns"),
    (
        "write `self.conv2(x[0])`",
        "none/trailing_comma_tuple",
        [("self.conv2(x)", "self.conv2(x[0])")],
        "",
    ),
    (
        "write `nn.Linear(6, 10)`",
        "shape/missing_flatten",
        [("nn.Linear(8 * 6 * 6, 10)", "nn.Linear(6, 10)")],
        "output-as-declared",
    ),
    (
        "write `x.view(4, -1)`",
        "shape/missing_flatten",
        [("self.fc(x)", "self.fc(x.view(4, -1))")],
        "any-batch-size",
    ),
    (
        "the images smaller in `example_inputs`",
        "shape/linear_in_features_image_size",
        [("64, 64", "32, 32")],
        "example_inputs",
    ),
    (
        "write `nn.Flatten(0)`",
        "batch/unbatched_image",
        [("nn.Flatten()", "nn.Flatten(0)")],
        "any-batch-size",
    ),
    (
        "write `drop_last=True`",
        "batch/hardcoded_batch_size",
        [("batch_size=4)\n    return", "batch_size=4, drop_last=True)\n    return")],
        "run",
    ),
    (
        "put `F.adaptive_avg_pool2d(x, 5)`",
        "shape/linear_in_features_image_size",
        [(FLATTEN, f"        x = F.adaptive_avg_pool2d(x, 5)\n{FLATTEN}")],
        "",
    ),
    ("lower the learning rate", GROWING, [("lr=0.01", "lr=0.0001")], "gradients-are-fresh"),
    (
        "between `backward()` and `step()`",
        GROWING,
        [(BACKWARD, f"{BACKWARD}        optimizer.zero_grad()\n")],
        "every-parameter-moves",
    ),
    (
        "set `nn.Dropout(p=0)`",
        "training/missing_eval_mode",
        [("nn.Dropout()", "nn.Dropout(p=0)")],
        "infers-in-eval-mode",
    ),
    (
        "delete the dropout",
        "training/missing_eval_mode",
        [
            ("        self.drop = nn.Dropout()\n", ""),
            ("self.drop(torch.flatten(x, 1))", "torch.flatten(x, 1)"),
        ],
        "infers-in-eval-mode",
    ),
    (
        "use `F.nll_loss`",
        "loss/softmax_before_cross_entropy",
        [("F.cross_entropy(", "F.nll_loss(")],
        "one-batch-can-be-learned",
    ),
    (
        "call `net.train()` once",
        "training/missing_train_mode_after_validation",
        [(LOOP, f"    net.train()\n{LOOP}")],
        "trains-in-train-mode",
    ),
]


@pytest.fixture(scope="module")
def grader(runner: Remembering) -> Grader:
    return Grader(runner)


def _case(name: str) -> Case:
    entry = CORPUS.entries[name]
    assert isinstance(entry, Case)
    return entry


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sentence", "name", "changes", "expected"), TRIED, ids=lambda v: str(v)[:40]
)
def test_wrong_fixes_are_graded_as_the_page_says(
    sentence: str, name: str, changes: list[tuple[str, str]], expected: str, grader: Grader
) -> None:
    assert sentence in PROSE
    result = grader.grade(_case(name), patched(*changes, source=_case(name).broken), "work/net.py")
    assert result.solved == (not expected), result
    named = [*(violation.law for violation in result.violations), *result.restored]
    assert not expected or expected in named, result
    if expected not in {"", "run", "example_inputs"}:
        assert f"`{expected}`" in PROSE.partition(sentence)[2].partition(" They ")[0]
        assert not result.failure


def test_every_wrong_fix_of_the_page_is_tested() -> None:
    wrong_fixes = re.findall(r"^- (?:They|In the last program they) ", PAGE, flags=re.MULTILINE)
    assert len(wrong_fixes) == len(TRIED)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda text: text.splitlines()[0])
def test_a_lesson_takes_45_minutes(lesson: str) -> None:
    minutes = [int(number) for number in re.findall(r"^\| (\d+) \|", lesson, flags=re.MULTILINE)]
    assert sum(minutes) == 45


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda text: text.splitlines()[0])
def test_the_command_of_a_lesson_lists_its_cases_in_order(lesson: str) -> None:
    (command,) = re.findall(r"broken-convnets learn (.+)", lesson)
    timetable = lesson.partition("**Homework.**")[0]
    wanted = [shown for shown, _ in MENTIONED.findall(timetable)]
    assert [case.id for case in ordered_cases(CORPUS, command.split())] == wanted
    assert all(shown == path for shown, path in MENTIONED.findall(lesson))


def test_homework_has_the_right_names_and_levels() -> None:
    for lesson in LESSONS:
        homework = " ".join(lesson.partition("**Homework.**")[2].split())
        found = re.findall(r"\[(\w+/\w+)\]\([^)]*\) \(`(net_\w+)`\)([^`\[]*)", homework)
        assert len(found) == len(MENTIONED.findall(homework)) >= 2
        for name, short, after in found:
            assert alias(_case(name)).endswith(short)
            assert _case(name).spec.level == (2 if "level 2" in after or "both" in homework else 1)


def test_the_quoted_messages_are_recorded() -> None:
    (baseline,) = [
        baseline
        for baseline in our_records()
        if (baseline.torch, baseline.device) == ("2.14.1", "cpu")
    ]
    quoted = re.findall(r"^\| (mat1 and mat2 [^|]+?) \|", PAGE, flags=re.MULTILINE)
    names = [
        "shape/missing_flatten",
        "shape/linear_in_features_image_size",
        "batch/unbatched_image",
    ]
    recorded = [side.message for name in names if (side := baseline.entries[name].broken)]
    assert quoted == recorded


def test_the_lines_of_the_first_program_are_correct() -> None:
    case = _case(MISSING)
    assert (symptom_line(case), cause_lines(case.broken, case.fixed)) == (27, {14})
    assert "(Lines 27 and 14.)" in PROSE


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs/lessons").glob("*.md")), ids=lambda path: path.stem
)
def test_slides_have_the_programs_and_a_message_of_their_lesson(path: Path) -> None:
    slides = path.read_text(encoding="utf-8")
    (command,) = re.findall(r"^broken-convnets learn (.+)$", slides, flags=re.MULTILINE)
    assert f"broken-convnets learn {command}" in PAGE
    assert all(f"`{name}`" in slides for name in command.split())
    recorded = {
        f"{side.raises}: {side.message}"
        for baseline in our_records()
        for record in baseline.entries.values()
        if (side := record.broken)
    }
    for quoted in re.findall(r"```text\n(.+?)\n```", slides):
        assert any(quoted in message for message in recorded), quoted


def test_the_page_lists_every_key() -> None:
    page = (ROOT / "docs" / "learn.md").read_text(encoding="utf-8")
    shown = re.findall(r"`(.)`", "".join(re.findall(r"^\| (`.*?) \|", page, flags=re.MULTILINE)))
    assert shown == list(KEYS)
