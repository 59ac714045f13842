"""Where things are, as CONTRIBUTING.md describes it."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def folders_named(text: str) -> set[str]:
    """Return the folders in the first columns of the tables of CONTRIBUTING.md."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([\w/]+)/`", row)}


def test_contributing_describes_every_folder_of_code_and_no_other() -> None:
    package = ROOT / "harness/broken_convnets"
    core = {path.parent.name for path in package.glob("*/__init__.py")} - {"commands"}
    commands = {f"commands/{path.parent.name}" for path in package.glob("commands/*/command.py")}
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert folders_named(text) == core | commands


def test_only_the_first_column_names_folders() -> None:
    assert folders_named("| `util/`, `a/b/` | `c/` |\n`d/`") == {"util", "a/b"}
