"""The built wheel works outside the repository, with the corpus inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def _run(installed: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "broken_convnets", *arguments]
    done = subprocess.run(
        command, cwd=installed, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


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


def test_the_installed_command_reproduces(installed: Path) -> None:
    document = json.loads(_run(installed, "reproduce", "missing_return", "--json"))
    assert [outcome["verdict"] for outcome in document["outcomes"]] == ["reproduced"]


def test_the_installed_command_writes_the_site(installed: Path, tmp_path: Path) -> None:
    _run(installed, "site", "--out", str(tmp_path / "site"))
    assert (tmp_path / "site/none/missing_return.html").is_file()
    assert (tmp_path / "site/why-none.html").is_file()
    assert (tmp_path / "site/static/site.css").is_file()


def test_the_installed_command_teaches(installed: Path) -> None:
    result = json.loads(_run(installed, "learn", "none/missing_return", "--report"))
    assert [case["state"] for case in result] == ["new"]
    assert not (installed / "work").exists()


def test_the_installed_package_gives_a_test_suite_its_fixtures(
    installed: Path, tmp_path: Path
) -> None:
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


def test_the_installed_command_scores_a_tool(installed: Path, tmp_path: Path) -> None:
    tool = tmp_path / "tool.py"
    tool.write_text(
        "import json, sys\n"
        "broken = 'return' not in json.load(sys.stdin)['source'].split('def forward')[1]\n"
        "findings = [{'message': 'returns nothing'}] if broken else []\n"
        "print(json.dumps({'status': 'flagged' if broken else 'clean', 'findings': findings}))\n"
    )
    command = ["score", "--exec", f"{sys.executable} {tool}", "--only", "none/missing_return"]
    told = json.loads(_run(installed, *command, "--book", str(tmp_path / "book.toml"), "--json"))
    assert told["programs"]["none/missing_return"]["broken"]["status"] == "flagged"
    assert told["programs"]["none/missing_return"]["fixed"]["status"] == "clean"
    assert told["score"]["headline"]["value"] == 1
