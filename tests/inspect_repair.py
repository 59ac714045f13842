"""The task for Inspect AI, with the real library and a stub model: `nox -s integrations`."""

from __future__ import annotations

import ast
import math
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from broken_convnets.cli import main
from broken_convnets.commands.export.prompt import NOTHING
from broken_convnets.commands.score.programs.patch import unified_diff
from broken_convnets.commands.score.programs.program import ProgramRole
from broken_convnets.corpus.entries import Case, default_root
from broken_convnets.inspect_task.drawing import Question, draw_questions
from broken_convnets.inspect_task.grade import Grade
from broken_convnets.inspect_task.solvers import agent
from inspect_ai import eval as evaluate
from inspect_ai.log import read_eval_log
from inspect_ai.model import ModelOutput, ModelUsage, get_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore")  # Inspect's own

SEED, LIMIT = 5, 20
SCORES = set(Grade.__dataclass_fields__) - {"reason"}
USAGE = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)  # else it loads a tokenizer
FENCE = "```"


def _text(text: str) -> ModelOutput:
    output = ModelOutput.from_content("mockllm", text)
    output.usage = USAGE
    return output


def _call(tool: str, **arguments: str) -> ModelOutput:
    output = ModelOutput.for_tool_call("mockllm", tool, arguments)
    output.usage = USAGE
    return output


def _asked(messages: list[Any], questions: dict[str, Question]) -> Question:
    """Return the question whose program is in the prompt."""
    text = "\n".join(message.text for message in messages)
    return next(
        one for one in questions.values() if f"{FENCE}python\n{one.program.source}{FENCE}" in text
    )


def _answering(answer: Callable[[Question], str], dataset: str = "corpus", *ids: str) -> Any:
    """Return a model that answers in one turn."""
    questions = draw_questions(dataset, ids, SEED)

    def outputs(messages: list[Any], *_: Any) -> ModelOutput:
        return _text(answer(_asked(messages, questions)))

    return get_model("mockllm/model", custom_outputs=outputs)


def _evaluate(model: Any, folder: Path, **options: Any) -> list[Any]:
    """Run the task by its registered name; return the samples of the log."""
    settings = {"task_args": {"seed": SEED}, "limit": LIMIT, **options}
    (log,) = evaluate(
        "broken_convnets/repair", model=model, display="none", log_dir=str(folder), **settings
    )
    assert log.status == "success", log.error
    assert {score.name for score in log.results.scores} == SCORES
    return list(read_eval_log(log.location).samples)


def _scores(samples: list[Any], name: str) -> list[float]:
    """Return the values of one score, of the samples that have it."""
    values = [sample.scores["laws"].value[name] for sample in samples]
    return [value for value in values if not math.isnan(value)]


def _roles(samples: list[Any]) -> list[str]:
    return [sample.scores["laws"].metadata["role"] for sample in samples]


def _diff(question: Question, changed: str) -> str:
    return f"{FENCE}diff\n{unified_diff(question.program.source, changed, 'net.py')}{FENCE}"


def _true_fix(question: Question) -> str:
    if question.program.role is not ProgramRole.BROKEN:
        return NOTHING
    assert isinstance(question.entry, Case)
    return _diff(question, question.entry.fixed)


def _nothing(_: Question) -> str:
    return f"I see no mistake.\n\n**{NOTHING}**"


def _prose(_: Question) -> str:
    return "There is NOTHING wrong but the flattening, which you should look at."


def _comment(question: Question) -> str:
    return _diff(question, f"# flatten from dimension 1\n{question.program.source}")


