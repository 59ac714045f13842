"""Every message that a case is known to give: recorded here, seen elsewhere, declared."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import tomli
from msgspec import Struct

from broken_convnets.corpus.entries import Case
from broken_convnets.corpus.locations import results_to_read
from broken_convnets.corpus.wording import split
from broken_convnets.errors import CorpusError, RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from broken_convnets.corpus.entries import Corpus

# Reproduced: what a case says where its release is not supported is not its failure.
_HEADING = re.compile(
    r'^verdict = "reproduced"\n\n\[entries\."?([^"\n\]]+)"?\.broken\]\n', re.MULTILINE
)
_LISTS = re.compile(r"^(?:holds|violates|layers) = \[", re.MULTILINE)
_FAILED = re.compile(r'^ *"(?:\S+ )?(\w+): .* -> ✗",$', re.MULTILINE)


BOOKS = "torch-*/*.toml"
REPORTS = "evidence/reports.jsonl"


class Message(Struct, frozen=True):
    """One wording of a case's failure, and where in the program it came up."""

    raises: str  # the class, without its module; empty where it is not known
    message: str
    expression: str = ""  # source text of the failing expression
    layer: str = ""  # class of the innermost layer that failed
    source: str = "recorded"  # or seen, or declared


class Kind(Struct):
    """What counts of a report here."""

    kind: str


def known(corpus: Corpus) -> dict[str, list[Message]]:
    """Return each case's messages, each once, in the order of `ordered`; silent ones have none."""
    recorded = read(results_to_read(corpus.root))
    met = reports(corpus.root / REPORTS)
    cases = [entry for entry in corpus.entries.values() if isinstance(entry, Case)]
    return {
        case.id: list(dict.fromkeys([*recorded.get(case.id, []), *_written(case)]))
        for case in ordered(cases, met)
    }


def files(corpus: Corpus) -> list[Path]:
    """Return the files that `known` reads."""
    books = sorted(results_to_read(corpus.root).glob(BOOKS))
    reports = corpus.root / REPORTS
    return [*books, reports] if reports.is_file() else books


def ordered(cases: list[Case], met: Counter[str]) -> list[Case]:
    """Put first the cases that people meet most, and of each kind one before its others.

    `met` is the number of reports of each kind. Whoever reads three answers to one message should
    see three kinds of mistake.
    """

    def often(case: Case) -> int:
        return sum(met[kind] for kind in case.spec.covers)

    found: Counter[str] = Counter()
    rounds: list[tuple[int, Case]] = []
    for case in sorted(cases, key=lambda case: (-often(case), case.spec.level, case.id)):
        rounds.append((min(found[kind] for kind in case.spec.covers), case))
        found.update(case.spec.covers)
    return [case for _, case in sorted(rounds, key=lambda item: item[0])]


def reports(path: Path) -> Counter[str]:
    """Return the number of reports of each kind; none where there is no evidence."""
    lines = path.read_bytes().splitlines() if path.is_file() else []
    try:
        return Counter(msgspec.json.decode(line, type=Kind).kind for line in lines)
    except msgspec.DecodeError as error:
        message = f"{path} cannot be read: {error}"
        raise CorpusError(message) from None


def _written(case: Case) -> Iterable[Message]:
    """Return what the case's `.toml` says: wordings seen elsewhere, and declared fragments."""
    for seen in case.spec.other_messages:
        yield Message(*split(seen.message), source="seen")
    broken = case.spec.broken
    for part in (broken, broken.cuda, *broken.torch.values()):
        if part is not None and part.message:
            yield Message(part.raises or broken.raises or "", part.message, source="declared")


def read(results: Path) -> dict[str, list[Message]]:
    """Return what was recorded under every release, by entry; each message once.

    Of the books only the parts that are needed are parsed, since all of them would take longer
    than an answer may: `records.read_all` is the whole truth. Raises RecordError.
    """
    parsed: dict[str, Message | None] = {}  # most parts are the same under every release
    found: dict[str, dict[Message, None]] = {}
    for path in sorted(results.glob(BOOKS)):
        try:
            for name, part in _parts(path.read_text(encoding="utf-8")):
                if part not in parsed:
                    parsed[part] = _message(part)
                if (message := parsed[part]) is not None:
                    found.setdefault(name, {})[message] = None
        except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
            remedy = f"{path}: {error}; restore it, or delete it and record again with --update"
            raise RecordError(remedy) from None
    return {name: list(messages) for name, messages in found.items()}


def _parts(book: str) -> Iterable[tuple[str, str]]:
    """Yield each entry's id and the text about its broken side."""
    for heading in _HEADING.finditer(book):
        stop = book.find("\n[entries.", heading.end())
        yield heading[1], book[heading.end() : stop if stop >= 0 else len(book)]


def _message(part: str) -> Message | None:
    lists = _LISTS.search(part)
    side = tomli.loads(part[: lists.start()] if lists else part)
    failed = _FAILED.findall(part)
    layer = failed[-1] if failed else ""
    if "raises" not in side:
        return None
    return Message(side["raises"], side.get("message", ""), side.get("expression", ""), layer)
