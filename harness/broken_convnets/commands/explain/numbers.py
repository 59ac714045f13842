"""Interpret the numbers in a message, by families of messages: sentences and tags."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from broken_convnets.commands.explain import (
    channels,
    checkpoints,
    figures,
    labels,
    linear_features,
    objects,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.commands.explain.figures import Fact


def facts(message: str) -> list[Fact]:
    """Return what the numbers of a message mean; nothing for a message of no known family."""
    found = []
    text = plain(message)
    for pattern, read in FAMILIES:
        match = pattern.search(text)
        fact = read(match) if match else None
        if fact is not None:
            found.append(fact)
    return found


def plain(message: str) -> str:
    """Return a message on one line, with the quotes and the multiplication sign of torch."""
    for pattern, replacement in PLAIN:
        message = pattern.sub(replacement, message)
    return message


def tags(message: str) -> list[str]:
    """Return the tags of all facts."""
    return [tag for fact in facts(message) for tag in fact.tags]


PLAIN = (
    (re.compile(r"\s+"), " "),
    (re.compile("[\u2018\u2019\u201b\u00b4`]"), "'"),
    (re.compile("[\u201c\u201d]"), '"'),
    (re.compile("\u00d7"), "x"),
)
N = r"(-?\d{1,12})"
LIST = r"\[([\d, ]*)\]"
SIZE = rf"torch\.Size\({LIST}\)"
DTYPE = r"([\w.]+)"
PATTERNS: dict[str, Callable[[re.Match[str]], Fact | None]] = {
    rf"mat1 and mat2 shapes cannot be multiplied \({N}x{N} and {N}x{N}\)": linear_features.linear,
    rf"same reduction dim, but got \[{N}, {N}\] X \[{N}, {N}\]": linear_features.linear,
    rf"size mismatch, m1: \[{N} x {N}\s*\], m2: \[{N} x {N}\s*\]": linear_features.linear,
    rf"(?:(groups|transposed)={N}, .{{1,60}}, )?expected input\s?{LIST} to have {N} channels, "
    rf"but got {N} channels": channels.conv,
    rf"size of tensor a \({N}\) must match the size of tensor b \({N}\) "
    rf"at non-singleton dimension {N}": figures.elementwise,
    rf"index \d+ had {SIZE}; but expected shape should be broadcastable to {LIST}": (
        figures.broadcast
    ),
    rf"must match except in dimension {N}\.\s+Expected size {N} but got size {N}": figures.cat,
    rf"must match except in dimension {N}\.\s+Got {N} and {N}": figures.cat,
    rf"got {LIST} at entry (\d+) and {LIST} at entry (\d+)": figures.stack,
    rf"size mismatch for ([\w.]{{1,200}}): copying a param with shape {SIZE} from checkpoint, "
    rf"the shape in current model is {SIZE}": checkpoints.parameter,
    r"(?:in loading state_dict for|(?:Missing|Unexpected) key\(s\) in state_dict:)"
    r".*": checkpoints.keys,
    r"unexpected key [\"']([\w.]{1,200})[\"'] in state_dict": checkpoints.unexpected_key,
    rf"Expected input batch_size \({N}\) to match target batch_size \({N}\)": labels.batches,
    rf"Target {N} is out of bounds": labels.target,
    rf"(?:shape|size) '\[([-\d, x]+)\]' is invalid for input (?:of size|with) {N}": figures.view,
    rf"running_mean should contain {N} elements not {N}": figures.norm,
    rf"input (?:to conv\dd, but got input )?of size:? {LIST}": figures.dimensions,
    r"Input type \(([^)]{1,40})\) and (?:weight|bias) type \(([^)]{1,40})\)": objects.types,
    r"(?:object of scalar type|object of type|expected scalar type|dtype,? but got|Found dtype|"
    rf"[Ee]xpected) {DTYPE} (?:tensor )?(?:but (?:found|got|expected)|and|\(got)"
    rf"(?: scalar type| type)? {DTYPE}": objects.two_types,
    r"at least two devices, ([\w:]+),? and ([\w:]+)": objects.devices,
    r"is on ([\w:]+), different from other tensors on ([\w:]+)": objects.devices,
    r"device (\d+) does not equal (\d+)": objects.device_numbers,
    r"found <class '([\w.]+)'>": objects.found,
    rf"[Tt]arget size \({SIZE}\).{{1,60}}input size \({SIZE}\)": labels.targets,
    r"more than 1 value per channel when training, got input size (?:torch\.Size\()?"
    rf"{LIST}": figures.single,
    r"Given input size: \(([\dx-]+)\)\. Calculated output size: \(([\dx-]+)\)": figures.pooled,
    r"padded input size per channel: \(([\dx ]+)\)\. Kernel size: \(([\dx ]+)\)": figures.kernel,
    r"(\w+\(\)) received an invalid combination of arguments - got "
    r"\(([^)]{1,300})": objects.given,
    r"list of \[((?:Tensor[, ]*){1,64})\]": objects.listed,
    r"(\w+\(\)): argument '\w+' (?:\(position \d+\) )?must be Tensor, "
    rf"not {DTYPE}": objects.argument,
    r"'([\w.]+)' object has no attribute '(\w+)'": objects.attribute,
    r"'([\w.]+)' object is not (callable|subscriptable|iterable)": objects.misused,
    r"(\w+)\(\) (?:takes|missing) .{1,40}positional arguments?": objects.arguments,
    rf"Tensor {LIST}\], which is output \d+ of (\w+), is at version {N}; expected "
    rf"version {N}": objects.overwritten,
}
FAMILIES = [(re.compile(pattern, re.DOTALL), read) for pattern, read in PATTERNS.items()]
