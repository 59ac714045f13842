"""The symptoms: what people observe when a network fails, and the laws that they show.

Few symptoms can be read off a record, but many need the violation of certain laws, and some laws
cannot be violated without a symptom. `symptom_rules` holds the cases to both.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from broken_convnets.vocabulary import Law


class Symptom(StrEnum):
    """Something that a person observes; `description` says it in a few words."""

    description: str

    def __new__(cls, name: str, description: str) -> Self:
        """Return a member whose value is `name`."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.description = description
        return member

    # While training.
    LOSS_IS_NAN = "loss_is_nan", "The loss, a gradient or the output is NaN or infinite"
    LOSS_IS_NEGATIVE = "loss_is_negative", "The loss is negative"
    LOSS_DOES_NOT_FALL = "loss_does_not_fall", "The loss does not go down, or stops early"
    LOSS_OSCILLATES = "loss_oscillates", "The loss jumps, oscillates or grows"
    ACCURACY_AT_CHANCE = "accuracy_at_chance", "The accuracy stays at chance"
    WEIGHTS_DO_NOT_UPDATE = (
        "weights_do_not_update",
        "Some weights do not change, or frozen ones do",
    )
    MEMORY_GROWS = "memory_grows", "Memory grows from batch to batch"
    SLOW = "slow", "Training or inference is slow, or slows down"
    # In evaluation.
    WORSE_IN_VALIDATION = "worse_in_validation", "Good in training, bad in validation"
    WORSE_THAN_EXPECTED = "worse_than_expected", "It trains, but the result is worse than expected"
    METRIC_IS_WRONG = "metric_is_wrong", "A metric is impossible, or contradicts the predictions"
    SAME_PREDICTION = (
        "same_prediction",
        "The prediction is the same for every input: one class, one value, an empty mask",
    )
    DIFFERS_IN_EVAL_MODE = "differs_in_eval_mode", "Train mode and eval mode do not agree"
    DIFFERS_FROM_RUN_TO_RUN = (
        "differs_from_run_to_run",
        "The same input returns another output each time",
    )
    DEPENDS_ON_BATCH = "depends_on_batch", "The output depends on the batch or its size"
    # Around it.
    DIFFERS_AFTER_LOADING = (
        "differs_after_loading",
        "Results change after loading or resuming from a checkpoint",
    )
    SAMPLES_LOOK_WRONG = "samples_look_wrong", "Images, masks or augmentations look wrong"
    OUTPUT_HAS_WRONG_SHAPE = (
        "output_has_wrong_shape",
        "The output has another shape or number of classes than intended",
    )
    FAILS_ELSEWHERE = "fails_elsewhere", "It works here, but not on another device or exported"


