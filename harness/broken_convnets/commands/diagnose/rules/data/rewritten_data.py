"""Reading a sample does not modify what the dataset stores."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.in_place import out_of_place
from broken_convnets.commands.diagnose.sites import assignments, candidates, location
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.stored_data import RewrittenData


@rule(
    "reading a sample does not modify the data that the dataset stores",
    stays_quiet="about caches, counters and buffers, which change no sample that is read again; "
    "about data that worker processes read, and iterable datasets",
)
def dataset_modifies_its_data(evidence: Evidence) -> Iterator[Finding]:
    """Find in-place operations on stored images or constants: each epoch sees other samples."""
    for found in evidence.record.rewritten:
        once, twice = found.means
        yield Finding(
            kind="data/inplace_mutates_constant",
            message=f"{found.place.function} modifies {found.array or 'stored data'} in place, so "
            "that the same sample differs when it is read again",
            evidence=f"the mean of sample {found.index} of {found.dataset} is {once:.4g} when it "
            f"is read first, and {twice:.4g} when it is read a second time",
            violates=(Law.INPUTS_AS_DECLARED,),
            cause=location((found.place,)),
            subject=found.array,
            cases=("data/dataset_modified_in_place", "data/constant_modified_in_place"),
            candidates=_fixes(evidence, found),
            confidence=9,
        )


def _fixes(evidence: Evidence, found: RewrittenData) -> tuple[Candidate, ...]:
    source = evidence.source(found.place.file)
    statement = source.statement_at(found.place.line) if source else None
    if source is None or statement is None:
        return ()
    changed = out_of_place(source, statement)
    copied = _copied(source, statement)
    attempts = [(rank, partial(edits.replace, source, [one])) for rank, one in enumerate(changed)]
    if copied is not None:
        attempts.append((len(attempts), partial(edits.replace, source, [copied])))
    return candidates(*attempts)


def _copied(source: Source, statement: ast.stmt) -> tuple[ast.expr, str] | None:
    """Return the change that copies what the statement modifies where it is read."""
    names = [n.id for n in ast.walk(statement) if isinstance(n, ast.Name)]
    scope = source.function_of(statement)
    for name in names if scope else ():
        every = assignments(source, name, scope or source.tree)
        earlier = [one for one in every if one.lineno < statement.lineno]
        if earlier and isinstance(earlier[-1].value, ast.Subscript | ast.Attribute):
            value = earlier[-1].value
            return value, f"{source.text_of(value)}.clone()"
    return None
