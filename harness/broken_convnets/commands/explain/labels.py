"""Interpret the labels and targets in a message: one function per family of messages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from broken_convnets.commands.explain.figures import WHITE, Fact, numbers, shown

if TYPE_CHECKING:
    import re


def batches(match: re.Match[str]) -> Fact:
    """Read the batch sizes of outputs and labels."""
    outputs, labels = int(match[1]), int(match[2])
    sentence = f"The network returns {outputs} rows, and there are {labels} labels."
    if labels and outputs > labels and outputs % labels == 0:
        each = outputs // labels
        more = f" {outputs} = {labels} x {each}: possibly each image became {each} rows."
        return Fact(sentence + more, ("rows too many",))
    if outputs and labels > outputs and labels % outputs == 0:
        each = labels // outputs
        more = (
            f" {labels} = {outputs} x {each}: possibly the labels are one-hot and were flattened."
        )
        return Fact(sentence + more, ("labels too many",))
    return Fact(sentence, ("other batches",))


def target(match: re.Match[str]) -> Fact:
    """Read a label that is out of range."""
    label = int(match[1])
    if label < 0:
        return Fact(f"There is a label {label}, but labels count from 0.", ("negative",))
    sentence = (
        f"There is a label {label}, and labels count from 0: "
        f"the network has at most {label} outputs."
    )
    return Fact(sentence, ("white" if label == WHITE else "a class",))


def targets(match: re.Match[str]) -> Fact:
    """Read the shapes of targets and outputs."""
    labels, outputs = numbers(match[1]), numbers(match[2])
    sentence = f"The network returns {shown(outputs)}, the targets are {shown(labels)}."
    if math.prod(labels) == math.prod(outputs):
        return Fact(f"{sentence} Both contain {math.prod(labels)} values.", ("same count",))
    return Fact(sentence, ("other count",))
