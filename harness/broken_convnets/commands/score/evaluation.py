"""One tool's evaluation: its outcome, its score, and the comparison with its record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from broken_convnets.commands.score import regressions
from broken_convnets.commands.score.metrics.score import compute_score
from broken_convnets.commands.score.programs.hand_out import Sides
from broken_convnets.commands.score.record import (
    RecordedRobustness,
    ToolRecord,
    misses,
    recorded_answers,
)
from broken_convnets.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from broken_convnets.commands.score.run import ToolOutcome
    from broken_convnets.corpus.entries import Corpus


class Evaluation:
    """The outcome of one tool, with everything that is derived from it."""

    def __init__(self, outcome: ToolOutcome, previous: ToolRecord | None) -> None:
        """Compute the score and compare the answers with the `previous` record."""
        needs = outcome.description.needs
        self.outcome = outcome
        self.previous = previous
        self.answers = recorded_answers(outcome.results, needs)
        score = compute_score(
            outcome.results,
            outcome.baseline,
            needs=frozenset(needs),
            tool=outcome.ref.name,
            version=outcome.description.version,
        )
        self.score = msgspec.structs.replace(score, sides=outcome.sides)
        self.lost = regressions.lost(previous, self.answers) if previous else []
        self.gained = regressions.gained(previous, self.answers) if previous else []
        self.outdated = regressions.outdated_misses(previous, self.answers) if previous else []

    @property
    def regressed(self) -> bool:
        """Whether a credit was lost or a recorded miss is no longer one."""
        return bool(self.lost or self.outdated)

    def document(self) -> dict[str, Any]:
        """Return the content of `--json`."""
        return {
            "torch": self.outcome.torch,
            "seed": self.outcome.seed,
            "sides": self.outcome.sides,
            "variants": self.outcome.variants,
            "score": self.score,
            "programs": self.answers,
            "lost": self.lost,
            "gained": self.gained,
            "outdated_misses": self.outdated,
        }

    def record(self, corpus: Corpus, options: argparse.Namespace) -> ToolRecord:
        """Return the record to write.

        What this run did not measure stays as recorded before: with `--only` the other programs,
        without `--variants` the robustness. Raises UsageError if `--only` would combine answers
        of two versions of the tool or of torch, or if the record has sides that this run lacks.
        """
        new, previous = self._new_record(options), self.previous
        if previous is None:
            return new
        if previous.sides is Sides.BOTH and new.sides is Sides.ONE:
            message = "the record has both sides of each pair: update it with --both-sides"
            raise UsageError(message)
        same_version = (previous.version, previous.torch) == (new.version, new.torch)
        if same_version and new.variants is None:
            new = msgspec.structs.replace(new, variants=previous.variants)
        if not options.only:
            return new
        if not same_version:
            message = (
                f"the record is from {previous.version} under torch {previous.torch}, this run "
                f"is {new.version} under torch {new.torch}: update all programs, without --only"
            )
            raise UsageError(message)
        if not previous.only:
            new = msgspec.structs.replace(new, only=[])
        kept = {name: one for name, one in previous.programs.items() if name in corpus.entries}
        programs = dict(sorted({**kept, **new.programs}.items()))
        return msgspec.structs.replace(new, programs=programs, misses=misses(programs))

    def _new_record(self, options: argparse.Namespace) -> ToolRecord:
        outcome, robustness = self.outcome, self.score.robustness
        variants = None
        if robustness:
            variants = RecordedRobustness(outcome.variants, outcome.seed, robustness)
        return ToolRecord(
            tool=outcome.ref.name,
            version=outcome.description.version,
            needs=outcome.description.needs,
            argv=[Path(part).name for part in outcome.ref.argv],
            torch=outcome.torch,
            misses=misses(self.answers),
            programs=self.answers,
            variants=variants,
            only=sorted(set(options.only)),
            sides=outcome.sides,
            seed=outcome.seed if outcome.sides is Sides.ONE else None,
        )
