"""What the learner's program must satisfy beyond the laws: the checks against the reference fix."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One check. `description` says what must hold, `violation` what is wrong otherwise."""

    name: str
    description: str
    violation: str

    def __str__(self) -> str:
        """Return the name, as a law does."""
        return self.name


REQUIRED_LAYERS = Check(
    "required-layers-used",
    "The run uses every layer that the task needs.",
    "the run does not use a layer that the task needs",
)
SIDE_EFFECTS = Check(
    "side-effects-kept",
    "The program keeps the calls that `run` makes for their side effects.",
    "the program no longer makes a call that `run` needs for its side effect",
)
DEPENDENCIES = Check(
    "result-dependencies",
    "The result depends on the same parameters, inputs and targets as that of the reference fix.",
    "the result does not depend on the same parameters, inputs and targets as it should",
)
DISTINCT_VALUES = Check(
    "distinct-values",
    "Distinct input and target values stay distinct.",
    "distinct input or target values became equal",
)
PATHS = Check(
    "paths-kept",
    "Each layer has the paths around it that it has in the reference fix, such as a shortcut.",
    "the output reaches the inputs only through a layer that the reference fix has a path around",
)
CHANNELS = Check(
    "channels-kept",
    "The output depends on each output channel of a layer in its own way.",
    "the output ignores or mixes up the output channels of a layer",
)
OUTPUT_GRADIENTS = Check(
    "gradients-match-output",
    "The gradients of the output agree with finite differences.",
    "a part of the gradients is missing: finite differences of the output differ from them",
)
MISTAKE_REMOVED = Check(
    "mistake-removed",
    "Where the reference fix changes what the case computes, so does the program.",
    "the program still does what the case does, where the reference fix does something else",
)
SAME_PARAMETERS = Check(
    "same-parameters",
    "The network has the parameters that the case and the reference fix have in common.",
    "the network lacks parameters that the case and the reference fix have",
)
CONTRACT = Check(
    "program-contract",
    "The program uses only modules and functions that programs of the corpus may use.",
    "the program uses something that could change what is checked, so it was not run",
)
SAME_PROGRAM = Check(
    "same-program",
    "The program is that of the case with a change.",
    "it is another program",
)
EVERY_SEED = Check(
    "same-for-every-seed",
    "The program behaves the same for every random seed.",
    "the program behaves differently for another random seed",
)
APPLIES_HERE = Check(
    "applies-to-this-release",
    "The case fails, and its fix works, under this release of torch.",
    "the case does not apply to this release of torch",
)
ALL = (
    REQUIRED_LAYERS,
    SIDE_EFFECTS,
    DEPENDENCIES,
    DISTINCT_VALUES,
    PATHS,
    CHANNELS,
    OUTPUT_GRADIENTS,
    MISTAKE_REMOVED,
    SAME_PARAMETERS,
    CONTRACT,
    SAME_PROGRAM,
    EVERY_SEED,
    APPLIES_HERE,
)
