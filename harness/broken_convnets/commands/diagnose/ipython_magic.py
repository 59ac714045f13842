"""The magic `%%diagnose` of IPython and Jupyter: run a cell, and report what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.api import CodeDiagnosis

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def register(shell: InteractiveShell) -> None:
    """Add the magic to a shell.

    `%%diagnose NAME` also assigns the diagnosis to a variable.
    """

    def diagnose(line: str, cell: str) -> None:
        """Run the cell under the recorder, and report what is wrong; `%%diagnose NAME` keeps it."""
        found = CodeDiagnosis()
        with found.recorder:
            ran = shell.run_cell(cell)  # shows an exception, and returns it
        found.conclude(ran.error_in_exec)
        if line.strip():
            shell.user_ns[line.strip()] = found

    shell.register_magic_function(diagnose, "cell")
