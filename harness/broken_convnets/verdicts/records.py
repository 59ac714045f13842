"""Keep what really happened in `results/`, per torch release and device, and compare with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from broken_convnets.util import files
from broken_convnets.util.toml_files import read_toml, write_toml
from broken_convnets.verdicts import matrix
from broken_convnets.verdicts.layer_lines import layer_line
from broken_convnets.vocabulary import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.observe.facts import Observation, RuntimeInfo
    from broken_convnets.vocabulary import Law

UNSTABLE = {Verdict.FLAKY, Verdict.TIMEOUT, Verdict.INVALID}


class Side(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one program did, in the words that are the same on every run.

    A law that it neither holds nor breaks does not apply to it.
    """

    stage: str = ""
    raises: str = ""
    message: str = ""
    expression: str = ""
    layer: str = ""
    output: str = ""
    holds: list[str] = []
    violates: list[str] = []
    layers: list[str] = []


class Record(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one entry of the corpus did."""

    verdict: Verdict
    broken: Side | None = None
    fixed: Side | None = None


class Book(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """All that was recorded under one torch release on one device."""

    torch: str
    torchvision: str
    python: str
    device: str
    entries: dict[str, Record] = {}


def side(observation: Observation | None, breaks: set[Law]) -> Side | None:
    """Return the recorded form of an observation, which `breaks` laws."""
    if observation is None:
        return None
    raised = observation.raised
    holds = [law.value for law, finding in observation.laws.items() if finding.holds]
    return Side(
        stage=raised.stage.value if raised else "",
        raises=raised.type if raised else "",
        message=raised.message if raised else "",
        expression=raised.expression if raised else "",
        layer=raised.layer if raised else "",
        output=observation.output or "",
        holds=sorted(holds),
        violates=[] if raised else sorted(law.value for law in breaks),
        layers=[layer_line(layer) for layer in observation.layers],
    )


def book_path(results: Path, torch: str, device: str) -> Path:
    """Return where the records of a release and device are kept."""
    return results / f"torch-{torch}" / f"{device}.toml"


def read_book(path: Path) -> Book:
    """Read one book; raises RecordError where it is damaged."""
    return read_toml(path, Book, "restore it, or delete it and record again with --update")


def read_all(results: Path) -> list[Book]:
    """Read every book, the newest release first."""
    books = [read_book(path) for path in results.glob("torch-*/*.toml")]
    return sorted(books, key=lambda book: (_release(book.torch), book.device), reverse=True)


def newest(results: Path, name: str) -> tuple[str, Record | None]:
    """Return the newest record of an entry, after its release; ("", None) where there is none.

    Books older than the one that has it are not read. Raises RecordError.
    """
    for path in sorted(results.glob("torch-*/*.toml"), key=_age, reverse=True):
        book = read_book(path)
        if name in book.entries:
            return book.torch, book.entries[name]
    return "", None


def nearest(books: list[Book], torch: str, device: str) -> Book | None:
    """Return the book of a release on a device, else the newest one on that device."""
    on_device = [book for book in books if book.device == device]
    exact = [book for book in on_device if book.torch == torch]
    return next(iter(exact or on_device), None)


def update(
    results: Path, runtime: RuntimeInfo, happened: dict[str, dict[str, Record]], known: set[str]
) -> list[Path]:
    """Record what happened, by device and id, in `results/`.

    An entry whose verdict does not repeat keeps its former record; one that is no longer in
    the corpus (`known`) loses it. Returns the books written.
    """
    read_all(results)  # refuses a damaged file before anything is written
    written = []
    for device, entries in happened.items():
        path = book_path(results, runtime.torch, device)
        former = read_book(path).entries if path.is_file() else {}
        write_toml(path, _book(runtime, device, {**former, **_stable(entries)}, known))
        written.append(path)
    files.write(results / "README.md", matrix.page(read_all(results)))
    return written


def _book(runtime: RuntimeInfo, device: str, entries: dict[str, Record], known: set[str]) -> Book:
    kept = {name: entries[name] for name in sorted(entries) if name in known}
    return Book(runtime.torch, runtime.torchvision, runtime.python, device, kept)


def _stable(entries: dict[str, Record]) -> dict[str, Record]:
    return {name: record for name, record in entries.items() if record.verdict not in UNSTABLE}


def drift(record: Record | None, now: Record) -> list[tuple[str, str, str]]:
    """Return what differs from a record: (where, recorded, now)."""
    if record is None:
        return []
    then, here = (_flat(msgspec.to_builtins(item)) for item in (record, now))
    keys = sorted({*then, *here})
    return [
        (key, then.get(key, ""), here.get(key, ""))
        for key in keys
        if then.get(key) != here.get(key)
    ]


def _flat(value: Any, prefix: str = "") -> dict[str, str]:
    if not isinstance(value, dict):
        return {prefix: "\n".join(value) if isinstance(value, list) else str(value)}
    items = [_flat(item, f"{prefix}.{key}".lstrip(".")) for key, item in value.items()]
    return {key: text for item in items for key, text in item.items()}


def _age(path: Path) -> tuple[list[int], str]:
    """Return what orders books by release and device, as `book_path` names them."""
    return _release(path.parent.name.removeprefix("torch-")), path.stem


def _release(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
