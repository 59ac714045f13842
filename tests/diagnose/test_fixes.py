"""Fixes of `diagnose` as diffs and as changes of files, and tracebacks without library frames."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.diagnose.apply import apply_best_fix
from broken_convnets.commands.diagnose.diagnosis import Diagnosis
from broken_convnets.commands.diagnose.edits import diff
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.repair import Fix
from broken_convnets.commands.diagnose.shown import folded, shown_path

if TYPE_CHECKING:
    from pathlib import Path

FINDING = Finding(rule="rule", kind="loss/x", message="message", evidence="evidence")
LATER = 1e12  # seconds since the epoch


def diagnosis(patch: dict[str, str], *, verified: bool = True) -> Diagnosis:
    fixes = {FINDING.identity: [Fix(patch, verified=verified)]}
    return Diagnosis([FINDING], fixes=fixes)


def test_a_file_keeps_its_line_ends_permissions_and_a_backup(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_bytes(b"a = 1\r\nb = 2\r\n")
    path.chmod(0o755)
    (sentence,) = apply_best_fix(diagnosis({str(path): "a = 1\nb = 3\n"}), LATER)
    assert sentence == f"changed {path}; the previous text is in {path}.orig"
    assert path.read_bytes() == b"a = 1\r\nb = 3\r\n"
    assert path.stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "train.py.orig").read_bytes() == b"a = 1\r\nb = 2\r\n"


def test_a_backup_never_replaces_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    for number in range(3):
        path.write_text(f"a = {number}\n")
        list(apply_best_fix(diagnosis({str(path): "a = 9\n"}), LATER))
    backups = sorted(tmp_path.glob("train.py.orig*"))
    assert [backup.read_text() for backup in backups] == ["a = 0\n", "a = 1\n", "a = 2\n"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("a = 1\n")
    link = tmp_path / "train.py"
    link.symlink_to("real.py")
    list(apply_best_fix(diagnosis({str(link): "a = 2\n"}), LATER))
    assert link.is_symlink()
    assert (tmp_path / "real.py").read_text() == "a = 2\n"


def test_an_unverified_fix_is_not_applied(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text("a = 1\n")
    sentences = list(apply_best_fix(diagnosis({str(path): "a = 2\n"}, verified=False), LATER))
    assert sentences == ["nothing applied: there is no verified fix"]
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "a = 1\n"


def test_a_file_that_changed_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text("a = 1\n")
    (sentence,) = apply_best_fix(diagnosis({str(path): "a = 2\n"}), since=0.0)
    assert "has changed since the program was started" in sentence
    assert path.read_text() == "a = 1\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a = 1\nb = 2\n", "a = 1\nc = 3\nb = 2\n"),
        ("a = 1\nb = 2", "a = 1\nb = 3"),
        ("a = 1\nb = 2", "a = 1\nb = 2\nc = 3\n"),
    ],
)
def test_git_applies_a_diff(
    old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "package/train.py"
    path.parent.mkdir()
    path.write_text(old)
    text = diff(str(path), old, new)
    assert "--- a/package/train.py\n" in text
    subprocess.run(["git", "apply", "-"], input=text, text=True, check=True)
    assert path.read_text() == new


def test_a_path_outside_the_working_directory_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    assert shown_path(str(tmp_path / "inside/a.py")) == "a.py"
    assert shown_path(str(tmp_path / "a.py")) == str(tmp_path / "a.py")


TRACEBACK = """Traceback (most recent call last):
  File "/home/me/train.py", line 4, in <module>
    net(torch.ones(2, 5))
  File "/x/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1, in _call_impl
    return forward_call(*args, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/x/lib/python3.11/site-packages/timm/layers.py", line 1, in forward
    return x
  File "/home/me/net.py", line 9, in forward
    return self.fc(x)
  File "/usr/lib/python3.11/json/decoder.py", line 1, in decode
    raise error
ValueError: File "x", line 3
    of the message
"""


def test_frames_of_libraries_are_folded() -> None:
    assert folded(TRACEBACK).splitlines() == [
        "Traceback (most recent call last):",
        '  File "/home/me/train.py", line 4, in <module>',
        "    net(torch.ones(2, 5))",
        "  [2 frames in torch, timm; --traceback shows all]",
        '  File "/home/me/net.py", line 9, in forward',
        "    return self.fc(x)",
        "  [1 frame in json; --traceback shows all]",
        'ValueError: File "x", line 3',
        "    of the message",
    ]


def test_a_traceback_of_the_users_own_code_is_not_changed() -> None:
    own = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nKeyError: 1\n'
    assert folded(own) == own
