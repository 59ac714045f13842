"""The built wheel works anywhere, with and without torch, and never changes its own files."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from broken_convnets.cli import PROGRAM
from broken_convnets.commands.registry import COMMANDS
from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow

SIZE_LIMIT = 25_000_000  # bytes
HELP = [[name, "--help"] for name in COMMANDS]
MISSING = "needs PyTorch: pip install 'broken-convnets[torch]'\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the contents of the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def torchless(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of a new environment: the wheel and its declared dependencies.

    They are links to those installed here, so the test needs no network.
    """
    folder = tmp_path_factory.mktemp("torchless")
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (metadata,) = installed.glob("*.dist-info")
    for requirement in _required(Distribution.at(metadata)):
        for name in _top_level(distribution(requirement)):
            (site / name).symlink_to(str(distribution(requirement).locate_file(name)))
    for path in installed.iterdir():
        (site / path.name).symlink_to(path)
    return folder / "bin/python"


def _required(package: Distribution, extra: str = "") -> set[str]:
    """Return the names of the packages that `package` depends on, directly or not."""
    found: set[str] = set()
    for requirement in map(Requirement, package.requires or []):
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            found |= {requirement.name, *_required(distribution(requirement.name))}
    return found


def _size(files: Iterable[Path]) -> int:
    """Return the bytes of files, without the bytecode that an installer may add."""
    return sum(path.stat().st_size for path in files if path.is_file() and path.suffix != ".pyc")


def _top_level(package: Distribution) -> set[str]:
    tops = {path.parts[0] for path in package.files or []}
    return {name for name in tops if name not in {"..", "__pycache__"}}


