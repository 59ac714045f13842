"""Call a metric or a loss again on copies, with answers that are all right or all wrong."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.metric_calls import MetricCall

SURE = 10.0  # a logit that leaves no doubt
MIDDLE = 0.5  # of the probabilities
NEAR = 0.01  # how far right answers are from their targets, which have a pole in log(error)


def asked_again(call: MetricCall) -> list[float]:
    """Return the metric of right answers, of wrong ones, and of right ones twice more."""
    labels = _every_class(call.arguments[call.scores], call.arguments[call.labels])
    right, wrong = _answers(call.arguments[call.scores], labels)
    return [_asked(call, answers, labels) for answers in (right, wrong, right, right)]


def asked_as_loss(call: MetricCall) -> list[float]:
    """Return a loss of right answers, of wrong ones, and of the highest and the lowest ones.

    If the labels are classes, four more numbers follow: the same with probabilities near 0 and 1.
    """
    if not call.are_classes:
        labels = call.arguments[call.labels]
        middle, low, high = labels.mean(), labels.min(), labels.max()
        right, wrong = labels.lerp(middle, NEAR), (2 * middle - labels).clamp(low, high)
        ends = high.expand_as(labels), low.expand_as(labels)
        return [_asked(call, one, labels) for one in (right, wrong, *ends)]
    scores = call.arguments[call.scores]
    labels = _every_class(scores, call.arguments[call.labels])
    right, wrong = _answers(scores, labels)
    found = []
    chances = [(one > 0).to(one).lerp(one.new_tensor(MIDDLE), 2 * NEAR) for one in (right, wrong)]
    for one, other in ((right, wrong), chances):
        ends = one.max().expand_as(one), one.min().expand_as(one)
        found += [_asked(call, answers, labels) for answers in (one, other, *ends)]
    return found


def _asked(call: MetricCall, answers: Any, labels: Any) -> float:
    given = {name: _copy(value) for name, value in call.arguments.items()}
    given |= {} if call.owner is None else {"self": call.owner()}
    given |= {call.scores: answers.clone(), call.labels: labels.clone()}
    return _number(call.function(**given))


def has_every_class(call: MetricCall) -> bool:
    """Return whether there are as many labels as classes; an absent class may have any score."""
    scores, labels = call.arguments[call.scores], call.arguments[call.labels]
    return bool(labels.numel() >= _classes(scores, labels))


def _copy(value: Any) -> Any:
    import torch  # noqa: PLC0415  (rules are imported where torch may be missing)

    return value.clone() if isinstance(value, torch.Tensor) else copy.copy(value)


def _classes(scores: Any, labels: Any) -> int:
    has_classes = scores.dim() == labels.dim() + 1 and scores.shape[1] > 1
    return int(scores.shape[1]) if has_classes else 2


def _every_class(scores: Any, labels: Any) -> Any:
    """Return labels of the same shape and dtype that hold every class along every dimension."""
    import torch  # noqa: PLC0415  (as above)

    numbers = torch.zeros(labels.shape, dtype=torch.int64)
    for dim, size in enumerate(labels.shape):
        numbers += torch.arange(size).reshape(-1, *[1] * (labels.dim() - dim - 1))
    return (numbers % _classes(scores, labels)).to(labels.dtype)


def _answers(scores: Any, labels: Any) -> tuple[Any, Any]:
    """Return scores that are right for all labels, and scores that are wrong for all."""
    from torch.nn import functional  # noqa: PLC0415  (as above)

    classes = _classes(scores, labels)
    if scores.dim() == labels.dim() + 1 and scores.shape[1] > 1:
        found = [
            functional.one_hot(one.long(), classes).movedim(-1, 1).to(scores.dtype)
            for one in (labels, (labels + 1) % classes)
        ]
    else:
        found = [one.reshape(scores.shape).to(scores.dtype) for one in (labels, 1 - labels)]
    if not bool(((scores >= 0) & (scores <= 1)).all()):  # logits, not probabilities
        found = [SURE * (2 * one - 1) for one in found]
    return found[0], found[1]


def _number(result: Any) -> float:
    """Return the number that a metric returned; raises TypeError for anything else."""
    if isinstance(result, bool) or getattr(result, "requires_grad", False):
        message = "not a metric"
        raise TypeError(message)
    return float(result)
