"""The files that name the version of the project agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from broken_convnets.version import __version__

ROOT = Path(__file__).parent.parent
PATTERNS = {
    "CITATION.cff": r"^version: (\S+)$",
    "CHANGELOG.md": r"^## (\S+) - (?:unreleased|\d{4}-\d\d-\d\d)$",
}


def first_version(text: str, pattern: str) -> str | None:
    """Return the first version in a file's text, the latest one of a changelog."""
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else None


@pytest.mark.parametrize("name", PATTERNS)
def test_each_file_names_the_version_of_the_package(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert first_version(text, PATTERNS[name]) == __version__


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("CITATION.cff", "cff-version: 1.2.0\n", None),
        ("CITATION.cff", "cff-version: 1.2.0\nversion: 0.9.0\n", "0.9.0"),
        ("CHANGELOG.md", "## Unreleased\n", None),
        ("CHANGELOG.md", "## 2.0.0 - 2027-01-01\n\n## 1.0.0 - 2026-12-01\n", "2.0.0"),
    ],
)
def test_a_missing_or_another_version_is_found(name: str, text: str, found: str | None) -> None:
    assert first_version(text, PATTERNS[name]) == found


def test_pyproject_reads_the_version_from_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in project["project"]["dynamic"]
    path = ROOT / project["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{__version__}"' in path.read_text(encoding="utf-8")