def _run(installed: Path, *arguments: str, **env: str) -> str:
    own = {"PYTHONPATH": str(installed), "XDG_DATA_HOME": str(installed.parent / "data")}
    environment = {**os.environ, **own, **env}
    command = [sys.executable, "-m", "broken_convnets", *arguments]
    done = subprocess.run(
        command, cwd=installed, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def _run_torchless(torchless: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [torchless, *arguments],
        cwd=torchless.parent,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )


def _contents(folder: Path) -> dict[str, str]:
    """Return a hash of each file, without the bytecode that Python itself caches."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_torch_is_not_a_required_dependency(installed: Path) -> None:
    (metadata,) = installed.glob("*.dist-info")
    package = Distribution.at(metadata)
    heavy = {"torch", "torchvision", "numpy", "pillow"}
    assert not heavy & _required(package)
    extra = [Requirement(text) for text in package.requires or [] if "torch" in text]
    assert {one.name for one in map(Requirement, package.requires or [])} >= heavy
    assert all(one.marker and not one.marker.evaluate({"extra": ""}) for one in extra)


def test_it_is_small_with_all_that_it_depends_on(installed: Path) -> None:
    (metadata,) = installed.glob("*.dist-info")
    size = _size(installed.rglob("*"))
    for name in _required(Distribution.at(metadata)):
        package = distribution(name)
        size += _size(Path(str(package.locate_file(file))) for file in package.files or [])
    assert 1 << 20 < size < SIZE_LIMIT


def test_the_environment_without_torch_has_none(torchless: Path) -> None:
    for module in ("torch", "torchvision", "numpy", "PIL"):
        done = _run_torchless(torchless, "-c", f"import {module}")
        assert f"No module named '{module}'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], "Your own program:"),
        *((command, f"usage: {PROGRAM} {command[0]}") for command in HELP),
        (["explain", "TypeError: conv2d() got NoneType"], "none/"),
        (["list", "none"], "none/missing_return"),
        (["show", "none/missing_return"], "must be Tensor, not NoneType"),
        (["coverage"], "0 problems"),
    ],
)
def test_a_command_that_runs_no_network_works_without_torch(
    arguments: list[str], expected: str, torchless: Path
) -> None:
    done = _run_torchless(torchless, "-m", "broken_convnets", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert expected in done.stdout


def test_the_site_is_written_without_torch(torchless: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    done = _run_torchless(torchless, "-m", "broken_convnets", "site", "--out", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert str(folder / "index.html") in done.stdout
    for name in ("index.html", "none/missing_return.html", "why-none.html", "static/site.css"):
        assert (folder / name).is_file(), name


def test_lint_works_without_torch(torchless: Path) -> None:
    done = _run_torchless(torchless, "-m", "broken_convnets", "lint")
    assert (done.returncode, done.stdout) == (0, "")
    assert " entries, 0 problems" in done.stderr


@pytest.mark.parametrize("command", [name for name, command in COMMANDS.items() if command.needs])
def test_a_command_that_runs_networks_says_what_to_install(command: str, torchless: Path) -> None:
    program = ["train.py"] if command == "trace" else []
    done = _run_torchless(torchless, "-m", "broken_convnets", command, *program)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: `{command}` {MISSING}"


def test_trace_in_python_says_what_to_install(torchless: Path) -> None:
    done = _run_torchless(torchless, "-c", "import broken_convnets\nbroken_convnets.trace")
    assert done.returncode == 1
    assert done.stderr.endswith(f"ImportError: `trace` {MISSING}")


def test_explain_in_python_works_without_torch(torchless: Path) -> None:
    code = "import broken_convnets as b; print(b.explain('conv2d() got NoneType')[0].id)"
    done = _run_torchless(torchless, "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("none/")


@dataclass(frozen=True)
class Updated:
    """What happened when commands recorded results with the installed package."""

    data: Path  # the user's data folder
    before: dict[str, str]  # the files of the package
    after: dict[str, str]
    document: dict[str, Any]  # of `reproduce --json`
    score: dict[str, Any]  # of `score --json`


@pytest.fixture(scope="module")
def updated(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Updated:
    """Run every command that records something, once."""
    before, data = _contents(installed), tmp_path_factory.mktemp("data")

    def document(*arguments: str) -> Any:
        return json.loads(_run(installed, *arguments, "--json", XDG_DATA_HOME=str(data)))

    chosen = ["none/missing_return", "--device", "cpu", "--update"]
    reproduced = document("reproduce", *chosen)
    tool = _tool(tmp_path_factory.mktemp("tool") / "tool.py")
    only = ["--name", "mine", "--only", "none/missing_return", "--both-sides", "--update"]
    scored = document("score", "--exec", f"{sys.executable} {tool}", *only)
    for command in (
        ["cost", *chosen],
        ["bench", "none/missing_return", "--broken", "--save", "--processes", "1"],
        ["coverage", "--write"],
        ["new", "none/my_mistake"],
    ):
        _run(installed, *command, XDG_DATA_HOME=str(data))
    return Updated(data, before, _contents(installed), reproduced, scored)


def _tool(path: Path) -> Path:
    """Write a tool that flags every program whose `forward` has no `return`."""
    path.write_text(
        "import json, sys\n"
        "broken = 'return' not in json.load(sys.stdin)['source'].split('def forward')[1]\n"
        "findings = [{'message': 'returns nothing'}] if broken else []\n"
        "print(json.dumps({'status': 'flagged' if broken else 'clean', 'findings': findings}))\n"
    )
    return path


def test_the_installed_command_reproduces(updated: Updated) -> None:
    assert [outcome["verdict"] for outcome in updated.document["outcomes"]] == ["reproduced"]


def test_the_installed_package_never_changes_its_own_files(updated: Updated) -> None:
    assert updated.after == updated.before


def test_what_the_installed_package_records_is_in_the_users_data_folder(updated: Updated) -> None:
    (own,) = (updated.data / "broken-convnets").iterdir()
    release = f"torch-{updated.document['environment']['torch']}"
    for name in (
        f"results/{release}/cpu.toml",
        f"results/{release}/cost/cpu.toml",
        "results/timing/broken-cpu.toml",
        "results/tools/mine.toml",
        "results/README.md",
        "cases/none/my_mistake.toml",
        "docs/coverage.md",
    ):
        assert (own / name).is_file(), name
    assert "none/my_mistake" not in (own / "results/README.md").read_text()


def test_results_of_the_user_are_read_first(installed: Path, updated: Updated) -> None:
    (own,) = (updated.data / "broken-convnets").iterdir()
    for path in own.glob("results/torch-*/*.toml"):
        path.write_text(path.read_text().replace("must be Tensor, not NoneType", "changed here"))
    shown = _run(installed, "show", "none/missing_return", XDG_DATA_HOME=str(updated.data))
    assert "argument 'input' (position 1) changed here" in shown
    assert "changed here" not in _run(installed, "show", "none/missing_return")


def test_the_wheel_is_one_package_with_the_corpus_inside(installed: Path) -> None:
    tops = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == {"broken_convnets"}
    sources = {path.relative_to(ROOT / "cases") for path in (ROOT / "cases").rglob("*.py")}
    corpus = installed / "broken_convnets" / "bundled"
    assert {path.relative_to(corpus / "cases") for path in corpus.glob("cases/*/*.py")} == sources


def test_the_installed_command_lists_and_shows(installed: Path) -> None:
    ids = {entry["id"] for entry in json.loads(_run(installed, "list", "--json"))}
    assert "none/missing_return" in ids
    assert "must be Tensor, not NoneType" in _run(installed, "show", "missing_return")


def test_the_installed_package_traces(installed: Path) -> None:
    code = (
        "import broken_convnets, sys, torch\n"
        "t = broken_convnets.trace(torch.nn.Linear(2, 3), torch.ones(1, 3))\n"
        "print(t.failed.type, 'broken_convnets' in t.failure.traceback)"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=installed,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "Linear False\n"


def test_the_installed_command_teaches(installed: Path) -> None:
    result = json.loads(_run(installed, "learn", "none/missing_return", "--report"))
    assert [case["state"] for case in result] == ["new"]
    assert not (installed / "work").exists()


def test_the_installed_package_provides_pytest_fixtures(installed: Path, tmp_path: Path) -> None:
    suite = "def test_it(broken_convnet):\n    assert broken_convnet.truth.cause\n"
    (tmp_path / "test_mine.py").write_text(suite)
    points = next(installed.glob("*.dist-info")) / "entry_points.txt"
    assert "[pytest11]\nbroken_convnets.pytest_plugin = " in points.read_text()
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    plugin = ["-p", "broken_convnets.pytest_plugin", "--convnets", "none/missing_return", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "1 passed" in done.stdout


def test_the_installed_command_scores_a_tool(updated: Updated) -> None:
    programs = updated.score["programs"]["none/missing_return"]
    assert programs["broken"]["status"] == "flagged"
    assert programs["fixed"]["status"] == "clean"
    assert updated.score["score"]["youden_j"]["value"] == 1
