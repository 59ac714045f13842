"""Hostile programs: each has its verdict, and harms no other program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest
from broken_convnets.vocabulary import Verdict
from kit import (
    BROKEN,
    SAYS,
    Pair,
    Remembering,
    corpus_of,
    doing,
    importing,
    outcome,
    run_all,
    servers,
    unchecked,
)
from sandbox_jobs import LONG_NAP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.corpus.entries import Corpus
    from broken_convnets.sandbox.fork_client import ForkServer

pytestmark = pytest.mark.slow


def _then_raises(*lines: str, needs: str) -> Pair:
    """Return a pair that does something first and then fails as declared."""
    return Pair(doing(*lines, needs=needs, source=BROKEN))


def _raises(expression: str, needs: str = "os") -> Pair:
    line = f"raise {expression}"
    return Pair(
        doing(line, needs=needs, source=BROKEN),
        declared={"expression": line, "layer": None} if SAYS in expression else {},
    )


MUTE = "raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})"


def _with_fix(source: str) -> Pair:
    """Return a pair whose fixed side is hostile."""
    return Pair(fixed=source)


ALONE = "if len(x) == 1:"  # a law runs the network on one sample; the plain run does not

# test_sandbox.py tests limits, crashes and processes left behind. Here are the verdicts that
# follow from them, and programs that attack the code that observes them.
HOSTILE = {
    "fix_spins_in_a_law": (
        _with_fix(doing(ALONE, "    while True:", "        pass")),
        Verdict.TIMEOUT,
    ),
    "floods_then_raises": (
        _then_raises("print('x' * 999_999)", needs="os"),
        Verdict.REPRODUCED,
    ),
    "segfaults": (_then_raises("ctypes.string_at(0)", needs="ctypes"), Verdict.CRASHED),
    "prints_that_it_passed_and_exits": (
        _then_raises("print('passed', flush=True)", "os._exit(0)", needs="os"),
        Verdict.CRASHED,
    ),
    "fix_exits_at_once": (_with_fix(doing("os._exit(0)", needs="os")), Verdict.CRASHED),
    "hoards": (
        # Twice the limit, and then a nap until it is killed.
        _then_raises(
            "self.hoard = [torch.ones(1 << 22) for _ in range(32)]",
            f"time.sleep({LONG_NAP})",
            needs="time",
        ),
        Verdict.CRASHED,
    ),
    "closes_its_output": (_then_raises("os.closerange(0, 3)", needs="os"), Verdict.REPRODUCED),
    "deletes_its_file": (_then_raises("os.remove(__file__)", needs="os"), Verdict.REPRODUCED),
    "rewrites_its_file": (
        _then_raises("pathlib.Path(__file__).write_text('pass')", needs="pathlib"),
        Verdict.REPRODUCED,
    ),
    "leaves_its_folder": (_then_raises("os.chdir('/')", needs="os"), Verdict.REPRODUCED),
    "exits_with_system_exit": (_raises("SystemExit(0)"), Verdict.WRONG_SYMPTOM),
    "exits_with_system_exit_on_import": (
        Pair(importing("sys", "sys.exit(0)", source=BROKEN)),
        Verdict.WRONG_SYMPTOM,
    ),
    "fix_exits_with_system_exit": (
        _with_fix(doing("sys.exit(0)", needs="sys")),
        Verdict.FIX_FAILED,
    ),
    "fix_exits_with_system_exit_in_a_law": (
        _with_fix(doing(ALONE, "    sys.exit(0)", needs="sys")),
        Verdict.FIX_FAILED,
    ),
    "interrupts": (_raises("KeyboardInterrupt"), Verdict.WRONG_SYMPTOM),
    "fix_interrupts_in_a_law": (
        _with_fix(doing(ALONE, "    raise KeyboardInterrupt")),
        Verdict.FIX_FAILED,
    ),
    "raises_an_exception_without_str": (
        _raises(MUTE.removeprefix("raise ")),
        Verdict.WRONG_SYMPTOM,
    ),
    "fix_raises_an_exception_without_str_in_a_law": (
        _with_fix(doing(ALONE, f"    {MUTE}")),
        Verdict.FIX_FAILED,
    ),
    "message_of_ten_megabytes": (
        _raises(f"RuntimeError('{SAYS}' + 'x' * 9_999_999)"),
        Verdict.REPRODUCED,
    ),
    "message_with_a_deep_path": (
        _raises(f"RuntimeError('{SAYS}' + '/a' * 40)"),
        Verdict.REPRODUCED,
    ),
    "message_with_its_folder": (
        _raises(f"RuntimeError(f'{SAYS} {{os.getcwd()}}/x')"),
        Verdict.REPRODUCED,
    ),
    "message_with_a_surrogate": (_raises(f"RuntimeError('{SAYS} \\ud800')"), Verdict.REPRODUCED),
    "recurses": (
        Pair(
            doing("return self.forward(x)", source=BROKEN),
            declared={
                "raises": "RecursionError",
                "message": "recursion",
                "layer": None,
                "expression": "self.forward(x)",
            },
        ),
        Verdict.REPRODUCED,
    ),
    "recurses_through_its_call": (
        Pair(
            doing("return self(x)", source=BROKEN),
            declared={
                "raises": "RecursionError",
                "message": "recursion",
                "layer": None,
                "expression": "self(x)",
            },
        ),
        Verdict.REPRODUCED,
    ),
    "leaves_a_thread": (
        _with_fix(
            importing("threading", "threading.Thread(target=threading.Event().wait).start()")
        ),
        Verdict.REPRODUCED,
    ),
    "leaves_a_process": (
        _with_fix(
            importing(
                "subprocess",
                f"NAP = subprocess.Popen(['sleep', '{LONG_NAP}'], start_new_session=True)",
            )
        ),
        Verdict.REPRODUCED,
    ),
    "leaves_a_fork": (
        _then_raises(
            "if not os.fork():", "    os.setsid()", f"    time.sleep({LONG_NAP})", needs="os, time"
        ),
        Verdict.REPRODUCED,
    ),
    "terminates_a_worker": (
        _with_fix(
            importing(
                "multiprocessing, time",
                f"worker = multiprocessing.Process(target=time.sleep, args=({LONG_NAP},))\n"
                "worker.start()\nworker.terminate()\nworker.join()",
            )
        ),
        Verdict.REPRODUCED,
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _unchecked() -> Iterator[None]:
    with unchecked():
        yield


@pytest.fixture(scope="module")
def strict(strict_runner: ForkServer) -> Remembering:
    return Remembering(strict_runner)


@pytest.fixture(scope="module")
def corpus(strict: Remembering, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    entries = {f"hostile/{name}": pair for name, (pair, _) in HOSTILE.items()}
    written = corpus_of(tmp_path_factory.mktemp("hostile"), {**entries, "healthy/pair": Pair()})
    return run_all(strict, written)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_verdict_of(name: str, corpus: Corpus, strict: Remembering) -> None:
    judgement = outcome(strict, corpus, f"hostile/{name}").judgement
    assert judgement.verdict is HOSTILE[name][1], judgement.mismatches


def test_a_healthy_pair_beside_them_reproduces(corpus: Corpus, strict: Remembering) -> None:
    assert outcome(strict, corpus, "healthy/pair").verdict is Verdict.REPRODUCED


@pytest.mark.usefixtures("corpus")
def test_a_healthy_pair_after_them_reproduces(
    strict_runner: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    later = corpus_of(tmp_path_factory.mktemp("after"), {"healthy/pair": Pair()})
    assert outcome(strict_runner, later, "healthy/pair").verdict is Verdict.REPRODUCED


@pytest.mark.usefixtures("corpus")
def test_no_process_of_a_program_remains() -> None:
    assert servers()
    assert [child for server in servers() for child in server.children(recursive=True)] == []
    assert [
        p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", str(LONG_NAP)]
    ] == []


def test_a_crash_quotes_the_last_output(corpus: Corpus, strict: Remembering) -> None:
    found = outcome(strict, corpus, "hostile/prints_that_it_passed_and_exits")
    assert found.judgement.mismatches[0].happened.endswith("(exit status 0): passed")


def test_a_segmentation_fault_is_named(corpus: Corpus, strict: Remembering) -> None:
    found = outcome(strict, corpus, "hostile/segfaults")
    assert "Segmentation fault" in found.judgement.mismatches[0].happened
