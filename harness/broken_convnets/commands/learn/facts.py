"""What the grader sends to the sandbox process, and what comes back."""

from __future__ import annotations

from msgspec import Struct

from broken_convnets.observe.facts import InputSummary, Observation

OBSERVE_FOR_LEARNER = "broken_convnets.commands.learn.learner_facts:observe_for_learner"


class LearnerRequest(Struct, frozen=True):
    """A program to run and describe; `name` is the file name that its traceback shows."""

    source: str
    name: str
    seed: int = 0


class LayerFacts(Struct, frozen=True):
    """What each layer with parameters does for the output of the network."""

    bypassed: list[str] = []  # layers without which the output still depends on the inputs
    ordered: list[str] = []  # layers whose output channels cannot be swapped
    channels: dict[str, int] = {}  # how many output channels of a weight have a gradient
    gradients_match: list[str] = []  # layers whose gradients agree with finite differences


class LearnerFacts(Struct, frozen=True):
    """What `learn` shows and checks beyond the laws; see `learner_facts.py`."""

    traceback: str = ""  # of the file run as a script, with the learner's line numbers
    printed: str = ""  # what the program wrote to stdout and stderr
    layers: dict[str, int] = {}  # how many layers of each type the run calls
    parameters: list[str] = []  # names
    depends_on: list[str] = []  # parameters and samples that change the result
    depends_slightly: list[str] = []  # also those that change it by less than the laws compare
    equal_values: dict[str, list[int]] = {}  # equal numbers mark equal values of the data
    result: list[list[float]] = []  # the values that a run returns
    nonlinear: bool | None = None  # judged with the inputs as float32, if they are of integers
    first_input: InputSummary | None = None  # what the first layer with parameters receives
    by_layer: LayerFacts | None = None


class LearnerObservation(Struct, frozen=True):
    """One run of a program, with the facts for a learner."""

    observation: Observation
    facts: LearnerFacts
