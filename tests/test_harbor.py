"""Harbor tasks reveal nothing to the agent, and reward repairs and healthy programs left alone."""

from __future__ import annotations

import sys
import tomllib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from broken_convnets.commands.export import harbor_reward
from broken_convnets.commands.export.harbor_reward import Answer, reward
from broken_convnets.commands.export.samples import draw_samples
from broken_convnets.commands.learn.judge import Judge
from broken_convnets.commands.score.programs.program import ProgramRole
from broken_convnets.corpus.entries import load
from kit import BROKEN, HEALTHY, Pair, Solo, corpus_of, patched
from other_programs import OTHER_PROGRAMS

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command
    from kit import Remembering

VISIBLE = {"instruction.md", "environment/Dockerfile", "environment/net.py"}
HIDDEN = {"task.toml", "tests/Dockerfile", "tests/test.sh", "tests/net.py", "tests/answer.json"}
ENTRY = {f"tests/corpus/{name}" for name in ("cases/{}.py", "cases/{}.toml", "fixes/{}.py")}
RESTYLED = f"# it works\n{HEALTHY}"
RELUS = patched(("torch.relu(", "torch.relu(0.5 * "), source=HEALTHY)
SWALLOWED = patched(
    ("        return self.fc(torch.flatten(x, 2))", "        return torch.zeros(4, 5)"),
    source=BROKEN,
)


def _tasks(folder: Path) -> dict[Path, Answer]:
    return {
        path.parents[1]: msgspec.json.decode(path.read_bytes(), type=Answer)
        for path in sorted(folder.glob("*/tests/answer.json"))
    }


def _files(task: Path) -> set[str]:
    return {p.relative_to(task).as_posix() for p in task.rglob("*") if p.is_file()}


@pytest.fixture
def many(harness: Command) -> Command:
    pairs: dict[str, Pair | Solo] = {f"loss/more{number}": Pair() for number in range(20)}
    corpus_of(harness.root, pairs)
    return harness


def test_each_entry_becomes_one_complete_task(harness: Command, tmp_path: Path) -> None:
    done = harness("export", "--harbor", str(tmp_path / "out"), "--seed", "3")
    assert done.code == 0
    assert done.out == f"wrote 2 tasks to {tmp_path / 'out'}, with --seed 3\n"
    tasks = _tasks(tmp_path / "out")
    assert {answer.entry for answer in tasks.values()} == {"shape/pair", "dtype/myth"}
    for task, answer in tasks.items():
        case = answer.role is not ProgramRole.CONTROL
        entry = {name.format(answer.entry) for name in ENTRY} if case else set()
        assert _files(task) == VISIBLE | HIDDEN | entry
        settings = tomllib.loads((task / "task.toml").read_text())
        assert settings["task"]["name"] == f"broken-convnets/{task.name}"
        assert settings["verifier"]["environment_mode"] == "separate"
        assert settings["artifacts"] == ["/app/net.py"]
        assert (task / "tests/test.sh").stat().st_mode & 0o111


def test_nothing_that_an_agent_sees_tells_the_side_or_the_answer(
    many: Command, tmp_path: Path
) -> None:
    many("export", "--harbor", str(tmp_path / "out"), "--seed", "1")
    tasks = _tasks(tmp_path / "out")
    assert len(tasks) == 22
    assert len({answer.entry for answer in tasks.values()}) == 22, "no pair has both its sides"
    texts = [[(task / name).read_text() for name in sorted(VISIBLE)] for task in tasks]
    assert len({(instruction, docker) for docker, _, instruction in texts}) == 1
    assert {program for _, program, _ in texts} == {BROKEN, HEALTHY}
    shown = "".join(f"{task.name}{(task / 'task.toml').read_text()}" for task in tasks)
    shown += "".join(text for one in texts for text in one)
    for word in ("more", "myth", "shape/", "dtype", "cases", "fixes", "broken\n", "fixed"):
        assert word not in shown
    roles = [answer.role for answer in tasks.values()]
    assert roles != sorted(roles)
    assert {role.value for role in roles} == {"broken", "fixed", "control"}
    entries = [answer.entry for answer in tasks.values()]
    assert entries != sorted(entries)


