"""`learn`: copies to mend, progress that lasts, and what it answers without a terminal."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from broken_convnets.commands.learn import progress
from broken_convnets.commands.learn.command import Session
from broken_convnets.commands.learn.ordering import alias, course, first
from broken_convnets.commands.learn.progress import Progress, State
from broken_convnets.commands.learn.render import plain
from broken_convnets.commands.learn.terminal_input import SAVED
from broken_convnets.commands.learn.workspace import Workshop
from broken_convnets.corpus.entries import default_root, load
from kit import HEALTHY, RAISES, Pair, case_of, corpus_of, doing, put

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.commands.learn.grader import Examiner
    from conftest import Command
    from kit import Remembering

PAIR = alias(case_of(Pair()))  # shape/pair


class Learner:
    """The command line in a folder of its own."""

    def __init__(self, harness: Command, folder: Path) -> None:
        self.harness = harness
        self.work = folder / "work"
        self.program = self.work / f"{PAIR}.py"

    def __call__(self, *arguments: str) -> Any:
        return self.harness("learn", *arguments, "--work", str(self.work))

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments).out)


@pytest.fixture
def learner(harness: Command, runner: Remembering, monkeypatch: pytest.MonkeyPatch) -> Learner:
    monkeypatch.setattr(
        "broken_convnets.commands.learn.command.open_runner", lambda _: nullcontext(runner)
    )
    monkeypatch.chdir(harness.root)
    return Learner(harness, harness.root)


def test_once_copies_the_broken_program_and_exits_1(learner: Learner) -> None:
    done = learner("pair", "--once")
    assert done.code == 1
    assert (
        learner.program.read_text()
        == corpus_of(learner.harness.root, {}).entries["shape/pair"].programs()["broken"]
    )
    assert f'File "work/{PAIR}.py", line 15, in forward' in done.out
    assert "mat1 and mat2" in done.out
    assert (learner.work / ".gitignore").read_text() == "*\n"


def test_once_of_a_right_fix_exits_0_and_shows_ours(learner: Learner) -> None:
    put(learner.program, HEALTHY.replace("flatten(x, 1)", "flatten(x, start_dim=1)"))
    done = learner("pair", "--once")
    assert done.code == 0
    assert "Solved" in done.out
    assert "+        return self.fc(torch.flatten(x, 1))" in done.out
    assert "It flattens too little." in done.out


def test_what_gives_the_mistake_away_is_not_shown_before(learner: Learner) -> None:
    done = learner("pair", "--once")
    assert "shape/pair" not in done.out
    assert "A network of a test" not in done.out
    assert "It flattens too little." not in done.out


def test_a_broken_law_is_told_with_its_promise(learner: Learner) -> None:
    put(learner.program, doing("return torch.zeros(len(x), 5)"))
    done = learner("pair", "--once", "--json")
    told = {item["law"]: item["promise"] for item in json.loads(done.out)["breaches"]}
    assert done.code == 1
    assert told["nonlinear"] == "The network is not an affine function of its input."


def test_attempts_are_counted_once_a_program(learner: Learner) -> None:
    for text in (None, HEALTHY.replace("1)", "3)"), HEALTHY.replace("1)", "3)"), HEALTHY):
        if text:
            put(learner.program, text)
        learner("pair", "--once")
    (row,) = learner.json("--report")
    assert row == {
        "id": "shape/pair",
        "state": "solved",
        "attempts": 2,
        "hints": 0,
        "solution_seen": False,
        "solved_at": 2,
    }


def test_the_list_names_a_case_once_it_is_solved(learner: Learner) -> None:
    assert "shape/pair" not in learner("--list").out
    assert f"{PAIR}  1      new" in learner("--list").out
    put(learner.program, HEALTHY)
    learner("pair", "--once")
    assert "shape/pair: A network of a test" in learner("--list").out


def test_reset_keeps_what_was_written(learner: Learner) -> None:
    put(learner.program, HEALTHY)
    learner("pair", "--once")
    done = learner("pair", "--reset")
    assert f"work/{PAIR}.py is broken again; yours is kept in work/{PAIR}.py.bak" in done.out
    assert RAISES in learner.program.read_text()
    assert learner.program.with_suffix(".py.bak").read_text() == HEALTHY
    assert learner.json("--report")[0]["state"] == "new"


def test_reset_of_nothing_makes_nothing(learner: Learner) -> None:
    assert learner("--reset").out == ""
    assert learner("--list").code == 0
    assert not learner.work.exists()


def test_an_alias_names_its_case(learner: Learner) -> None:
    for name in (PAIR, f"{PAIR}.py", PAIR.partition("/")[2]):
        assert learner.json(name, "--report")[0]["id"] == "shape/pair"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["pear", "--once"], "no case, control or topic is named 'pear'"),
        (["myth", "--once"], "myth names no broken program to mend"),
        (["pair", "--json"], "--json goes with --once, --list or --report"),
        (["pair"], "keys need a terminal: `learn ID --once` judges a program without one"),
    ],
)
def test_bad_input_gets_one_sentence(arguments: list[str], sentence: str, learner: Learner) -> None:
    done = learner(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert sentence in done.err


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (b"\xff\xfe\x00", "is not UTF-8: save it as UTF-8"),
        (b"#" * (1 << 19), "is larger than 256 KiB"),
    ],
)
def test_a_file_that_is_no_program_gets_one_sentence(
    damage: bytes, sentence: str, learner: Learner
) -> None:
    put(learner.program, "")
    learner.program.write_bytes(damage)
    done = learner("pair", "--once")
    assert done.code == 2
    assert sentence in done.err


@pytest.mark.parametrize("damage", ["{", '{"version": 9}', '{"cases": {"a": {"name": "me"}}}'])
def test_a_damaged_progress_is_kept_and_named(damage: str, learner: Learner) -> None:
    put(learner.work / progress.NAME, damage)
    done = learner("pair", "--once")
    assert done.code == 2
    assert "progress.json: " in done.err
    assert (learner.work / progress.NAME).read_text() == damage


def test_a_folder_that_cannot_be_made_gets_one_sentence(learner: Learner) -> None:
    put(learner.work, "a file")
    done = learner("pair", "--once")
    assert done.code == 2
    assert "cannot be used (Not a directory): name another with --work" in done.err


def test_the_order_is_level_topic_id_and_what_is_typed_comes_first(tmp_path: Path) -> None:
    hard = Pair(extra={"level": 3})
    corpus = corpus_of(tmp_path, {"a/z": Pair(), "a/b": hard, "b/y": Pair(), "b/c": Pair()})
    assert [case.id for case in course(corpus, [])] == ["a/z", "b/c", "b/y", "a/b"]
    assert [case.id for case in course(corpus, ["y", "a", "b"])] == ["b/y", "a/z", "a/b", "b/c"]


def test_a_session_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    cases = course(corpus_of(tmp_path, {"a/x": Pair(), "a/y": Pair(), "a/z": Pair()}), [])
    done = Progress(current="a/y")
    assert first(cases, done, chosen=False) == 1
    done.judged("a/y", HEALTHY, unchanged=False, solved=True)
    assert first(cases, done, chosen=False) == 0
    done.judged("a/x", HEALTHY, unchanged=False, solved=True)
    assert first(cases, done, chosen=False) == 2


def test_every_alias_of_the_corpus_is_unique() -> None:
    cases = course(load(default_root()), [])
    assert len({alias(case).partition("/")[2] for case in cases}) == len(cases)


def test_what_steers_a_terminal_is_taken_out() -> None:
    assert plain("a\x1b[2Jb\x1b]0;title\x07c\rd\n\te").plain == "ab]0;titlecd\n\te"


GONE = "the file is deleted"


class Script:
    """Events as a list, in which a text of several letters is what the learner saves."""

    def __init__(self, path: Path, events: list[str]) -> None:
        self._path, self._events = path, iter(events)

    def watch(self, path: Path) -> None:
        self._path = path

    def next(self) -> str:
        event = next(self._events)
        if event == GONE:
            self._path.unlink()
            return SAVED
        if len(event) > 1:
            put(self._path, event)
            return SAVED
        return event


@pytest.fixture
def play(tmp_path: Path, runner: Remembering, capsys: pytest.CaptureFixture[str]) -> Any:
    from broken_convnets.commands.learn.grader import Examiner  # noqa: PLC0415  (beside its only use)

    cases = course(corpus_of(tmp_path, {"shape/pair": Pair(), "shape/other": Pair()}), [])

    def run(*events: str) -> tuple[str, Progress]:
        workshop = Workshop(tmp_path / "work")
        start = first(cases, workshop.progress, chosen=False)
        script: Any = Script(workshop.path(cases[start]), [*events, "q"])
        examiner: Examiner = Examiner(runner)
        Session(cases, start, workshop, examiner, script).run()
        return capsys.readouterr().out, progress.read(tmp_path / "work")

    return run


def test_hints_come_one_by_one_and_are_counted(play: Any) -> None:
    out, done = play("h", "h")
    assert out.count("Hint 1 of 1: Which shape arrives?") == 1
    assert "There is no other hint" in out
    assert done.cases["shape/other"].hints == 1


def test_the_layers_are_shown(play: Any) -> None:
    out, _ = play("d")
    assert "fc Linear: float32[4, 4, 4] -> ✗" in out


def test_the_solution_asks_first_and_is_remembered(play: Any) -> None:
    out, done = play("s", "n")
    assert "Not shown." in out
    assert not done.cases["shape/other"].solution_seen
    out, done = play("s", "y")
    assert "+        return self.fc(torch.flatten(x, 1))" in out
    assert done.cases["shape/other"].solution_seen


def test_a_saved_file_is_judged_and_the_next_case_begins(play: Any) -> None:
    out, done = play(HEALTHY, "n")
    assert "Solved" in out
    assert out.index("shape/other: A network of a test") < out.index("2 of 2   1 solved")
    assert done.current == "shape/pair"
    assert done.state("shape/other") is State.SOLVED


def test_there_is_no_case_before_the_first_and_after_the_last(play: Any) -> None:
    out, _ = play("p", "n", "n", "?")
    assert "This is the first one." in out
    assert "This is the last one." in out
    assert "previous" in out.rpartition("Keys:")[2]


def test_a_file_saved_instead_of_an_answer_is_judged(play: Any) -> None:
    out, _ = play("s", HEALTHY)
    assert "Solved" in out


def test_a_file_that_is_gone_is_said(play: Any) -> None:
    out, _ = play(GONE, "h")
    assert "cannot be read (No such file or directory): `--reset` puts the case back" in " ".join(
        out.split()
    )
    assert "Hint 1 of 1" in out
