"""The folders of the package: described in CONTRIBUTING.md, and without a cycle of imports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from import_graph import cycle, import_graph, imports_of, is_in
from kit import put

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "harness/broken_convnets"
CORE = {"util", "corpus", "sandbox", "observe", "verdicts", "vocabulary", "errors", "version"}
ENTRY_POINTS = {
    "__init__",
    "__main__",
    "cli",
    "diagnose",
    "inspect_task",
    "lightning",
    "pytest_plugin",
}
FOLDED = ("observe", "commands/diagnose")  # each is one node with the folders inside it


def folders_named(text: str) -> set[str]:
    """Return the folders in the first columns of the tables of CONTRIBUTING.md."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([\w/]+)/`", row)}


def test_contributing_describes_every_folder_of_code_and_no_other() -> None:
    core = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"commands"}
    commands = {f"commands/{path.parent.name}" for path in PACKAGE.glob("commands/*/command.py")}
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert folders_named(text) == core | commands


def test_only_the_first_column_names_folders() -> None:
    assert folders_named("| `util/`, `a/b/` | `c/` |\n`d/`") == {"util", "a/b"}


def test_no_folders_import_each_other() -> None:
    assert cycle(import_graph(PACKAGE, FOLDED)) == []


def test_the_core_imports_nothing_of_the_commands() -> None:
    graph = import_graph(PACKAGE)
    directly_in_the_package = {node for node in graph if "/" not in node}
    assert directly_in_the_package == CORE | ENTRY_POINTS
    for part in CORE:
        imported = imports_of(graph, part)
        assert {node for node in imported if not any(is_in(node, other) for other in CORE)} == set()


def test_the_sandbox_imports_nothing_but_util_and_errors() -> None:
    assert imports_of(import_graph(PACKAGE), "sandbox") == {"util", "errors"}


# What the functions behind these tests must find in a made-up package.

ACYCLIC = {
    "__init__.py": "",
    "util/__init__.py": "",
    "util/files.py": "import os\n",
    "core/__init__.py": "",
    "core/laws/__init__.py": "from package.util.files import write\n",
    "core/run.py": "from package.core.laws import judge\n",
    "commands/__init__.py": "",
    "commands/options.py": "from package.core import run\n",
    "commands/show/command.py": "from package.commands.options import add\n",
}
SICK = {
    "at the top": "from package.core import run\n",
    "of a package": "import package.core.run\n",
    "of a module by its package": "from package import core\n",
    "relative": "from ..core.run import run\n",
    "relative, of a package": "from .. import core\n",
    "in a function": "def write():\n    from package.core import run\n",
    "for type checkers": "if TYPE_CHECKING:\n    from package.core.run import Run\n",
    "after try": "try:\n    import package.core.run as other\nexcept ImportError:\n    pass\n",
}


def package_of(folder: Path, **changed: str) -> Path:
    """Write the made-up package, with other text in some files ("util_files" is util/files.py)."""
    for name, text in ACYCLIC.items():
        key = name.removesuffix(".py").replace("/", "_")
        put(folder / "package" / name, changed.get(key, text))
    return folder / "package"


def test_the_graph_of_a_package_has_its_folders_and_loose_modules(tmp_path: Path) -> None:
    graph = import_graph(package_of(tmp_path))
    assert {node: found for node, found in graph.items() if found} == {
        "core": {"core/laws"},
        "core/laws": {"util"},
        "commands/options": {"core"},
        "commands/show": {"commands/options"},
    }
    assert cycle(graph) == []
    assert imports_of(graph, "core") == {"util"}
    assert imports_of(graph, "commands") == {"core"}


@pytest.mark.parametrize("how", SICK)
def test_an_import_that_closes_a_cycle_is_found_wherever_it_is(how: str, tmp_path: Path) -> None:
    graph = import_graph(package_of(tmp_path, util_files=SICK[how]))
    assert {"util", "core", "core/laws"} == set(cycle(graph))
    assert imports_of(graph, "util") == {"core"}


def test_an_import_of_a_command_by_the_core_is_found(tmp_path: Path) -> None:
    text = "def run():\n    from package.commands.show.command import run\n"
    graph = import_graph(package_of(tmp_path, core_run=text))
    assert imports_of(graph, "core") == {"util", "commands/show"}


def test_a_folder_inside_that_imports_the_outer_one_is_a_cycle_unless_folded(
    tmp_path: Path,
) -> None:
    package = package_of(tmp_path, core_laws___init__="from package.core.run import run\n")
    assert set(cycle(import_graph(package))) == {"core", "core/laws"}
    assert cycle(import_graph(package, ["core"])) == []
