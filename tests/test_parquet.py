"""`export --parquet` without pyarrow, and where its folder exists; `parquet_export.py` loads it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.export import parquet

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command


def test_without_pyarrow_it_says_what_to_install(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = harness("export", "--parquet", str(tmp_path / "out"))
    assert done.code == 2
    assert "--parquet needs pyarrow: pip install 'broken-convnets[parquet]'" in done.err
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_refused(
    harness: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_pyarrow", lambda: (None, None))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("mine")
    done = harness("export", "--parquet", str(tmp_path / "out"))
    assert done.code == 2
    assert "already exists: pass a new or empty folder" in done.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


@pytest.mark.parametrize("other", [["--notebook"], ["--harbor", "tasks"]])
def test_one_format_at_a_time(other: list[str], harness: Command, tmp_path: Path) -> None:
    done = harness("export", "--parquet", str(tmp_path / "out"), *other)
    assert done.code == 2
    assert "not allowed with argument" in done.err
