"""The words that cases, observations and results share: stages, laws, verdicts."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Stage(StrEnum):
    """Where in its life a program failed."""

    IMPORT = "import"  # running the file itself
    BUILD = "build"  # Net()
    INPUTS = "inputs"  # example_inputs() or example_targets()
    FORWARD = "forward"  # inside a call of the network
    RUN = "run"  # in run(), but outside the network: loss, backward, optimizer
    SILENT = "silent"  # nothing was raised; a law is broken


class Law(StrEnum):
    """What every healthy small ConvNet obeys. `promise` is the law in one sentence."""

    promise: str

    def __new__(cls, name: str, promise: str) -> Self:
        """Make a member whose value is `name` and whose sentence is `promise`."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.promise = promise
        return member

    # What a run gives and takes, judged from the facts of the plain run.
    OUTPUT_AS_DECLARED = (
        "output-as-declared",
        "Running gives finite values of the declared structure, dtype and shape.",
    )
    INPUTS_AS_DECLARED = (
        "inputs-as-declared",
        "The inputs have the declared dtype, shape, range and mean of each channel.",
    )
    PARAMETERS_AS_DECLARED = (
        "parameters-as-declared",
        "The network has the declared number of trainable and of all parameters.",
    )
    NO_WARNINGS = (
        "no-warnings",
        "Running gives no warning.",
    )
    # A forward pass.
    ANY_BATCH_SIZE = (
        "any-batch-size",
        "In eval mode, batches of 1, 3 and 7 work and the output's first dimension follows.",
    )
    SAMPLES_INDEPENDENT = (
        "samples-independent",
        "In eval mode, a sample alone gives what it gives within a batch.",
    )
    DETERMINISTIC_IN_EVAL = (
        "deterministic-in-eval",
        "In eval mode, two passes over one input agree.",
    )
    INPUTS_UNTOUCHED = (
        "inputs-untouched",
        "Running leaves the inputs as they were.",
    )
    NONLINEAR = (
        "nonlinear",
        "The network is not an affine map of its input.",
    )
    EVERY_PARAMETER_LEARNS = (
        "every-parameter-learns",
        "Backward gives every parameter a gradient that is finite and not all zero.",
    )
    # What a network is made of.
    STATE_ROUND_TRIPS = (
        "state-round-trips",
        "A fresh network that loads the saved state gives the same output.",
    )
    MOVES_AS_ONE = (
        "moves-as-one",
        "Moved to another device, the network leaves no tensor behind and still runs.",
    )
    EXPORTS = (
        "exports",
        "torch.export accepts the network, with a dynamic batch.",
    )
    # Training and inference.
    ONE_BATCH_CAN_BE_LEARNED = (
        "one-batch-can-be-learned",
        "Adam drives the loss of one fixed batch below a tenth of where it began.",
    )
    LOSS_AVERAGES_OVER_SAMPLES = (
        "loss-averages-over-samples",
        "The loss of a batch is the mean of its samples' losses.",
    )
    GRADIENTS_ARE_FRESH = (
        "gradients-are-fresh",
        "At each optimizer step, gradients hold nothing from before the last step.",
    )
    EVERY_PARAMETER_MOVES = (
        "every-parameter-moves",
        "The run's own optimizer changes every parameter.",
    )
    TRAINS_IN_TRAIN_MODE = (
        "trains-in-train-mode",
        "Each optimizer step follows forward passes in train mode.",
    )
    INFERS_IN_EVAL_MODE = (
        "infers-in-eval-mode",
        "Forward passes that no backward follows are in eval mode.",
    )
    INFERENCE_BUILDS_NO_GRAPH = (
        "inference-builds-no-graph",
        "What a run without backward gives does not require gradients.",
    )
    STATISTICS_STAY = (
        "statistics-stay",
        "Running statistics stay in eval mode, and in frozen layers always.",
    )
    MEMORY_FLAT = (
        "memory-flat",
        "What a run gives holds no more of the autograd graph when the run is longer.",
    )
    # Data and metrics.
    EPOCHS_DIFFER = (
        "epochs-differ",
        "Each epoch gives every sample once, in another order than the last.",
    )
    PERFECT_SCORES_ONE = (
        "perfect-scores-one",
        "The metric gives 1.0 for right answers and 0.0 for wrong ones.",
    )


# These read what a network is made of, whatever the seed, and cost more than all the others.
STRUCTURAL = frozenset({Law.MOVES_AS_ONE, Law.EXPORTS})


class Verdict(StrEnum):
    """What one entry of the corpus turned out to be on one device."""

    REPRODUCED = "reproduced"  # a pair: fails as declared, and the fix obeys every law
    WORKS = "works"  # a control: obeys every law
    # Under this torch the case is declared not to fail, or the healthy side not to work; so it is.
    NOT_HERE = "not_here"
    WRONG_SYMPTOM = "wrong_symptom"  # the case fails, but not as declared
    NOT_REPRODUCED = "not_reproduced"  # the case does not fail
    FIX_FAILED = "fix_failed"  # the fix raises or breaks a law
    CONTROL_FAILED = "control_failed"  # the control raises or breaks a law
    FLAKY = "flaky"  # two runs of one program differ
    TIMEOUT = "timeout"  # a program outlived its time limit
    CRASHED = "crashed"  # a program's process died or outgrew its memory limit
    UNSUPPORTED = "unsupported"  # a program needs what cannot be imported here
    INVALID = "invalid"  # the entry breaks the corpus contract and was not run

    @property
    def as_declared(self) -> bool:
        """Whether this is what the corpus promises."""
        return self in {Verdict.REPRODUCED, Verdict.NOT_HERE, Verdict.WORKS}
