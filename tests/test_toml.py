"""Both readers of TOML give the same, and the slower one stands in for the other."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from harness import toml

ROOT = Path(__file__).parent.parent
WITHOUT = """
import sys
sys.modules["tomli"] = None
from harness import spec, toml
import tomllib
assert (toml.loads, toml.TOMLDecodeError) == (tomllib.loads, tomllib.TOMLDecodeError)
"""


def test_the_compiled_reader_gives_what_the_standard_one_gives() -> None:
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob("c*/*/*.toml")]
    assert len(texts) > 100
    assert [toml.loads(text) for text in texts] == [tomllib.loads(text) for text in texts]


@pytest.mark.parametrize("text", ["title =", "[a", "a = 1\na = 2", 'a = "\x00"'])
def test_both_refuse_the_same(text: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads(text)
    with pytest.raises(toml.TOMLDecodeError, match=r"line \d|end of document|column"):
        toml.loads(text)


def test_an_environment_without_the_compiled_reader_will_do() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
