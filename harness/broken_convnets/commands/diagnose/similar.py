"""Which cases of the corpus are like a finding, or like an exception that no rule recognizes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from broken_convnets.commands.explain.matching import explain
from broken_convnets.commands.explain.reading import facts_of
from broken_convnets.corpus.entries import Case, default_root, load

if TYPE_CHECKING:
    from pathlib import Path

    from broken_convnets.commands.diagnose.diagnosis import Diagnosis
    from broken_convnets.corpus.entries import Corpus

SHOWN = 3  # cases of one finding


def add_similar_cases(diagnosis: Diagnosis, root: Path | None = None) -> None:
    """Name cases for every finding; without any, for the exception that left the program.

    The kind of a finding chooses its cases, so they never contradict it. `root` is the folder of
    the corpus. Raises CorpusError and RecordError if the corpus or its records cannot be read.
    """
    if any(not finding.cases for finding in diagnosis.findings):
        corpus = load(root or default_root())
        diagnosis.findings = [
            replace(finding, cases=finding.cases or _of_kind(corpus, finding.kind))
            for finding in diagnosis.findings
        ]
    if diagnosis.failure and not diagnosis.findings:
        diagnosis.similar = explain(facts_of(diagnosis.failure), corpus=root)


def _of_kind(corpus: Corpus, kind: str) -> tuple[str, ...]:
    cases = (entry for entry in corpus.entries.values() if isinstance(entry, Case))
    return tuple(case.id for case in cases if kind in case.spec.covers)[:SHOWN]
