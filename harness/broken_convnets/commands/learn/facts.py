"""What the learner's sandbox process is asked, and what it returns."""

from __future__ import annotations

from msgspec import Struct

from broken_convnets.observe.facts import Observation

OBSERVE_FOR_LEARNER = "broken_convnets.commands.learn.learner_facts:observe_for_learner"


class LearnerRequest(Struct, frozen=True):
    """A program to run and describe; `name` is what its traceback calls the file."""

    source: str
    name: str
    seed: int = 0


class LearnerFacts(Struct, frozen=True):
    """What a learner is shown and judged by beyond the laws (`learner_facts.py`)."""

    traceback: str = ""  # of the file run as a program; its line numbers are true
    printed: str = ""
    layers: dict[str, int] = {}  # by type, those that a run calls
    parameters: list[str] = []  # their names
    follows: list[str] = []  # the parameters and samples on which its result depends
    patterns: dict[str, list[int]] = {}  # which values of the data are equal


class LearnerObservation(Struct, frozen=True):
    """One run of a program, with the facts for a learner."""

    observation: Observation
    facts: LearnerFacts
