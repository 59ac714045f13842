"""Run changed files in memory: imports and tracebacks see the new text, the disk keeps the old."""

from __future__ import annotations

import importlib.machinery
import linecache
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import CodeType


@contextmanager
def overlaid(texts: Mapping[str, str]) -> Iterator[None]:
    """Let imports of the files of `texts` compile the given text instead of the file's."""
    new = {str(Path(path).absolute()): text for path, text in texts.items()}
    loader: Any = importlib.machinery.SourceFileLoader
    original = loader.get_code

    def get_code(self: Any, name: str) -> CodeType | None:
        path = str(Path(self.path).absolute())
        if path not in new:
            code: CodeType | None = original(self, name)
            return code
        return compile(new[path], self.path, "exec", dont_inherit=True)

    for path, text in new.items():
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    loader.get_code = get_code
    try:
        yield
    finally:
        loader.get_code = original
