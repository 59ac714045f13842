"""A user's program as the command line names it, run as Python itself would run it."""

from __future__ import annotations

import builtins
import runpy
import sys
import threading
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class UserProgram(Struct, frozen=True):
    """A file, a folder or zip with a `__main__.py`, or with `module` a module."""

    name: str
    arguments: list[str] = []
    module: bool = False

    @property
    def command(self) -> list[str]:
        """What `sys.argv` is while it runs."""
        return [self.name, *self.arguments]

    def check(self) -> None:
        """Raise UsageError if there is no such program."""
        if self.module:
            _require_module(self.name)
        elif not Path(self.name).exists():
            message = f"there is no program {self.name!r}; run a module with -m"
            raise UsageError(message)

    def run(self, texts: Mapping[str, str] | None = None) -> None:
        """Run it as `__main__`, and wait for the threads that Python would wait for.

        `texts` replaces the content of files, by absolute path. Raises whatever the program
        raises, SystemExit included.
        """
        with _as_main(self):
            if self.module:
                runpy.run_module(self.name, run_name="__main__", alter_sys=True)
            elif Path(self.name).is_dir() or Path(self.name).suffix in {".pyc", ".zip", ".pyz"}:
                runpy.run_path(self.name, run_name="__main__")
            else:
                _run_file(Path(self.name).absolute(), texts or {})
            for thread in threading.enumerate():
                if thread is not threading.current_thread() and not thread.daemon:
                    thread.join()


def _require_module(name: str) -> None:
    with _first_on_path(str(Path.cwd())):
        try:
            found = find_spec(name)
        except (ImportError, ValueError):
            found = None
    if found is None:
        message = f"there is no module {name!r}"
        raise UsageError(message)


def _run_file(path: Path, texts: Mapping[str, str]) -> None:
    """Run a file as `__main__`. `runpy` would change `sys.argv` and shorten the file's name."""
    module = ModuleType("__main__")
    module.__dict__.update(__file__=str(path), __builtins__=builtins, __cached__=None)
    former = sys.modules["__main__"]
    sys.modules["__main__"] = module
    content = texts.get(str(path))
    try:
        code = compile(
            path.read_bytes() if content is None else content, str(path), "exec", dont_inherit=True
        )
        exec(code, module.__dict__)  # noqa: S102  (it is the user's own program)
    finally:
        sys.modules["__main__"] = former


@contextmanager
def _as_main(program: UserProgram) -> Iterator[None]:
    """Set the `sys.argv` and `sys.path` that the program would have by itself."""
    former = sys.argv
    sys.argv = list(program.command)
    first = Path.cwd() if program.module else Path(program.name).resolve().parent
    try:
        with _first_on_path(str(first)):
            yield
    finally:
        sys.argv = former


@contextmanager
def _first_on_path(folder: str) -> Iterator[None]:
    """Put `folder` where Python puts the folder of the program that it runs."""
    if sys.flags.safe_path:
        yield
        return
    former = sys.path[0]
    sys.path[0] = folder
    try:
        yield
    finally:
        sys.path[0:1] = [former]


def exit_code(end: SystemExit) -> int:
    """Return the exit code that Python would return, and print what Python would print."""
    if end.code is None or isinstance(end.code, int):
        return (end.code or 0) & 0xFF
    print(end.code, file=sys.stderr)
    return 1