# A case shows the symptom only if it violates one of these laws.
NEEDS: dict[Symptom, frozenset[Law]] = {
    Symptom.LOSS_IS_NAN: frozenset({Law.OUTPUT_AS_DECLARED, Law.EVERY_PARAMETER_LEARNS}),
    Symptom.WEIGHTS_DO_NOT_UPDATE: frozenset(
        {
            Law.EVERY_PARAMETER_LEARNS,
            Law.EVERY_PARAMETER_MOVES,
            Law.PARAMETERS_AS_DECLARED,
            Law.GRADIENTS_ARE_FRESH,
            Law.GRADIENTS_MATCH_LOSS,
            Law.LOSS_SCALE_CANCELS,
            Law.STATISTICS_STAY,
            Law.STATE_ROUND_TRIPS,
            Law.ONE_BATCH_CAN_BE_LEARNED,
            Law.NO_WARNINGS,
        }
    ),
    Symptom.MEMORY_GROWS: frozenset({Law.MEMORY_FLAT, Law.INFERENCE_BUILDS_NO_GRAPH}),
    Symptom.METRIC_IS_WRONG: frozenset({Law.PERFECT_SCORES_ONE, Law.SPLITS_DISJOINT}),
    Symptom.DIFFERS_IN_EVAL_MODE: frozenset(
        {
            Law.INFERS_IN_EVAL_MODE,
            Law.TRAINS_IN_TRAIN_MODE,
            Law.DETERMINISTIC_IN_EVAL,
            Law.STATISTICS_STAY,
        }
    ),
    Symptom.DIFFERS_FROM_RUN_TO_RUN: frozenset(
        {Law.RESULTS_REPEAT, Law.DETERMINISTIC_IN_EVAL, Law.VALIDATION_REPEATS}
    ),
    Symptom.DEPENDS_ON_BATCH: frozenset(
        {
            Law.ANY_BATCH_SIZE,
            Law.SAMPLES_INDEPENDENT,
            Law.LOSS_AVERAGES_OVER_SAMPLES,
            Law.INFERS_IN_EVAL_MODE,
        }
    ),
    Symptom.DIFFERS_AFTER_LOADING: frozenset(
        {
            Law.STATE_ROUND_TRIPS,
            Law.CHECKPOINT_RESTORES_OUTPUT,
            Law.RESUMES_WHERE_IT_STOPPED,
            Law.RETURNED_STATE_IS_A_COPY,
        }
    ),
    Symptom.SAMPLES_LOOK_WRONG: frozenset(
        {
            Law.INPUTS_AS_DECLARED,
            Law.INPUTS_UNTOUCHED,
            Law.MASKS_MATCH_IMAGES,
            Law.WORKERS_DIFFER,
        }
    ),
    Symptom.OUTPUT_HAS_WRONG_SHAPE: frozenset({Law.OUTPUT_AS_DECLARED, Law.ANY_BATCH_SIZE}),
    Symptom.FAILS_ELSEWHERE: frozenset({Law.MOVES_AS_ONE, Law.EXPORTS}),
}

# A case that violates the law shows at least one of these symptoms.
SHOWN_BY: dict[Law, frozenset[Symptom]] = {
    Law.MEMORY_FLAT: frozenset({Symptom.MEMORY_GROWS}),
    Law.CHECKPOINT_RESTORES_OUTPUT: frozenset({Symptom.DIFFERS_AFTER_LOADING}),
    Law.RESUMES_WHERE_IT_STOPPED: frozenset({Symptom.DIFFERS_AFTER_LOADING}),
    Law.RETURNED_STATE_IS_A_COPY: frozenset({Symptom.DIFFERS_AFTER_LOADING}),
    Law.MOVES_AS_ONE: frozenset({Symptom.FAILS_ELSEWHERE}),
    Law.EXPORTS: frozenset({Symptom.FAILS_ELSEWHERE}),
    Law.DETERMINISTIC_IN_EVAL: frozenset({Symptom.DIFFERS_FROM_RUN_TO_RUN}),
    Law.INFERS_IN_EVAL_MODE: frozenset({Symptom.DIFFERS_IN_EVAL_MODE}),
    Law.TRAINS_IN_TRAIN_MODE: frozenset({Symptom.DIFFERS_IN_EVAL_MODE}),
    Law.STATISTICS_STAY: frozenset({Symptom.DIFFERS_IN_EVAL_MODE}),
    Law.PERFECT_SCORES_ONE: frozenset({Symptom.METRIC_IS_WRONG}),
    Law.SPLITS_DISJOINT: frozenset({Symptom.METRIC_IS_WRONG}),
    Law.MASKS_MATCH_IMAGES: frozenset({Symptom.SAMPLES_LOOK_WRONG}),
    Law.WORKERS_DIFFER: frozenset({Symptom.SAMPLES_LOOK_WRONG}),
    Law.INPUTS_UNTOUCHED: frozenset({Symptom.SAMPLES_LOOK_WRONG}),
    Law.INPUTS_AS_DECLARED: frozenset({Symptom.SAMPLES_LOOK_WRONG, Symptom.WORSE_THAN_EXPECTED}),
    Law.EVERY_PARAMETER_MOVES: frozenset({Symptom.WEIGHTS_DO_NOT_UPDATE}),
}
