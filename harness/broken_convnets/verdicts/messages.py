"""Every known message of each case: recorded in `results/`, listed or declared in its `.toml`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from broken_convnets.corpus.contents import Problem
from broken_convnets.corpus.entries import Case
from broken_convnets.corpus.locations import results_to_read
from broken_convnets.corpus.wording import split, wording
from broken_convnets.errors import CorpusError
from broken_convnets.verdicts.layer_lines import FAILED, parse_layer_line
from broken_convnets.verdicts.records import read_all
from broken_convnets.vocabulary import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from broken_convnets.corpus.entries import Corpus
    from broken_convnets.verdicts.records import Side

REPORTS = "evidence/reports.jsonl"


class Message(Struct, frozen=True):
    """One wording of a case's failure, and where in the program it was raised."""

    raises: str  # the class, without its module; empty if it is not known
    message: str
    expression: str = ""  # source text of the failing expression
    layer: str = ""  # class of the innermost layer that failed
    source: str = "recorded"  # or "listed" in `other_messages`, or "declared" in `[broken]`
    stage: str = ""  # of the case, as it is declared


class ReportKind(Struct):
    """The one key of a report that counts here."""

    kind: str


def known(corpus: Corpus) -> dict[str, list[Message]]:
    """Return each case's messages without repetition, in the order of `ordered`.

    A silent case has none, unless its `.toml` lists some. Raises RecordError and CorpusError
    for damaged records and reports.
    """
    from_records = recorded(results_to_read(corpus.root))
    counts = report_counts(corpus.root / REPORTS)
    cases = [entry for entry in corpus.entries.values() if isinstance(entry, Case)]
    return {
        case.id: [
            msgspec.structs.replace(message, stage=case.spec.broken.stage)
            for message in dict.fromkeys([*from_records.get(case.id, []), *_from_toml(case)])
        ]
        for case in ordered(cases, counts)
    }


def recorded(results: Path) -> dict[str, list[Message]]:
    """Return what each case raised under any release, by id; each message once.

    Only where a case is reproduced: what else it raises, under a release that it does not
    support, is not its failure. Raises RecordError for damaged records.
    """
    found: dict[str, dict[Message, None]] = {}
    for baseline in reversed(read_all(results)):  # the oldest release first
        for name, record in baseline.entries.items():
            side = record.broken
            if record.verdict is Verdict.REPRODUCED and side is not None and side.raises:
                found.setdefault(name, {})[_message(side)] = None
    return {name: list(messages) for name, messages in found.items()}


def _message(side: Side) -> Message:
    calls = [parse_layer_line(line) for line in side.layers]
    failed = [call.type for call in calls if call.output == FAILED]
    return Message(side.raises, side.message, side.expression, failed[-1] if failed else "")


def _from_toml(case: Case) -> Iterable[Message]:
    for other in case.spec.other_messages:
        yield Message(*split(other.message), source="listed")
    broken = case.spec.broken
    for part in (broken, broken.cuda, *broken.torch.values()):
        if part is not None and part.message:
            yield Message(part.raises or broken.raises or "", part.message, source="declared")


def ordered(cases: list[Case], reports: Counter[str]) -> list[Case]:
    """Return the cases with the most reports first, and one of each kind before its others.

    `reports` counts the reports of each kind. A reader of three answers to one message should
    see three kinds of mistake.
    """

    def often(case: Case) -> int:
        return sum(reports[kind] for kind in case.spec.covers)

    found: Counter[str] = Counter()
    rounds: list[tuple[int, Case]] = []
    for case in sorted(cases, key=lambda case: (-often(case), case.spec.level, case.id)):
        rounds.append((min(found[kind] for kind in case.spec.covers), case))
        found.update(case.spec.covers)
    return [case for _, case in sorted(rounds, key=lambda item: item[0])]


def report_counts(path: Path) -> Counter[str]:
    """Return the number of reports of each kind; raises CorpusError for a damaged file."""
    lines = path.read_bytes().splitlines() if path.is_file() else []
    try:
        return Counter(msgspec.json.decode(line, type=ReportKind).kind for line in lines)
    except msgspec.DecodeError as error:
        message = f"{path}: {error}; restore the file"
        raise CorpusError(message) from None


def repeated_messages(corpus: Corpus) -> list[Problem]:
    """Return a problem for each of `other_messages` that is recorded already or listed twice.

    Numbers, paths and quotes do not count. Raises RecordError for damaged records.
    """
    from_records = recorded(results_to_read(corpus.root))
    return [
        Problem(case.id, f"cases/{case.id}.toml", message)
        for case in corpus.entries.values()
        if isinstance(case, Case)
        for message in _repeated(case, from_records.get(case.id, []))
    ]


def _repeated(case: Case, from_records: list[Message]) -> Iterable[str]:
    known_wordings = [(message.raises, wording(message.message)) for message in from_records]
    firsts: dict[tuple[str, str], int] = {}
    for index, other in enumerate(case.spec.other_messages):
        key = f"key `other_messages[{index}]`"
        raises, message = split(other.message)
        text = wording(message)
        first = firsts.setdefault((raises, text), index)
        if first != index:
            yield f"{key} repeats `other_messages[{first}]`: remove one"
        if text and any(text in one and raises in {"", kind} for kind, one in known_wordings):
            yield f"{key} is in the recorded results already: remove it"
