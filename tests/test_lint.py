"""Each rule rejects an invalid program or pair, and accepts a valid one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest
from broken_convnets.corpus.lint import check, lint, unformatted
from broken_convnets.corpus.rules import LINE_LIMIT
from kit import BROKEN, HEALTHY, RAISES, TRAINED, Pair, Solo, case_of, corpus_of, importing, patched

if TYPE_CHECKING:
    from pathlib import Path

GUARD = 'if __name__ == "__main__":\n    Net()(*example_inputs())\n'
IN_FORWARD = "    def forward(self, x):\n"


def _in_forward(line: str) -> str:
    return patched((IN_FORWARD, f"{IN_FORWARD}        {line}\n"))


def _long(source: str, lines: int) -> str:
    more = lines - len(source.splitlines())
    return patched(("import torch\n", "import torch\n" * (1 + more)), source=source)


SICK_PROGRAMS = {
    "a comment": (patched(("import torch\n", "import torch  # torch\n")), "line 3 has a comment"),
    "an annotated argument": (patched(("forward(self, x)", "forward(self, x: int)")), "annotation"),
    "an annotated result": (patched(("(self, x):", "(self, x) -> None:")), "annotation: remove it"),
    "an annotated name": (_in_forward("y: int = 1"), "line 14 has an annotation"),
    "an annotated lambda default": (_in_forward("def f(*a: int): pass"), "has an annotation"),
    "a comment about types": (_in_forward("y = 1  # type: int"), "has a comment"),
    "a telling variable": (_in_forward("wrong_shape = 1"), "says 'wrong'"),
    "a telling attribute": (_in_forward("self.fixed = 1"), "says 'fixed'"),
    "a telling function": (_in_forward("def missing_layer(): pass"), "says 'missing'"),
    "a telling class": (_in_forward("class BrokenNet: pass"), "says 'broken'"),
    "a telling argument": (_in_forward("def f(bug): pass"), "says 'bug'"),
    "a telling string": (_in_forward("y = 'oops'"), "says 'oops'"),
    "a telling intent": (patched(("Classify", "Wrongly fail to classify")), "says 'fail'"),
    "a telling alias": (patched(("import torch\n", "import torch as wrong\n")), "says 'wrong'"),
    "a foreign library": (importing("requests"), "imports requests, which is not for programs"),
    "a way to silence warnings": (importing("warnings"), "imports warnings, which is not"),
    "part of a foreign library": (_in_forward("from scipy.io import wavfile"), "imports scipy.io"),
    "no guard": (patched((GUARD, "")), "must end with a main guard of two lines"),
    "a guard of three lines": (patched((GUARD, f"{GUARD}    print()\n")), "guard of two lines"),
    "a guard that always holds": (patched((GUARD, GUARD.replace(":", " or 1:", 1))), "main guard"),
    "code after the guard": (patched((GUARD, f"{GUARD}\nx = 1\n")), "must end with a main guard"),
    "no Net": (patched(("class Net", "class Model")), "has no `class Net(nn.Module)`"),
    "no inputs": (patched(("def example_inputs", "def inputs")), "no `example_inputs(batch_size=N"),
    "inputs of a fixed size": (patched(("(batch_size=4)", "()")), "must take one argument"),
    "inputs without default": (patched(("(batch_size=4)", "(batch_size)")), "take one argument"),
    "inputs of two arguments": (patched(("size=4)", "size=4, n=2)")), "must take one argument"),
    "inputs of another name": (patched(("(batch_size=4)", "(size=4)")), "must take one argument"),
    "targets of a fixed size": (
        patched(("targets(batch_size=4)", "targets()"), source=TRAINED),
        "`example_targets` must take one argument",
    ),
    "no intent": (patched(('"""Classify tiny images."""\n', "")), "needs a one-line docstring"),
    "a long intent": (patched((".", ".\n\nMore.\n")), "needs a one-line docstring"),
    "a line too many": (_long(HEALTHY, LINE_LIMIT + 1), f"shorten it to {LINE_LIMIT}"),
    "a syntax error": (
        patched(("self.fc =", "self.fc ==")).replace("):", ")", 1),
        "is not valid Python",
    ),
    "a null byte": (patched(("Classify", "Class\0ify")), "is not valid Python"),
}
LONG_FIX = "".join(f"        x{n} = x\n" for n in range(7))
SICK_PAIRS = {
    "an identical fix": (Pair(fixed=BROKEN), "fixes", "is identical to the case"),
    "a fix of nine lines": (
        Pair(fixed=patched((IN_FORWARD, f"{IN_FORWARD}{LONG_FIX}"))),
        "fixes",
        "changes 9 lines of the case: keep to 8",
    ),
    "another intent": (
        Pair(fixed=patched(("tiny", "small"))),
        "fixes",
        "has a different docstring than the case",
    ),
    "an expression that the case does not contain": (
        Pair(declared={"expression": "self.fc(y)"}),
        "cases",
        "key `broken.expression`: 'self.fc(y)' is not in the case",
    ),
    "a CUDA expression that the case does not contain": (
        Pair(declared={"cuda": {"expression": "self.fc(y)"}}),
        "cases",
        "key `broken.cuda.expression`: 'self.fc(y)' is not in the case",
    ),
    "an other fix site that the case does not contain": (
        Pair(extra={"other_fix_sites": [RAISES, "y = 1"]}),
        "cases",
        "key `other_fix_sites[1]`: 'y = 1' is not in the case",
    ),
}
SOUND = {
    "the pair": Pair(),
    "a fix of eight lines": Pair(
        fixed=patched((IN_FORWARD, f"{IN_FORWARD}{LONG_FIX[: 6 * len(LONG_FIX) // 7]}"))
    ),
    "as many lines as allowed": Pair(_long(BROKEN, LINE_LIMIT), _long(HEALTHY, LINE_LIMIT)),
    "words that contain telling ones": Pair(
        _in_forward("debug, prefix, failover = 'badge', 'errors', 'wronged'"),
        declared={"expression": "self.conv(x)"},
    ),
    "an expression over several lines": Pair(
        patched((RAISES, "self.fc(\n            torch.flatten(x, 2)\n        )"), source=BROKEN),
        declared={"expression": "self.fc( torch.flatten(x, 2) )"},
    ),
    "the standard library": Pair(importing("math", source=BROKEN), importing("math")),
}


def _messages(entry: Pair) -> list[str]:
    return [str(problem) for problem in check(case_of(entry))]


@pytest.mark.parametrize("side", ["broken", "fixed"])
@pytest.mark.parametrize("what", SICK_PROGRAMS)
def test_an_invalid_program_is_reported(what: str, side: str) -> None:
    source, fragment = SICK_PROGRAMS[what]
    pair = Pair(broken=source) if side == "broken" else Pair(fixed=source)
    tree = "cases" if side == "broken" else "fixes"
    found = [message for message in _messages(pair) if fragment in message]
    assert [message.startswith(f"{tree}/shape/pair.py: ") for message in found] == [True]


@pytest.mark.parametrize("what", SICK_PAIRS)
def test_an_invalid_pair_is_reported(what: str) -> None:
    pair, tree, fragment = SICK_PAIRS[what]
    assert [fragment in message for message in _messages(pair)] == [True]
    assert _messages(pair)[0].startswith(f"{tree}/shape/pair.")


@pytest.mark.parametrize("what", SOUND)
def test_a_valid_pair_is_accepted(what: str) -> None:
    assert _messages(SOUND[what]) == []


def test_the_same_rules_apply_to_a_control(tmp_path: Path) -> None:
    sick = Solo(patched(("import torch\n", "import torch  # torch\n")))
    corpus = corpus_of(tmp_path, {"dtype/myth": sick, "shape/pair": Pair()})
    assert [str(problem)[:31] for problem in lint(corpus)] == ["controls/dtype/myth.py: line 3 "]


def test_lint_includes_the_problems_of_loading(tmp_path: Path) -> None:
    corpus_of(tmp_path, {"shape/pair": Pair()})
    (tmp_path / "cases/shape/notes.md").write_text("")
    corpus = corpus_of(tmp_path, {})
    assert [problem.file for problem in lint(corpus)] == ["cases/shape/notes.md"]


def test_a_failing_ruff_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = corpus_of(tmp_path, {"shape/pair": Pair()})
    ruff = tmp_path / "bin" / "ruff"
    ruff.parent.mkdir()
    ruff.write_text("#!/bin/sh\necho 'no such option' >&2\nexit 2\n")
    ruff.chmod(0o755)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(ruff.parent))
    with pytest.raises(RuntimeError, match="not checked: ruff printed 'no such option'"):
        unformatted(corpus)


def test_without_ruff_the_format_is_reported_as_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(FileNotFoundError, match="formatting was not checked"):
        unformatted(corpus_of(tmp_path, {"shape/pair": Pair()}))


def test_ruff_finds_a_program_that_is_not_formatted(tmp_path: Path) -> None:
    sick = Pair(BROKEN.replace("(x, 2)", "( x,2 )"))
    corpus = corpus_of(tmp_path, {"shape/pair": sick, "dtype/myth": Solo()})
    assert [problem.file for problem in unformatted(corpus)] == ["cases/shape/pair.py"]


def test_lint_never_runs_a_program(tmp_path: Path) -> None:
    loud = importing("os", "os.kill(os.getppid(), 9)")
    corpus_of(tmp_path, {"shape/pair": Pair(loud, loud.replace("9)", "15)"))})
    done = subprocess.run(
        [sys.executable, "-m", "broken_convnets", "lint", "--corpus", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 entries" in done.stderr
