"""Calls in children of one process that has imported torch, which all modules of tests share.

The import takes seconds of processor time; a fork takes milliseconds. Each child has a working
directory of its own, where `in` is its standard input, and `out` and `err` are its output.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

HARNESS = Path(__file__).parents[1] / "harness"
SERVE = "import forks; forks.serve()"  # as a command, so that '' comes first in sys.path
PATIENCE = 600  # seconds that a call may take on a busy machine
COLORS = {"NO_COLOR", "FORCE_COLOR"}  # set by a call alone


@dataclass(frozen=True)
class Call:
    """A function of a module, `module:function`, its arguments, and what it finds around it."""

    function: str
    folder: Path
    arguments: list[Any] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """How a call ended: the exit code of its process, and what that printed."""

    folder: Path
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on its standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found


def call(*calls: Call) -> list[Ended]:
    """Run calls, one after another; return how each ended, in their order."""
    return [_call(one) for one in calls]


def command_line(folder: Path, arguments: Iterable[str], **environment: str) -> Call:
    """Return the call of `broken-convnets` with arguments."""
    return Call("broken_convnets.cli:main", folder, [[*arguments]], environment)


def answer(function: str, folder: Path) -> Any:
    """Return what a function without parameters returns in `folder`, which must be JSON."""
    path = folder / "answer.json"
    path.unlink(missing_ok=True)
    (ended,) = call(Call("forks:write_answer", folder, [function]))
    assert ended.code == 0, ended.err
    assert path.exists(), f"{function} ended its process before it answered"
    return json.loads(path.read_text(encoding="utf-8"))


def write_answer(function: str) -> None:
    """Call a function and write what it returns to a file."""
    text = json.dumps(_function(function)())
    Path("answer.json").write_text(text, encoding="utf-8")


def _call(one: Call) -> Ended:
    server = _server()
    assert server.stdin
    assert server.stdout
    server.stdin.write(json.dumps({**asdict(one), "folder": str(one.folder)}) + "\n")
    server.stdin.flush()
    code = server.stdout.readline()
    assert code, "the process that forks has ended; see its output above"
    out, err = ((one.folder / name).read_text(encoding="utf-8") for name in ("out", "err"))
    return Ended(one.folder, int(code), out, err)


@cache
def _server() -> subprocess.Popen[str]:
    """Start the process that forks; it ends when its standard input does."""
    inherited = {name: text for name, text in os.environ.items() if name not in COLORS}
    paths = os.pathsep.join([str(HARNESS), str(Path(__file__).parent)])
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**inherited, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        start_new_session=True,  # Ctrl-C in the terminal is for pytest alone
    )
    atexit.register(server.communicate)
    return server


def serve() -> None:
    """Fork for each call on standard input; write the exit codes to standard output."""
    _preload()
    for line in sys.stdin:
        request = Call(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            _run_in_child(request)
        _, status = os.waitpid(pid, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _preload() -> None:
    import rich.console  # noqa: PLC0415  (only the process that forks imports these)
    import rich.text  # noqa: PLC0415, F401  (likewise)
    import torch._dynamo  # noqa: PLC0415, F401  (likewise; the first optimizer imports it)
    from broken_convnets import cli  # noqa: PLC0415, F401  (likewise)
    from broken_convnets.commands.diagnose import (  # noqa: PLC0415  (likewise)
        document,  # noqa: F401  (likewise)
        preload,  # noqa: F401  (likewise)
        registry,
        session,  # noqa: F401  (likewise)
    )
    from broken_convnets.commands.trace import (  # noqa: PLC0415  (likewise)
        command,  # noqa: F401  (likewise)
        trace,  # noqa: F401  (likewise)
    )
    from broken_convnets.sandbox.heap import freeze_heap  # noqa: PLC0415  (likewise)

    registry.load_rules()
    freeze_heap()


def _run_in_child(request: Call) -> NoReturn:
    """Run a call and end the process, with the exit code that Python would end with."""
    code: object = 1
    try:
        signal.alarm(PATIENCE)
        os.environ.update(request.environment)
        os.chdir(request.folder)
        _redirect()
        returned = _function(request.function)(*request.arguments)
        code = returned if isinstance(returned, int) else 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001  (a child must never return to the loop of its parent)
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # the program has closed or replaced it
                stream.flush()
        os._exit(code if isinstance(code, int) else 1)


def _redirect() -> None:
    """Connect the standard streams with files of the working directory."""
    os.dup2(os.open("in" if Path("in").exists() else os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  (a descriptor)


def _function(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)
