"""A resumed run knows the files that can change a tool's answers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from broken_convnets.commands.score.tool_files import hashes_of_tool
from broken_convnets.commands.score.tool_jobs import ToolRef
from kit import put

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ref(tmp_path: Path) -> ToolRef:
    put(tmp_path / "tool.py", "import json\nimport near\nfrom parts import rules\n")
    put(tmp_path / "near.py", "import far\n")
    put(tmp_path / "far.py", "x = 1\n")
    put(tmp_path / "parts/__init__.py", "")
    put(tmp_path / "parts/rules.py", "x = 1\n")
    put(tmp_path / "unused.py", "x = 1\n")
    return ToolRef("tool", [sys.executable, str(tmp_path / "tool.py")])


@pytest.mark.parametrize(
    "name", ["tool.py", "near.py", "far.py", "parts/__init__.py", "parts/rules.py"]
)
def test_a_file_that_the_tool_imports_changes_the_hashes(
    name: str, ref: ToolRef, tmp_path: Path
) -> None:
    before = hashes_of_tool(ref)
    assert hashes_of_tool(ref) == before
    with (tmp_path / name).open("a") as stream:
        stream.write("x = 2\n")
    assert hashes_of_tool(ref) != before


def test_other_files_do_not_change_the_hashes(ref: ToolRef, tmp_path: Path) -> None:
    before = hashes_of_tool(ref)
    put(tmp_path / "unused.py", "x = 2\n")
    assert hashes_of_tool(ref) == before


@pytest.mark.parametrize("text", ["import (", "\0", "import no_such_module\n"])
def test_a_script_that_cannot_be_read_has_a_hash(text: str, ref: ToolRef, tmp_path: Path) -> None:
    before = hashes_of_tool(ref)
    put(tmp_path / "tool.py", text)
    assert hashes_of_tool(ref) != before


def test_an_installed_tool_has_the_hashes_of_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "my_linter-1.dist-info/METADATA", "Name: my-linter\nVersion: 1\n")
    put(
        tmp_path / "my_linter-1.dist-info/entry_points.txt",
        "[broken_convnets.tools]\nmine = my_linter.adapter:Mine\n",
    )
    put(tmp_path / "my_linter/__init__.py", "")
    put(tmp_path / "my_linter/adapter.py", "x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = hashes_of_tool(ToolRef("mine"))
    put(tmp_path / "my_linter/adapter.py", "x = 2\n")
    assert hashes_of_tool(ToolRef("mine")) != before