def test_ids_and_sides_depend_on_the_seed_and_on_nothing_else(many: Command) -> None:
    entries = list(load(many.root).entries.values())
    first, again, other = (draw_samples(entries, seed) for seed in (1, 1, 2))
    assert first == again
    assert not {sample.id for sample in first} & {sample.id for sample in other}
    assert [sample.role for sample in first] != [sample.role for sample in other]
    roles = {sample.entry: sample.role for sample in first}
    assert all(roles[one.entry] is one.role for one in draw_samples(entries[:5], 1))


def test_without_a_seed_each_export_draws_another(many: Command, tmp_path: Path) -> None:
    outputs = [many("export", "--harbor", str(tmp_path / name)).out for name in ("a", "b")]
    seeds = {output.rpartition("--seed ")[2] for output in outputs}
    assert len(seeds) == 2
    assert not {p.name for p in (tmp_path / "a").iterdir()} & {
        p.name for p in (tmp_path / "b").iterdir()
    }


def test_existing_files_and_a_notebook_without_cases_are_refused(
    harness: Command, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("mine")
    done = harness("export", "--harbor", str(tmp_path / "out"))
    assert done.code == 2
    assert "already exists: pass a new or empty folder" in done.err
    assert _files(tmp_path / "out") == {"mine"}
    for ids, why in (([], "need at least one case"), (["pair", "myth"], "is a control")):
        done = harness("export", "--notebook", *ids)
        assert done.code == 2
        assert why in done.err


@pytest.fixture
def exported(harness: Command, tmp_path: Path) -> dict[str, Path]:
    """Return a task of each role."""
    found: dict[str, Path] = {}
    for seed in range(20):
        out = tmp_path / f"out{seed}"
        harness("export", "--harbor", str(out), "--seed", str(seed))
        found |= {answer.role.value: task for task, answer in _tasks(out).items()}
        if len(found) == 3:
            break
    return found


REWARDS: list[tuple[str, str | None, int]] = [
    ("broken", HEALTHY, 1),
    *(("broken", source, 0) for source in OTHER_PROGRAMS.values()),
    *(("fixed", source, 0) for source in OTHER_PROGRAMS.values()),
    ("broken", BROKEN, 0),
    ("broken", f"# flatten from dimension 1\n{BROKEN}", 0),
    ("broken", SWALLOWED, 0),
    ("broken", "It flattens too little.", 0),
    ("broken", "", 0),
    ("broken", None, 0),
    ("fixed", HEALTHY, 1),
    ("fixed", RESTYLED, 1),
    ("fixed", RELUS, 1),
    ("fixed", BROKEN, 0),
    ("fixed", None, 0),
    ("control", HEALTHY, 1),
    ("control", RESTYLED, 1),
    ("control", BROKEN, 0),
    ("control", "x = (", 0),
]


@pytest.mark.slow
def test_a_task_rewards_repairs_and_healthy_programs_that_still_work(
    exported: dict[str, Path], runner: Remembering, tmp_path: Path
) -> None:
    solved = tmp_path / "solved.py"
    found = []
    for role, text, _ in REWARDS:
        tests = exported[role] / "tests"
        solved.unlink(missing_ok=True)
        if text is not None:
            solved.write_text(text)
        found.append((role, text, reward(tests, solved, Judge(tests / "corpus", runner))))
    assert found == REWARDS


def test_a_file_that_is_too_large_or_not_text_earns_nothing(
    exported: dict[str, Path], tmp_path: Path
) -> None:
    solved = tmp_path / "solved.py"
    for data in (b"#" * (1 << 20), b"\xff\xfe"):
        solved.write_bytes(data)
        assert reward(exported["control"] / "tests", solved, _never) == 0


def _never(entry: str, source: str) -> Any:
    pytest.fail(f"{entry} was judged: {source}")


def test_the_verifier_prints_the_reward(
    exported: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task = exported["control"]
    command = ["reward", str(task / "tests"), str(task / "environment/net.py")]
    monkeypatch.setattr(sys, "argv", command)
    harbor_reward.main()
    assert capsys.readouterr().out == "1\n"
