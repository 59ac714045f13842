"""Where things are, as CONTRIBUTING.md says it."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_table_names_every_package_and_no_other() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`(\w+)/`", row.split("|")[1])]
    packages = [path.parent.name for path in sorted((ROOT / "harness").glob("*/__init__.py"))]
    assert sorted(named) == packages
