"""`learn`: copies of broken programs, stored progress, and the modes without a terminal."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from broken_convnets.commands.learn import progress
from broken_convnets.commands.learn.grader import Grader
from broken_convnets.commands.learn.ordering import alias, ordered_cases, start_index
from broken_convnets.commands.learn.progress import Progress, State
from broken_convnets.commands.learn.render import KEY_LINE, plain
from broken_convnets.commands.learn.session import Session
from broken_convnets.commands.learn.terminal_input import SAVED
from broken_convnets.commands.learn.workspace import Workspace
from broken_convnets.corpus import selection
from broken_convnets.vocabulary import Law
from kit import BROKEN, HEALTHY, RAISES, Pair, case_of, corpus_of, doing, our_corpus, put

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command
    from kit import Remembering

PAIR = alias(case_of(Pair()))  # shape/pair
OTHER = selection.alias("shape/other")


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
        "broken_convnets.commands.learn.command.open_torch_runner", lambda _: nullcontext(runner)
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


def test_once_exits_0_for_a_right_fix_and_shows_our_solution(learner: Learner) -> None:
    put(learner.program, HEALTHY.replace("flatten(x, 1)", "flatten(x, start_dim=1)"))
    done = learner("pair", "--once")
    assert done.code == 0
    assert "Solved" in done.out
    assert "+        return self.fc(torch.flatten(x, 1))" in done.out
    assert "It flattens too little." in done.out


def test_nothing_that_reveals_the_mistake_is_shown_before_it_is_solved(learner: Learner) -> None:
    done = learner("pair", "--once")
    assert "shape/pair" not in done.out
    assert "A network of a test" not in done.out
    assert "It flattens too little." not in done.out


def test_a_violated_law_is_listed_with_its_description_and_violation(learner: Learner) -> None:
    put(learner.program, doing("return torch.zeros(len(x), 5)"))
    done = learner("pair", "--once", "--json")
    found = {item["law"]: item for item in json.loads(done.out)["violations"]}
    assert done.code == 1
    assert found["nonlinear"]["description"] == Law.NONLINEAR.description
    assert found["nonlinear"]["violation"] == Law.NONLINEAR.violation


def test_each_program_counts_as_one_attempt(learner: Learner) -> None:
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


def test_the_list_shows_the_id_of_a_case_once_it_is_solved(learner: Learner) -> None:
    assert "shape/pair" not in learner("--list").out
    assert f"{PAIR}  1      new" in learner("--list").out
    put(learner.program, HEALTHY)
    learner("pair", "--once")
    assert "shape/pair: A network of a test" in learner("--list").out


def test_reset_backs_up_the_learners_program(learner: Learner) -> None:
    put(learner.program, HEALTHY)
    learner("pair", "--once")
    done = learner("pair", "--reset")
    assert f"restored work/{PAIR}.py; your program is now work/{PAIR}.py.bak" in done.out
    assert RAISES in learner.program.read_text()
    assert learner.program.with_suffix(".py.bak").read_text() == HEALTHY
    assert learner.json("--report")[0]["state"] == "new"


def test_reset_before_the_first_program_creates_no_folder(learner: Learner) -> None:
    assert learner("--reset").out == ""
    assert learner("--list").code == 0
    assert not learner.work.exists()


def test_learn_accepts_an_alias(learner: Learner) -> None:
    for name in (PAIR, f"{PAIR}.py", PAIR.partition("/")[2]):
        assert learner.json(name, "--report")[0]["id"] == "shape/pair"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["pear", "--once"], "no case, control or topic is named 'pear'"),
        (["myth", "--once"], "myth is a control: only a case has something to fix"),
        (["pair", "--json"], "--json needs --once, --list or --report"),
        (["pair"], "`learn` needs a terminal: use `learn ID --once` without one"),
    ],
)
def test_bad_input_is_reported_in_one_sentence(
    arguments: list[str], sentence: str, learner: Learner
) -> None:
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
def test_an_unreadable_file_is_reported_in_one_sentence(
    damage: bytes, sentence: str, learner: Learner
) -> None:
    put(learner.program, "")
    learner.program.write_bytes(damage)
    done = learner("pair", "--once")
    assert done.code == 2
    assert sentence in done.err


@pytest.mark.parametrize("damage", ["{", '{"version": 9}', '{"cases": {"a": {"name": "me"}}}'])
def test_a_damaged_progress_file_is_reported_and_not_changed(damage: str, learner: Learner) -> None:
    put(learner.work / progress.NAME, damage)
    done = learner("pair", "--once")
    assert done.code == 2
    assert "progress.json: " in done.err
    assert (learner.work / progress.NAME).read_text() == damage


def test_a_folder_that_cannot_be_created_is_reported_in_one_sentence(learner: Learner) -> None:
    put(learner.work, "a file")
    done = learner("pair", "--once")
    assert done.code == 2
    assert "cannot be used (Not a directory): name another folder with --work" in done.err


def test_the_matches_of_a_pattern_are_sorted_by_level_then_id(tmp_path: Path) -> None:
    hard = Pair(extra={"level": 3})
    corpus = corpus_of(tmp_path, {"a/z": Pair(), "a/b": hard, "b/y": Pair(), "b/c": Pair()})
    assert [case.id for case in ordered_cases(corpus, [])] == ["a/z", "b/c", "b/y", "a/b"]
    assert [case.id for case in ordered_cases(corpus, ["y", "a", "b"])] == [
        "b/y",
        "a/z",
        "a/b",
        "b/c",
    ]


def test_programs_of_a_level_that_raise_and_are_short_come_first(tmp_path: Path) -> None:
    silent = Pair(silent=("every-parameter-learns",))
    long = Pair(f"{BROKEN}\n\nMORE = 1\n")
    corpus = corpus_of(tmp_path, {"a/a": silent, "a/b": long, "a/c": Pair()})
    assert [case.id for case in ordered_cases(corpus, [])] == ["a/c", "a/b", "a/a"]


def test_a_session_resumes_at_the_current_unsolved_case(tmp_path: Path) -> None:
    cases = ordered_cases(corpus_of(tmp_path, {"a/x": Pair(), "a/y": Pair(), "a/z": Pair()}), [])
    done = Progress(current="a/y")
    assert start_index(cases, done, chosen=False) == 1
    done.record_attempt("a/y", HEALTHY, unchanged=False, solved=True)
    assert start_index(cases, done, chosen=False) == 0
    done.record_attempt("a/x", HEALTHY, unchanged=False, solved=True)
    assert start_index(cases, done, chosen=False) == 2


def test_every_alias_of_the_corpus_is_unique() -> None:
    cases = ordered_cases(our_corpus(), [])
    assert len({alias(case).partition("/")[2] for case in cases}) == len(cases)


def test_control_characters_are_removed() -> None:
    assert plain("a\x1b[2Jb\x1b]0;title\x07c\rd\n\te").plain == "ab]0;titlecd\n\te"


GONE = "the file is deleted"


class Script:
    """Events from a list; a text of several characters is a program that the learner saves."""

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
    cases = ordered_cases(corpus_of(tmp_path, {"shape/pair": Pair(), "shape/other": Pair()}), [])

    def run(*events: str) -> tuple[str, Progress]:
        workspace = Workspace(tmp_path / "work")
        start = start_index(cases, workspace.progress, chosen=False)
        script: Any = Script(workspace.path(cases[start]), [*events, "q"])
        Session(cases, start, workspace, Grader(runner), script).run()
        return capsys.readouterr().out, progress.read(tmp_path / "work")

    return run


def test_hints_are_shown_one_by_one_and_counted(play: Any) -> None:
    out, done = play("h", "h")
    assert out.count("Hint 1 of 1: Which shape arrives?") == 1
    assert "There are no more hints" in out
    assert done.cases["shape/other"].hints == 1


def test_the_layer_trace_is_shown(play: Any) -> None:
    out, _ = play("d")
    assert "fc Linear: float32[4, 4, 4] -> ✗" in out


def test_the_solution_asks_first_and_is_recorded(play: Any) -> None:
    out, done = play("s", "n")
    assert "Canceled." in out
    assert not done.cases["shape/other"].solution_seen
    out, done = play("s", "y")
    assert "+        return self.fc(torch.flatten(x, 1))" in out
    assert done.cases["shape/other"].solution_seen


def test_a_saved_file_is_graded_and_n_opens_the_next_case(play: Any) -> None:
    out, done = play(HEALTHY, "n")
    assert "Solved" in out
    assert out.index("shape/other: A network of a test") < out.index("2 of 2   1 solved")
    assert done.current == "shape/pair"
    assert done.state("shape/other") is State.SOLVED


def test_p_and_n_stop_at_the_first_and_the_last_case(play: Any) -> None:
    out, _ = play("p", "n", "n", "?")
    assert "This is the first program." in out
    assert "This is the last program." in out
    assert "previous" in out.rpartition("Keys:")[2]


def test_a_file_saved_instead_of_an_answer_is_graded(play: Any) -> None:
    out, _ = play("s", HEALTHY)
    assert "Solved" in out


def test_a_deleted_file_is_reported(play: Any) -> None:
    out, _ = play(GONE, "h")
    assert (
        "cannot be read (No such file or directory): restore it with --reset, or press x"
        in " ".join(out.split())
    )
    assert "Hint 1 of 1" in out


def test_a_learner_is_welcomed_until_a_first_attempt(play: Any) -> None:
    out, _ = play(HEALTHY, "n")
    assert out.count("Welcome.") == 1
    assert "work/shape/net_" in out.partition("1. Open ")[2].partition(" in an editor")[0]


def test_the_keys_are_shown_once_a_screen(play: Any) -> None:
    out, _ = play("h", "d", "h")
    assert out.count(KEY_LINE) == 1


def test_the_first_screen_of_a_silent_case_does_not_say_what_it_violates(
    tmp_path: Path, runner: Remembering, capsys: pytest.CaptureFixture[str]
) -> None:
    case: Any = our_corpus().entries["training/missing_zero_grad"]
    workspace = Workspace(tmp_path)
    asked: list[str] = []
    for keys in ("", "l"):
        script: Any = Script(workspace.path(case), [*keys, "q"])
        Session([case], 0, workspace, Grader(runner), script).run()
        asked.append(capsys.readouterr().out)
    assert "What would you check?" in asked[0]
    assert "gradients-are-fresh" not in asked[0]
    assert "violates gradients-are-fresh" in asked[1]


def test_x_restores_the_broken_program(play: Any, tmp_path: Path) -> None:
    out, done = play(HEALTHY, "x", "n")
    assert "Canceled." in out
    assert done.state("shape/other") is State.SOLVED
    play("p", "x", "y")
    program = tmp_path / "work" / f"{OTHER}.py"
    assert program.read_text() == BROKEN
    assert program.with_suffix(".py.bak").read_text() == HEALTHY


def test_a_reset_elsewhere_is_respected(tmp_path: Path) -> None:
    case = case_of(Pair())
    session, other = Workspace(tmp_path), Workspace(tmp_path)
    session.begin(case)
    session.progress.record_attempt(case.id, "wrong", unchanged=False, solved=False)
    session.save()
    other.refresh()
    other.reset(case)
    session.refresh()
    session.save()
    assert case.id not in progress.read(tmp_path).cases


def test_two_sessions_in_one_folder_both_keep_their_progress(tmp_path: Path) -> None:
    first, second = Workspace(tmp_path), Workspace(tmp_path)
    for session, case, attempts in ((first, "a", 2), (second, "b", 3), (first, "c", 1)):
        session.progress.entry(case).attempts = attempts
        session.save()
    found = progress.read(tmp_path).cases
    assert {name: entry.attempts for name, entry in found.items()} == {"a": 2, "b": 3, "c": 1}


def test_of_two_sessions_on_one_case_the_further_one_counts(tmp_path: Path) -> None:
    first, second = Workspace(tmp_path), Workspace(tmp_path)
    first.progress.record_attempt("a", "right", unchanged=False, solved=True)
    first.save()
    second.progress.record_attempt("a", "wrong", unchanged=False, solved=False)
    second.save()
    assert progress.read(tmp_path).state("a") is State.SOLVED


def test_a_case_that_is_reset_is_not_brought_back(tmp_path: Path) -> None:
    case = case_of(Pair())
    session = Workspace(tmp_path)
    session.begin(case)
    session.reset(case)
    assert case.id not in progress.read(tmp_path).cases
