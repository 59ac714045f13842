"""The key of a hand-out: which program each id belongs to. It stays with whoever scores.

Ids are random, so that without the key nobody can find out which program is broken.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from broken_convnets.commands.score.programs.hand_out import Sides
from broken_convnets.commands.score.programs.program import (
    ProgramRole,
    applies_to,
    program_of,
    sources_of,
)
from broken_convnets.corpus.entries import Case, Control, Corpus, Entry
from broken_convnets.corpus.spec import CaseSpec, ControlSpec
from broken_convnets.errors import UsageError
from broken_convnets.util import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from broken_convnets.commands.score.programs.program import CorpusProgram

AGAIN = "write the programs again with `broken-convnets programs`"


class KeyProgram(Struct, frozen=True, forbid_unknown_fields=True):
    """One program of the hand-out; `sha256` is the hash of its text in UTF-8."""

    id: str
    entry: str
    role: ProgramRole
    variant: int
    sha256: str


class KeyVariant(Struct, frozen=True, forbid_unknown_fields=True):
    """A generated variant: what it declares, and its programs by role."""

    entry: str
    number: int
    sources: dict[ProgramRole, str]
    case: CaseSpec | None = None
    control: ControlSpec | None = None


class Key(Struct, frozen=True, forbid_unknown_fields=True):
    """A hand-out. `variants` lists its generated variants, `per_entry` of each entry."""

    seed: int
    sides: Sides
    per_entry: int
    programs: list[KeyProgram]
    variants: list[KeyVariant] = []


@dataclass(frozen=True)
class HandOut:
    """The programs of a key, and all entries by id and variant number."""

    entries: dict[tuple[str, int], Entry]
    programs: list[CorpusProgram]


def write_key(path: Path, key: Key) -> None:
    """Write a key that only its owner can read. Raises UsageError if the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        files.write(path, msgspec.json.format(msgspec.json.encode(key), indent=1).decode() + "\n")
        path.chmod(0o600)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror or error}"
        raise UsageError(message) from None


def read_key(path: Path) -> Key:
    """Return the key in a file. Raises UsageError if it is missing or invalid."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Key)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror or error}"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"{path} is not a key of `broken-convnets programs`: {error}"
    raise UsageError(message)


def key_of(
    programs: Iterable[CorpusProgram],
    variants: Iterable[tuple[int, Entry]],
    seed: int,
    sides: Sides,
    per_entry: int,
) -> Key:
    """Return the key of a hand-out of `programs`, some of which are of `variants`."""
    listed = [
        KeyProgram(one.id, one.entry, one.role, one.variant, _hash(one.source)) for one in programs
    ]
    return Key(seed, sides, per_entry, listed, [_key_variant(*each) for each in variants])


def hand_out(key: Key, corpus: Corpus, release: str) -> HandOut:
    """Return the programs of a key that apply to a release of torch.

    Raises UsageError if a program of the corpus has changed since the programs were written.
    """
    entries = dict(_entries(key, corpus))
    programs = []
    for each in key.programs:
        entry = entries.get((each.entry, each.variant))
        source = sources_of(entry).get(each.role) if entry else None
        if entry is None or source is None or _hash(source) != each.sha256:
            message = f"{each.entry} has changed since the key was written: {AGAIN}"
            raise UsageError(message)
        if applies_to(entry, release):
            programs.append(program_of(entry, each.variant, each.role, each.id, release))
    return HandOut(entries, programs)


def _entries(key: Key, corpus: Corpus) -> Iterator[tuple[tuple[str, int], Entry]]:
    yield from (((name, 0), entry) for name, entry in corpus.entries.items())
    for each in key.variants:
        sources = each.sources
        if each.case and set(sources) == {ProgramRole.BROKEN, ProgramRole.FIXED}:
            broken, fixed = sources[ProgramRole.BROKEN], sources[ProgramRole.FIXED]
            yield (each.entry, each.number), Case(each.entry, each.case, broken, fixed)
        elif each.control and set(sources) == {ProgramRole.CONTROL}:
            source = sources[ProgramRole.CONTROL]
            yield (each.entry, each.number), Control(each.entry, each.control, source)


def _key_variant(number: int, entry: Entry) -> KeyVariant:
    sources = sources_of(entry)
    if isinstance(entry, Case):
        return KeyVariant(entry.id, number, sources, case=entry.spec)
    return KeyVariant(entry.id, number, sources, control=entry.spec)


def _hash(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()