def _swallowed(question: Question) -> str:
    """Put the body of `forward` into a `try` that returns zeros after an exception."""
    lines = question.program.source.splitlines(keepends=True)
    tree = ast.parse(question.program.source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    body = next((node.body for node in functions if node.name == "forward"), functions[0].body)
    start, stop = body[0].lineno - 1, body[-1].end_lineno
    indent = " " * body[0].col_offset
    tried = textwrap.indent("".join(lines[start:stop]), "    ")
    caught = f"{indent}except Exception:\n{indent}    return torch.zeros(4, 10)\n"
    changed = [*lines[:start], f"{indent}try:\n", tried, caught, *lines[stop:]]
    return _diff(question, "".join(changed))


def _fix_from_disk(question: Question) -> str:
    path = str(default_root() / "fixes" / f"{question.program.entry}.py")
    return _diff(question, f"{question.program.source}exec(open({path!r}).read())\n")


def test_the_true_fix_and_nothing_on_healthy_programs_earn_everything(tmp_path: Path) -> None:
    samples = _evaluate(_answering(_true_fix), tmp_path)
    assert len(samples) == LIMIT
    assert set(_roles(samples)) == {"broken", "fixed", "control"}
    for name in SCORES:
        assert set(_scores(samples, name)) == {1.0}, name
    broken = _roles(samples).count("broken")
    assert len(_scores(samples, "repaired")) == broken
    assert len(_scores(samples, "harmless")) == LIMIT - broken


def test_nothing_is_correct_on_healthy_programs_alone(tmp_path: Path) -> None:
    samples = _evaluate(_answering(_nothing), tmp_path)
    assert set(_scores(samples, "harmless")) == {1.0}
    assert set(_scores(samples, "repaired")) == set(_scores(samples, "cause_line")) == {0.0}
    assert _scores(samples, "edit_precision") == []
    expected = [float(role != "broken") for role in _roles(samples)]
    assert _scores(samples, "correct") == expected


@pytest.mark.parametrize("answer", [_prose, _comment, _swallowed, _fix_from_disk])
def test_what_is_not_a_repair_is_never_correct(
    answer: Callable[[Question], str], tmp_path: Path
) -> None:
    samples = _evaluate(_answering(answer), tmp_path)
    scores = [sample.scores["laws"] for sample in samples]
    assert [one.metadata["entry"] for one in scores if one.value["correct"]] == []
    assert set(_scores(samples, "repaired")) == {0.0}


@pytest.mark.parametrize("answer", [_prose, _fix_from_disk])
def test_prose_and_an_answer_read_from_disk_earn_nothing_at_all(
    answer: Callable[[Question], str], tmp_path: Path
) -> None:
    samples = _evaluate(_answering(answer), tmp_path)
    for name in SCORES:
        assert set(_scores(samples, name)) <= {0.0}, name


def test_what_a_solver_sees_tells_neither_the_side_nor_the_answer(tmp_path: Path) -> None:
    samples = _evaluate(_answering(_nothing), tmp_path, limit=None)
    shown = [
        (sample.id, sample.target, sample.metadata, [message.text for message in sample.messages])
        for sample in samples
    ]
    templates = set()
    for _, target, metadata, messages in shown:
        assert target == ""
        assert set(metadata) == {"program"}
        templates.add(messages[0].replace(metadata["program"], "the program"))
    assert len(templates) == 1
    entries = [sample.scores["laws"].metadata["entry"] for sample in samples]
    assert len(set(entries)) == len(entries), "no pair has both its sides"
    assert entries != sorted(entries)
    ids = [sample.id for sample in samples]
    assert all(len(name) == 12 and int(name, 16) >= 0 for name in ids)
    roles = _roles(samples)
    for role in set(roles):  # neither ids nor places are those of one side
        places = [place for place, one in enumerate(roles) if one == role]
        assert abs(sum(places) / len(places) - len(roles) / 2) < len(roles) / 5


def test_an_agent_can_run_the_program_but_not_read_the_answer(tmp_path: Path) -> None:
    case = "none/missing_return"
    seed = next(
        seed
        for seed in range(20)
        for one in draw_questions("corpus", (case,), seed).values()
        if one.program.role is ProgramRole.BROKEN
    )
    questions = draw_questions("corpus", (case,), seed)
    (question,) = questions.values()
    calls = iter(
        [
            _call("run"),
            _call("run", diff=_fix_from_disk(question)),
            _call("run", diff=_true_fix(question)),
            _call("run"),
            _call("submit", answer=_true_fix(question)),
        ]
    )
    (sample,) = _evaluate(
        get_model("mockllm/model", custom_outputs=lambda *_: next(calls)),
        tmp_path,
        solver=agent(turns=3),
        task_args={"seed": seed, "ids": case},
    )
    assert [m.error for m in sample.messages if m.role == "tool" and m.error] == []
    first, attack, fixed, late = [m.text for m in sample.messages if m.role == "tool"][:4]
    assert "TypeError" in first
    assert "net.py" in first
    assert attack.startswith("net.py was not run: line ")
    assert fixed == "net.py printed nothing and raised nothing."
    assert late == "net.py was not run: submit an answer now."
    assert sample.scores["laws"].value["correct"] == 1.0


def test_variants_are_judged_by_their_own_fix(tmp_path: Path) -> None:
    ids = ("none/missing_return", "shape/missing_flatten", "training/missing_zero_grad")
    samples = _evaluate(
        _answering(_true_fix, "variants", *ids),
        tmp_path,
        task_args={"seed": SEED, "dataset": "variants", "ids": list(ids)},
    )
    assert len(samples) == len(ids)
    assert set(_scores(samples, "correct")) == {1.0}
    originals = {one.program.source for one in draw_questions("corpus", ids, SEED).values()}
    assert not originals & {sample.metadata["program"] for sample in samples}


def test_wild_programs_are_a_dataset(tmp_path: Path) -> None:
    chosen = ["--models", "resnet", "--classes", "shape/missing_flatten,training/missing_zero_grad"]
    folder = str(tmp_path / "wild")
    assert main(["wild", "--count", "2", "--seed", "1", *chosen, "--out", folder]) == 0
    options = {"task_args": {"seed": SEED, "dataset": folder}}
    for answer, correct in ((_true_fix, {1.0}), (_prose, {0.0})):
        samples = _evaluate(_answering(answer, folder), tmp_path, **options)
        assert len(samples) == 2
        assert set(_scores(samples, "correct")) == correct
    assert min(len(sample.metadata["program"].splitlines()) for sample in samples) > 100
