"""What rules look at: the record of one run, how it ended, and the source of the user's files."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.culprits import Culprit, find_culprits
from broken_convnets.commands.diagnose.analysis.dataflow import Dataflow
from broken_convnets.commands.diagnose.analysis.user_frames import UserFrame, user_frames
from broken_convnets.commands.diagnose.probing import Probing
from broken_convnets.commands.diagnose.source import Source
from broken_convnets.observe.failure import message_of

if TYPE_CHECKING:
    from broken_convnets.observe.recorder import Record


@dataclass
class Evidence:
    """One run of a program. `error` is what left it; None if it ended normally.

    `partial` says that code before or after was not recorded, as of a notebook's other cells.
    """

    record: Record
    error: BaseException | None = None
    partial: bool = False
    texts: dict[str, str] = field(default_factory=dict)  # of files that were replaced in memory
    _sources: dict[str, Source | None] = field(default_factory=dict)

    @cached_property
    def flow(self) -> Dataflow:
        """Which values lead to which, through the recorded operators."""
        return Dataflow(self.record)

    @cached_property
    def frames(self) -> tuple[UserFrame, ...]:
        """The frames of the user's own code that the exception left, the innermost first."""
        return user_frames(self.error, self.source) if self.error is not None else ()

    @cached_property
    def culprits(self) -> tuple[Culprit, ...]:
        """The values of a wrong type that the failing expression worked on."""
        return find_culprits(self)

    @property
    def message(self) -> str:
        """The message of the exception; empty if none left the program."""
        return "" if self.error is None else message_of(self.error)

    @cached_property
    def probing(self) -> Probing:
        """Calls of copies of the networks, after the program ended."""
        return Probing(self.record)

    @cached_property
    def user_sources(self) -> tuple[Source, ...]:
        """The sources of all user files that the record has a place in, or that failed."""
        record = self.record
        events = (*record.constructions, *record.all_passes(), *record.backward_passes)
        places = [place.file for event in events for place in event.places]
        paths = dict.fromkeys([*places, *(frame.source.path for frame in self.frames)])
        return tuple(source for path in paths if (source := self.source(path)) is not None)

    def source(self, path: str) -> Source | None:
        """Return the syntax of a file; None if it cannot be read or is not Python."""
        if path not in self._sources:
            try:
                text = self.texts.get(path)
                self._sources[path] = Source.read(path) if text is None else Source(path, text)
            except (OSError, UnicodeDecodeError, SyntaxError):
                self._sources[path] = None
        return self._sources[path]
