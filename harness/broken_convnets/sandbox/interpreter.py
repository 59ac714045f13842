"""The Python executable that a runner starts its processes with."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from broken_convnets.errors import RunnerError
from broken_convnets.util.environment import PACKAGE, environment


class Interpreter:
    """A Python executable that can import this package; call `close` when done.

    Another executable than this process's own imports everything else, torch included, from its
    own site-packages: its PYTHONPATH is a folder that contains a link to this package only.
    """

    def __init__(self, python: str = sys.executable, hash_seed: int = 0) -> None:
        """Use the executable at the path `python`."""
        self._python = python
        self._folder = None if python == sys.executable else _folder_with_package()
        self._environment = environment(self._folder.name if self._folder else None, hash_seed)

    def start(self, module: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start `python -m module arguments` with options of `subprocess.Popen`.

        Raises RunnerError if the executable cannot be started.
        """
        command = [self._python, "-m", module, *arguments]
        try:
            return subprocess.Popen(command, env=self._environment, **options)
        except OSError as error:
            message = f"cannot start {self._python}: {error.strerror}"
            raise RunnerError(message) from None

    def close(self) -> None:
        """Delete the folder with the link."""
        if self._folder:
            self._folder.cleanup()


def _folder_with_package() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="broken-convnets-")
    (Path(folder.name) / PACKAGE.name).symlink_to(PACKAGE, target_is_directory=True)
    return folder
