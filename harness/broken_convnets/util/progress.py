"""Show on stderr how far a long task is: a bar on a terminal, otherwise a line at most a minute."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from broken_convnets.util import terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.progress import Progress, TaskID

Item = TypeVar("Item")

SECONDS_PER_LINE = 60.0  # in a file, such as the log of a cluster's job


class ProgressBar:
    """A bar of a known number of steps; `progress_bar` opens one."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        """Show one task of a rich progress display."""
        self._bar, self._task = bar, task
        self._next_line = time.monotonic() + SECONDS_PER_LINE

    def advance(self, steps: int = 1, *, detail: str = "") -> None:
        """Count `steps` more as done; `detail` names the item at hand, behind the bar."""
        self._bar.update(self._task, advance=steps, detail=detail)
        if self._bar.disable and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + SECONDS_PER_LINE
            self._print_line()

    def _print_line(self) -> None:
        task = next(task for task in self._bar.tasks if task.id == self._task)
        self._bar.console.print(
            f"{task.description}: {task.completed:.0f} of {task.total:.0f}", markup=False
        )


@contextmanager
def progress_bar(text: str, total: int) -> Iterator[ProgressBar]:
    """Show `text` and a bar of `total` steps for the duration of the block."""
    from rich.progress import (  # noqa: PLC0415  (rich loads slower than a quick command runs)
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    console = terminal.console(stderr=True)
    if not console.is_terminal:
        console.print(f"{text} …", markup=False)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
    )
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with shown as bar:
        yield ProgressBar(bar, bar.add_task(text, total=total, detail=""))


def track(items: Iterable[Item], text: str, total: int) -> Iterator[Item]:
    """Yield the items and advance a bar by one step for each."""
    with progress_bar(text, total) as bar:
        for item in items:
            yield item
            bar.advance()
