"""In odd surroundings, a command works or ends with one sentence and an exit code."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from broken_convnets.errors import RunnerError
from broken_convnets.sandbox.fork_client import ForkServer
from broken_convnets.sandbox.job import Limits
from broken_convnets.util import terminal
from kit import Pair, corpus_of
from rich.table import Table
from rich.text import Text

HOSTILE = "\x1b[2K\rreproduced \x9b31m \u202e"
FOREIGN = {"COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "PYTHONUNBUFFERED"}
FULL = [["list"], ["show", "shape/pair"], ["--help"], ["list", "--help"]]
SHOWN = r"\x1b[2K"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    pair = Pair(declared={"message": f"cannot be {HOSTILE}"}, extra={"title": f"Conv → {HOSTILE}"})
    return corpus_of(root, {"shape/pair": Pair(), "shape/hostile": pair}).root


def _run(
    *arguments: str | Path,
    redirect: str = "",
    folder: Path | None = None,
    variables: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command line, whose streams `redirect` changes, with other environment variables."""
    command = [sys.executable, "-m", "broken_convnets", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirect}', "bash", *command],
        env={**environment, **(variables or {})},
        cwd=folder,
        capture_output=True,
        check=False,
    )


def _is_one_sentence(done: subprocess.CompletedProcess[bytes]) -> bool:
    return done.stderr.startswith(b"error: ") and done.stderr.count(b"\n") == 1


# Streams.


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", FULL)
def test_a_full_output_is_one_sentence(arguments: list[str], corpus: Path) -> None:
    where = [] if "--help" in arguments else ["--corpus", str(corpus)]
    done = _run(*arguments, *where, redirect="> /dev/full")
    assert done.returncode == 2
    assert _is_one_sentence(done), done.stderr
    assert b"No space left on device" in done.stderr


def test_a_full_error_stream_does_not_hide_the_exit_code() -> None:
    assert _run("show", "nothing", redirect="2> /dev/full").returncode == 2


def test_a_closed_output_is_one_sentence(corpus: Path) -> None:
    done = _run("list", "--corpus", corpus, redirect=">&-")
    assert done.returncode == 2
    assert done.stderr == (
        b"error: standard output is closed: redirect it to a file or to /dev/null\n"
    )


def test_a_closed_input_is_an_empty_one(corpus: Path) -> None:
    done = _run("explain", "--corpus", corpus, redirect="<&-")
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: there is nothing to explain")


def test_a_closed_error_stream_changes_nothing(corpus: Path) -> None:
    done = _run("list", "--corpus", corpus, redirect="2>&-")
    assert (done.returncode, b"shape/pair" in done.stdout) == (0, True)


def test_a_reader_that_leaves_ends_the_command_silently(corpus: Path) -> None:
    done = _run("list", "--corpus", corpus, redirect="| true; exit ${PIPESTATUS[0]}")
    assert done.returncode in {0, 141}
    assert done.stderr == b""


# Terminals and locales.


@pytest.mark.parametrize("color", [{}, {"FORCE_COLOR": "1"}], ids=["plain", "styled"])
@pytest.mark.parametrize("arguments", [["list"], ["show", "shape/hostile"]])
def test_a_locale_without_unicode_shows_escapes(
    arguments: list[str], color: dict[str, str], corpus: Path
) -> None:
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", **color}
    done = _run(*arguments, "--corpus", corpus, variables=variables)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"Conv \u2192" in done.stdout


@pytest.mark.parametrize("arguments", [["list"], ["show", "shape/pair"]])
def test_a_terminal_without_columns_shows_everything(arguments: list[str], corpus: Path) -> None:
    done = _run(*arguments, "--corpus", corpus, variables={"COLUMNS": "0", "FORCE_COLOR": "1"})
    assert done.returncode == 0
    assert b"shape/pair" in done.stdout


# Foreign text.


@pytest.mark.parametrize("color", [{}, {"FORCE_COLOR": "1"}], ids=["plain", "styled"])
@pytest.mark.parametrize("arguments", [["list"], ["show", "shape/hostile"]])
def test_escapes_in_declarations_are_shown(
    arguments: list[str], color: dict[str, str], corpus: Path
) -> None:
    done = _run(*arguments, "--corpus", corpus, variables={"COLUMNS": "200", **color})
    text = done.stdout.decode()
    assert SHOWN in text
    assert "\x1b[2K" not in text
    assert not {"\r", "\x9b", "\u202e"} & set(text)


def test_escapes_in_ids_are_shown(tmp_path: Path) -> None:
    corpus_of(tmp_path, {f"shape/{HOSTILE}{name}": Pair() for name in ("one", "two")})
    for command in ("list", "lint"):
        text = _run(command, "--corpus", tmp_path).stdout.decode()
        assert SHOWN in text
        assert not {"\x1b", "\r", "\x9b", "\u202e"} & set(text)


def test_escapes_in_an_error_are_shown(corpus: Path) -> None:
    done = _run("show", HOSTILE, "--corpus", corpus)
    assert done.returncode == 2
    assert b"\x1b" not in done.stderr


def test_escapes_in_a_table_are_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    table = Table("case", "message")
    table.add_row(Text("shape/pair", style="bold red"), Text(HOSTILE))
    terminal.console().print(table)
    out = capsys.readouterr().out
    assert SHOWN in out
    assert "\x1b[2K" not in out
    assert "\x1b[1;31m" in out  # our own style


# Files.


def test_a_site_in_the_current_folder_needs_an_empty_one(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = _run("site", "--out", ".", "--corpus", corpus, folder=tmp_path / "empty")
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "empty/index.html").is_file()
    done = _run("site", "--out", ".", "--corpus", corpus, folder=tmp_path)
    assert done.returncode == 2
    assert b"not empty and not a site" in done.stderr


def test_a_folder_below_a_file_is_one_sentence(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = _run("site", "--out", tmp_path / "file/site", "--corpus", corpus)
    assert done.returncode == 2
    assert _is_one_sentence(done), done.stderr


def test_a_disk_that_is_full_is_one_sentence(corpus: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-B", "-m", "broken_convnets", "site", "--corpus", str(corpus)]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "site")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert _is_one_sentence(done), done.stderr
    assert b"File too large" in done.stderr
    assert not list((tmp_path / "site").rglob("*.tmp"))


def test_no_folder_for_programs_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import tempfile\ntempfile._candidate_tempdir_list = lambda: []\n", encoding="utf-8"
    )
    monkeypatch.setattr(sys, "path", [sys.path[0], str(tmp_path), *sys.path[1:]])
    with pytest.raises(RunnerError, match=r"^there is no folder for programs: .*No usable temp"):
        ForkServer(Limits())
