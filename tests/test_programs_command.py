"""Exported programs do not reveal which is broken; the seed identifies them."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import pytest
from broken_convnets.commands.score.programs.key import hand_out, read_key
from broken_convnets.commands.score.programs.patch import unified_diff
from broken_convnets.commands.score.programs.workspace import SETTINGS, part_names, write_workspace
from broken_convnets.commands.score.protocol.messages import ProgramNames, Request
from broken_convnets.corpus.entries import load
from broken_convnets.errors import UsageError
from kit import BROKEN, HEALTHY, Pair, corpus_of, put

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.sandbox.fork_client import ForkServer
    from conftest import Command


def _requests(folder: Path) -> list[Request]:
    lines = (folder / "requests.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Request) for line in lines]


def test_every_program_is_written_with_its_request(harness: Command, tmp_path: Path) -> None:
    out = tmp_path / "out" / "programs"
    done = harness("programs", "--out", str(out), "--both-sides")
    assert done.code == 0
    assert f"wrote 3 programs to {out}, and their key to {out}.key.json" in done.out
    assert f"broken-convnets score --key {out}.key.json --sarif FILE" in done.out
    found = _requests(out)
    assert sorted(request.source for request in found) == sorted([BROKEN, HEALTHY, HEALTHY])
    for request in found:
        assert request.file == f"{request.id}/net_{request.id}.py"
        assert (out / request.file).read_text() == request.source
        assert {path.name for path in (out / request.id).iterdir()} == {
            f"net_{request.id}.py",
            *SETTINGS,
        }


def test_ids_are_random_even_under_one_seed(harness: Command, tmp_path: Path) -> None:
    for name in ("a", "b"):
        harness("programs", "--out", str(tmp_path / name), "--seed", "7")
    one, other = (_requests(tmp_path / name) for name in ("a", "b"))
    assert [request.source for request in one] == [request.source for request in other]
    assert not {request.id for request in one} & {request.id for request in other}


def test_only_the_key_says_which_program_an_id_belongs_to(harness: Command, tmp_path: Path) -> None:
    harness("programs", "--out", str(tmp_path / "out"), "--both-sides")
    file = tmp_path / "out.key.json"
    assert file.stat().st_mode & 0o077 == 0
    found = hand_out(read_key(file), load(harness.root), "2.14.1").programs
    requests = _requests(tmp_path / "out")
    assert {one.id: one.source for one in found} == {one.id: one.source for one in requests}
    assert sorted(one.role for one in found) == ["broken", "control", "fixed"]


def test_a_key_of_another_corpus_is_rejected(harness: Command, tmp_path: Path) -> None:
    harness("programs", "--out", str(tmp_path / "out"), "--both-sides")
    for path in (harness.root / "cases").rglob("*.py"):
        path.write_text(path.read_text() + "\n# changed\n")
    for path in (harness.root / "fixes").rglob("*.py"):
        path.write_text(path.read_text() + "\n# changed\n")
    with pytest.raises(UsageError, match="shape/pair has changed since the key was written"):
        hand_out(read_key(tmp_path / "out.key.json"), load(harness.root), "")


@pytest.mark.parametrize("role", ["fixed", "control"])
def test_a_program_under_the_role_of_another_is_rejected(
    role: str, harness: Command, tmp_path: Path
) -> None:
    harness("programs", "--out", str(tmp_path / "out"), "--both-sides")
    file = tmp_path / "out.key.json"
    file.write_text(file.read_text().replace('"broken"', f'"{role}"'))
    with pytest.raises(UsageError, match="shape/pair has changed since the key was written"):
        hand_out(read_key(file), load(harness.root), "")


@pytest.mark.parametrize("text", ["", "{}", "\x00", '{"seed": 1, "sides": "none"}'])
def test_a_file_that_is_not_a_key_is_rejected(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(UsageError, match="is not a key of `broken-convnets programs`"):
        read_key(tmp_path / "key")


def test_one_side_of_each_pair_is_written(harness: Command, tmp_path: Path) -> None:
    corpus_of(harness.root, {f"loss/more{number}": _distinct(number) for number in range(21)})
    broken = []
    for seed in range(4):
        out = tmp_path / str(seed)
        harness("programs", "--out", str(out), "loss", "--seed", str(seed))
        sources = [request.source for request in _requests(out)]
        assert len(sources) == 21
        broken.append(sum(BROKEN in source for source in sources))
    assert all(0 < number < 21 for number in broken)
    assert len(set(broken)) > 1


def _distinct(number: int) -> Pair:
    """Return a pair with too few lines in common with those of other numbers to be a near twin."""
    own = "".join(f"\nVALUE_{number}_{at} = {at}" for at in range(20)) + "\n"
    return Pair(BROKEN + own, HEALTHY + own)


def test_one_entry_of_near_twins_is_written(harness: Command, tmp_path: Path) -> None:
    """A control with the text of a fix, and a copy of the pair with another name."""
    renamed = Pair(BROKEN.replace("tiny", "small"), HEALTHY.replace("tiny", "small"))
    corpus_of(harness.root, {"loss/copy": renamed, "loss/distinct": _distinct(0)})
    kept = set()
    for seed in range(12):
        done = harness("programs", "--out", str(tmp_path / str(seed)), "--seed", str(seed))
        key = read_key(tmp_path / f"{seed}.key.json")
        (one,) = {each.entry for each in key.programs} - {"loss/distinct"}
        kept.add(one)
        assert [each.entry for each in key.programs].count("loss/distinct") == 1
        assert "note: left out 2 entries, because their programs are nearly those" in done.err
    assert kept == {"loss/copy", "shape/pair", "dtype/myth"}
    done = harness("programs", "--out", str(tmp_path / "both"), "--both-sides")
    assert "left out" not in done.err
    assert len(_requests(tmp_path / "both")) == 7


@pytest.mark.slow
def test_variants_are_written_and_scored_by_the_key(
    harness: Command, tmp_path: Path, server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("commands.score.run", "observe.runner"):
        monkeypatch.setattr(
            f"broken_convnets.{module}.open_torch_runner", lambda _: nullcontext(server)
        )
    out, answers = tmp_path / "out", tmp_path / "answers.jsonl"
    harness("programs", "--out", str(out), "shape", "--variants", "2", "--both-sides")
    key = read_key(tmp_path / "out.key.json")
    numbers = sorted({one.variant for one in key.programs})  # some seeds make the same program
    assert (numbers[0], len(numbers)) == (0, 3)
    assert sorted((one.role, one.variant) for one in key.programs) == [
        (role, variant) for role in ("broken", "fixed") for variant in numbers
    ]
    texts = {one.id: one.source for one in _requests(out)}
    assert set(texts) == {one.id for one in key.programs}
    assert len(set(texts.values())) == 6
    broken = {one.variant: texts[one.id] for one in key.programs if one.role == "broken"}
    fixed = {one.variant: texts[one.id] for one in key.programs if one.role == "fixed"}
    diffs = {broken[at]: unified_diff(broken[at], fixed[at], "net.py") for at in numbers}
    lines = [
        json.dumps({"instance_id": name, "model_patch": diffs.get(source, "")})
        for name, source in texts.items()
    ]
    answers.write_text("\n".join(lines))
    arguments = ["--predictions", str(answers), "--key", f"{out}.key.json", "--only", "shape"]
    document = harness.json("score", *arguments)
    assert document["variants"] == 2
    robust = document["score"]["robustness"]
    assert robust["variant_recall"]["count"] == robust["variant_fixes"]["count"] == 2
    assert robust["original_fixes"]["count"] == 1


def test_answers_are_scored_by_the_key(
    harness: Command, tmp_path: Path, server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "broken_convnets.commands.score.run.open_torch_runner", lambda _: nullcontext(server)
    )
    out, answers = tmp_path / "out", tmp_path / "answers.jsonl"
    harness("programs", "--out", str(out), "--both-sides")
    diff = unified_diff(BROKEN, HEALTHY, "net.py")
    lines = [
        json.dumps({"instance_id": one.id, "model_patch": diff if one.source == BROKEN else ""})
        for one in _requests(out)
    ]
    answers.write_text("\n".join(lines))
    key = ["--key", f"{out}.key.json"]
    score = harness.json("score", "--predictions", str(answers), *key)["score"]
    assert score["youden_j"]["value"] == 1
    assert score["fixes"]["working"]["count"] == 1
    assert score["sides"] == "both"


def test_nothing_reveals_which_program_is_broken(harness: Command, tmp_path: Path) -> None:
    corpus_of(harness.root, {f"loss/more{number}": Pair() for number in range(20)})
    harness("programs", "--out", str(tmp_path / "out"), "--both-sides")
    folders = [path for path in (tmp_path / "out").iterdir() if path.is_dir()]
    times = {path.stat().st_mtime_ns for folder in folders for path in (folder, *folder.iterdir())}
    assert len(folders) == 43
    assert len(times) == 1
    sides = [request.source == BROKEN for request in _requests(tmp_path / "out")]
    assert sum(one != other for one, other in pairwise(sides)) > 5
    assert sides != sorted(sides)
    texts = [path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [text for text in texts if "loss/more" in text or "shape/pair" in text]


def test_ids_and_topics_select_programs(harness: Command, tmp_path: Path) -> None:
    document = harness.json("programs", "--out", str(tmp_path / "out"), "shape", "--both-sides")
    assert len(document["ids"]) == 2
    assert document["requests"] == str(tmp_path / "out" / "requests.jsonl")
    assert (harness("programs", "--out", str(tmp_path / "no"), "shape/pear").code) == 2
    assert not (tmp_path / "no").exists()


def test_an_invalid_entry_is_skipped_with_a_note(harness: Command, tmp_path: Path) -> None:
    put(harness.root / "cases/shape/pair.toml", "title = ")
    done = harness("programs", "--out", str(tmp_path / "out"))
    assert len(_requests(tmp_path / "out")) == 1
    assert "note: skipped 1 invalid entries" in done.err


def test_existing_files_are_never_overwritten(harness: Command, tmp_path: Path) -> None:
    put(tmp_path / "out/mine.txt", "mine")
    put(tmp_path / "file", "mine")
    for name in ("out", "file", "file/inside"):
        done = harness("programs", "--out", str(tmp_path / name))
        assert done.code == 2
        assert done.err.startswith("error: ")
        assert f"{tmp_path / name}" in done.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
    (tmp_path / "out/mine.txt").unlink()
    assert harness("programs", "--out", str(tmp_path / "out")).code == 0


def test_an_interruption_leaves_no_files(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> ProgramNames:
        raise KeyboardInterrupt

    monkeypatch.setattr("broken_convnets.commands.programs.export_programs.part_names", interrupted)
    before = set(tmp_path.iterdir())
    assert harness("programs", "--out", str(tmp_path / "out")).code == 130
    assert set(tmp_path.iterdir()) == before


def test_a_workspace_is_written_once(tmp_path: Path) -> None:
    path = write_workspace("0123456789ab", HEALTHY, tmp_path)
    assert path == tmp_path / "0123456789ab" / "net_0123456789ab.py"
    assert json.loads((path.parent / "pyrightconfig.json").read_text()) == {}
    with pytest.raises(FileExistsError):
        write_workspace("0123456789ab", BROKEN, tmp_path)
    assert path.read_text() == HEALTHY


def test_the_names_of_the_parts_are_found() -> None:
    assert part_names(HEALTHY) == ProgramNames()
    both = "def run(net, x, y):\n    pass\n\ndef example_targets():\n    pass\n"
    assert part_names(both) == ProgramNames(targets="example_targets", run="run")


def test_torch_is_not_needed(harness: Command, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from broken_convnets.cli import main\n"
        f"sys.exit(main(['programs', '--both-sides', '--out', {str(tmp_path / 'out')!r}, "
        f"'--corpus', {str(harness.root)!r}]))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert len(_requests(tmp_path / "out")) == 3
