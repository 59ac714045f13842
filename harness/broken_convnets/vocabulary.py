"""The vocabulary that cases, observations and results share: stages, laws, verdicts."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Stage(StrEnum):
    """The part of a program that failed."""

    IMPORT = "import"  # running the file itself
    BUILD = "build"  # Net()
    INPUTS = "inputs"  # example_inputs() or example_targets()
    FORWARD = "forward"  # inside a call of the network
    RUN = "run"  # in run(), but outside the network: loss, backward, optimizer
    SILENT = "silent"  # nothing is raised; the program violates a law


class Law(StrEnum):
    """An invariant that every healthy small ConvNet obeys.

    `description` says what holds; `violation` says what happened where it does not, as a clause
    to put after "violates <law>: ".
    """

    description: str
    violation: str

    def __new__(cls, name: str, description: str, violation: str) -> Self:
        """Return a member whose value is `name`."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.description = description
        member.violation = violation
        return member

    # Inputs, output and parameters, checked on the plain run.
    OUTPUT_AS_DECLARED = (
        "output-as-declared",
        "The run returns finite values of the declared structure, dtype and shape.",
        "the output is not finite, or not of the declared structure, dtype and shape",
    )
    INPUTS_AS_DECLARED = (
        "inputs-as-declared",
        "The inputs have the declared dtype, shape, range and mean of each channel.",
        "the inputs differ from the declared dtype, shape, range or mean of each channel",
    )
    PARAMETERS_AS_DECLARED = (
        "parameters-as-declared",
        "The network has the declared number of trainable parameters and of all parameters.",
        "the number of trainable parameters or of all parameters is not as declared",
    )
    NO_WARNINGS = (
        "no-warnings",
        "The run emits no warnings.",
        "the run emits a warning",
    )
    # A forward pass.
    ANY_BATCH_SIZE = (
        "any-batch-size",
        "In eval mode, batches of every size work, and each sample has its row in the output.",
        "in eval mode, a batch of some size fails, or the output has another batch size",
    )
    SAMPLES_INDEPENDENT = (
        "samples-independent",
        "In eval mode, the output for a sample does not depend on the rest of its batch.",
        "in eval mode, the output for a sample depends on the rest of its batch",
    )
    DETERMINISTIC_IN_EVAL = (
        "deterministic-in-eval",
        "In eval mode, two forward passes on the same input return the same output.",
        "in eval mode, two forward passes on the same input return different outputs",
    )
    INPUTS_UNTOUCHED = (
        "inputs-untouched",
        "The run does not modify its inputs in place.",
        "the run modifies an input in place",
    )
    NONLINEAR = (
        "nonlinear",
        "The network is not an affine function of its input.",
        "the network is an affine function of its input",
    )
    EVERY_PARAMETER_LEARNS = (
        "every-parameter-learns",
        "After backward, every parameter has a gradient that is finite and not all zero.",
        "after backward, a parameter has no gradient, or one that is all zero or not finite",
    )
    # The structure of the network.
    STATE_ROUND_TRIPS = (
        "state-round-trips",
        "A new network that loads the saved state_dict returns the same output.",
        "a new network that loads the saved state_dict returns another output, or cannot load it",
    )
    MOVES_AS_ONE = (
        "moves-as-one",
        "After the network moves to another device, all its tensors are there and it still runs.",
        "after the network moves to another device, a tensor is left behind or the network fails",
    )
    EXPORTS = (
        "exports",
        "torch.export accepts the network, with a dynamic batch size, and keeps its output.",
        "torch.export rejects the network or its dynamic batch size, or changes the output",
    )
    # Training and inference.
    ONE_BATCH_CAN_BE_LEARNED = (
        "one-batch-can-be-learned",
        "Adam reduces the loss on one fixed batch to less than a tenth of its initial value.",
        "Adam cannot reduce the loss on one fixed batch to a tenth of its initial value",
    )
    LOSS_AVERAGES_OVER_SAMPLES = (
        "loss-averages-over-samples",
        "The loss of a batch is the mean of the losses of its samples.",
        "the loss of a batch is not the mean of the losses of its samples",
    )
    GRADIENTS_ARE_FRESH = (
        "gradients-are-fresh",
        "At each optimizer step, the gradients come only from backward passes since the last step.",
        "at an optimizer step, the gradients still contain those from before the last step",
    )
    EVERY_PARAMETER_MOVES = (
        "every-parameter-moves",
        "The optimizer of the run changes every parameter.",
        "the optimizer of the run leaves a parameter unchanged",
    )
    TRAINS_IN_TRAIN_MODE = (
        "trains-in-train-mode",
        "The forward passes before an optimizer step are in train mode.",
        "an optimizer step follows a forward pass in eval mode",
    )
    INFERS_IN_EVAL_MODE = (
        "infers-in-eval-mode",
        "Forward passes without a backward pass are in eval mode.",
        "a forward pass without a backward pass is in train mode",
    )
    INFERENCE_BUILDS_NO_GRAPH = (
        "inference-builds-no-graph",
        "The result of a run without a backward pass does not require gradients.",
        "the result of a run without a backward pass requires gradients",
    )
    GRADIENTS_MATCH_LOSS = (
        "gradients-match-loss",
        "The gradients after a run are those of the loss that it returns.",
        "the gradients after a run are not those of the loss that it returns",
    )
    LOSS_SCALE_CANCELS = (
        "loss-scale-cancels",
        "The weights after a run do not depend on the initial scale of its GradScaler.",
        "the weights after a run depend on the initial scale of its GradScaler",
    )
    LEARNING_RATE_PER_EPOCH = (
        "learning-rate-per-epoch",
        "The learning rate at the end of a run does not depend on the number of batches per epoch.",
        "the more batches an epoch has, the further the learning rate moves",
    )
    RESULTS_REPEAT = (
        "results-repeat",
        "A run without a backward pass returns the same result when it is repeated.",
        "a run without a backward pass returns another result when it is repeated",
    )
    STATISTICS_STAY = (
        "statistics-stay",
        "Running statistics do not change in eval mode, nor in frozen layers.",
        "running statistics change in eval mode, or in a frozen layer",
    )
    MEMORY_FLAT = (
        "memory-flat",
        "The part of the autograd graph that the result keeps alive does not grow with the run.",
        "the longer the run, the more of the autograd graph its result keeps alive",
    )
    # Checkpoints.
    CHECKPOINT_RESTORES_OUTPUT = (
        "checkpoint-restores-output",
        "A new network that loads the program's checkpoint returns the same output.",
        "a new network that loads the program's checkpoint returns another output",
    )
    RESUMES_WHERE_IT_STOPPED = (
        "resumes-where-it-stopped",
        "Training that resumes from a checkpoint ends with the weights of uninterrupted training.",
        "training that resumes from a checkpoint ends with other weights",
    )
    RETURNED_STATE_IS_A_COPY = (
        "returned-state-is-a-copy",
        "A state_dict that the run returns shares no memory with the network.",
        "a state_dict that the run returns shares memory with the network and changes with it",
    )
    # Data and metrics.
    EPOCHS_DIFFER = (
        "epochs-differ",
        "Each epoch yields every sample once, in a different order from the last.",
        "an epoch repeats or omits samples, or has the same order as the last",
    )
    WORKERS_DIFFER = (
        "workers-differ",
        "Two workers of a DataLoader draw different random numbers.",
        "two workers of a DataLoader draw the same random numbers",
    )
    SPLITS_DISJOINT = (
        "splits-disjoint",
        "The training set and the validation set have no sample in common.",
        "a sample is both in the training set and in the validation set",
    )
    VALIDATION_REPEATS = (
        "validation-repeats",
        "The validation set returns the same samples every time.",
        "the validation set returns other values when a sample is read again",
    )
    MASKS_MATCH_IMAGES = (
        "masks-match-images",
        "Each mask marks the bright pixels of its own image.",
        "a mask does not mark the bright pixels of its image",
    )
    PERFECT_SCORES_ONE = (
        "perfect-scores-one",
        "The metric returns 1.0 for correct predictions and 0.0 for wrong ones.",
        "the metric does not return 1.0 for correct predictions, or not 0.0 for wrong ones",
    )


