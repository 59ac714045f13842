"""Broken PyTorch convolutional networks beside their fixed versions, and tools to run them.

`diagnose(...)` says what is wrong with code that runs, which line causes it, and how to fix it.
`trace(...)` records the inputs and output of every layer; `check(...)` looks for errors without
running the network on real data. These need PyTorch. `judge(case, source)` says whether a
program repairs a case, and `check_cell` does the same for a cell of a notebook. `explain(text)`
finds the cases that are similar to an error message or a traceback. `%load_ext broken_convnets`
adds `%%diagnose`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from broken_convnets.util.optional import first_missing, how_to_install
from broken_convnets.version import __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from broken_convnets.commands.diagnose.api import diagnose
    from broken_convnets.commands.explain.matching import explain
    from broken_convnets.commands.learn.cell_check import check_cell
    from broken_convnets.commands.learn.judge import Judge, judge
    from broken_convnets.commands.trace.check import check
    from broken_convnets.commands.trace.trace import trace

__all__ = ["Judge", "__version__", "check", "check_cell", "diagnose", "explain", "judge", "trace"]

# Imported on first use, with the optional libraries each needs: torch takes seconds to import.
_FUNCTIONS = {
    "Judge": ("commands.learn.judge", ("torch",)),
    "check_cell": ("commands.learn.cell_check", ("torch",)),
    "check": ("commands.trace.check", ("torch", "numpy")),
    "diagnose": ("commands.diagnose.api", ("torch",)),
    "explain": ("commands.explain.matching", ()),
    "judge": ("commands.learn.judge", ("torch",)),
    "trace": ("commands.trace.trace", ("torch",)),
}


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add the magic `%%diagnose`, at `%load_ext broken_convnets`."""
    import_module(".commands.diagnose.ipython_magic", __name__).register(shell)


def __getattr__(name: str) -> Any:
    """Return a function of the package; raise ImportError if a library it needs is missing."""
    if name not in _FUNCTIONS:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    module, needs = _FUNCTIONS[name]
    if missing := first_missing(needs):
        raise ImportError(how_to_install(name, missing), name=missing)
    return getattr(import_module(f".{module}", __name__), name)