# These depend on the structure of the network, not on the seed, and cost more than all the others.
STRUCTURAL = frozenset({Law.MOVES_AS_ONE, Law.EXPORTS})


# These compare the plain run with what the `.toml` declares; the judge's process knows no `.toml`.
DECLARED = frozenset({Law.OUTPUT_AS_DECLARED, Law.INPUTS_AS_DECLARED, Law.PARAMETERS_AS_DECLARED})
JUDGED = frozenset(Law) - DECLARED  # an observation has a result for each, or it is incomplete


class Verdict(StrEnum):
    """How one entry of the corpus behaved on one device."""

    REPRODUCED = "reproduced"  # the case fails as declared, and the fix obeys every law
    WORKS = "works"  # the control obeys every law
    # As declared for this torch release: the case does not fail, or the healthy side does not work.
    NOT_HERE = "not_here"
    WRONG_SYMPTOM = "wrong_symptom"  # the case fails, but not as declared
    NOT_REPRODUCED = "not_reproduced"  # the case does not fail
    FIX_FAILED = "fix_failed"  # the fix raises or violates a law
    CONTROL_FAILED = "control_failed"  # the control raises or violates a law
    FLAKY = "flaky"  # two runs of one program differ
    TIMEOUT = "timeout"  # a program exceeded its time limit
    CRASHED = "crashed"  # a program's process died or exceeded its memory limit
    UNSUPPORTED = "unsupported"  # a program needs a library that cannot be imported here
    INVALID = "invalid"  # the files of the entry do not pass `lint`, so it was not run

    @property
    def as_declared(self) -> bool:
        """Whether the entry behaved as its `.toml` declares."""
        return self in {Verdict.REPRODUCED, Verdict.NOT_HERE, Verdict.WORKS}
