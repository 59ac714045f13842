"""Interpret the types, devices and calls in a message: one function per family of messages."""

from __future__ import annotations

import re

from broken_convnets.commands.explain.figures import Fact, numbers, shown
from broken_convnets.corpus.wording import TYPES

# Types that are passed where a tensor is expected.
STAND_INS = {"NoneType", "tuple", "list", "ndarray", "Image", "builtin_function_or_method"}
# A layer, which the program did not call. `TENSORS` are attributes that no layer has.
LAYER = re.compile(
    "Conv|Linear|Pool|Norm|ReLU|ELU|Sigmoid|Tanh|Softmax|Dropout|Sequential|Flatten|Upsample|Loss$"
)
TENSORS = {
    "argmax",
    "backward",
    "detach",
    "dim",
    "flatten",
    "item",
    "log_softmax",
    "max",
    "mean",
    "ndim",
    "numpy",
    "permute",
    "reshape",
    "shape",
    "size",
    "softmax",
    "squeeze",
    "unsqueeze",
    "view",
}
METHODS = {"forward", "train", "eval", "half", "float", "double", "to", "apply"}  # of a module
# Of schedulers and trainers.
STEPS = {
    "on_train_batch_start",
    "step",
    "test_step",
    "training_step",
    "training_step_end",
    "validation_epoch_end",
    "validation_step",
}
CALLS = METHODS | STEPS  # whose names separate mistakes
PAIR = 2  # images and labels


def types(match: re.Match[str]) -> Fact:
    """Read the dtypes or devices of an input and of a layer's parameters."""
    given, kept = match[1], match[2]
    if ("cuda" in given) != ("cuda" in kept):
        places = ["on the GPU" if "cuda" in name else "on the CPU" for name in (given, kept)]
        return Fact(
            f"The input is {places[0]}, the layer's parameters are {places[1]}.", ("two devices",)
        )
    return Fact(f"The input is {given}, the layer's parameters are {kept}.", _pair(given, kept))


def two_types(match: re.Match[str]) -> Fact | None:
    """Read two dtypes."""
    pair = _pair(match[1], match[2])
    return Fact(f"Two dtypes are mixed: {match[1]} and {match[2]}.", pair) if pair else None


def _pair(one: str, other: str) -> tuple[str, ...]:
    """Return both dtypes in one spelling and order; nothing if one is not a dtype."""
    names = [TYPES.get(name.rpartition(".")[2].rpartition(":")[2].lower()) for name in (one, other)]
    known = sorted(name for name in names if name)
    return (" with ".join(known),) if len(known) == len(names) else ()


def devices(match: re.Match[str]) -> Fact:
    """Read two devices."""
    gpus = match[1].startswith("cuda") and match[2].startswith("cuda")
    sentence = f"One tensor is on {match[1]}, another on {match[2]}."
    return Fact(sentence, ("two GPUs",) if gpus and match[1] != match[2] else ())


def device_numbers(match: re.Match[str]) -> Fact:
    """Read the numbers of two GPUs."""
    return Fact(f"One tensor is on GPU {match[1]}, another on GPU {match[2]}.", ("two GPUs",))


def found(match: re.Match[str]) -> Fact:
    """Read the type of what a DataLoader cannot put into a batch."""
    name = match[1].rpartition(".")[2]
    return Fact(f"The sample contains {_an(name)}.", (f"a {name}",))


def given(match: re.Match[str]) -> Fact | None:
    """Read the types of a call's arguments."""
    first = match[2].partition(",")[0].strip()
    if first in {"Tensor", "Parameter"}:
        return None
    return _typed(match[1], first)


def listed(match: re.Match[str]) -> Fact:
    """Read a list of tensors in place of a tensor."""
    held = match[1].count("Tensor")
    return Fact(f"The list contains {held} tensors.", ("a pair" if held == PAIR else "a row",))


def argument(match: re.Match[str]) -> Fact:
    """Read the type of one argument."""
    return _typed(match[1], match[2])


def _typed(call: str, kind: str) -> Fact:
    name = kind.rpartition(".")[2]
    tag = "a layer" if LAYER.search(name) else f"a {name}"
    return Fact(f"{call} received {_an(name)} where it expects a tensor.", (tag,))


def attribute(match: re.Match[str]) -> Fact:
    """Read the object that lacks an attribute."""
    name, attribute = match[1].rpartition(".")[2], match[2]
    sentence = f"The object without `{attribute}` is {_an(name)}."
    if name in STAND_INS:
        return Fact(sentence, (f"a {name}",))
    if LAYER.search(name) and attribute in TENSORS:
        return Fact(sentence, ("a layer",))
    return Fact(sentence, (f"a {name} without {attribute}",) if name.islower() else ())


def misused(match: re.Match[str]) -> Fact:
    """Read an object that cannot be called, indexed or iterated."""
    name, use = match[1].rpartition(".")[2], match[2]
    return Fact(f"The program uses {_an(name)} as if it were {use}.", (f"a {name} not {use}",))


def arguments(match: re.Match[str]) -> Fact:
    """Read a call with the wrong arguments."""
    name = match[1] if match[1] in CALLS else "a function"
    return Fact(
        f"{match[1]}() was called with the wrong number of arguments.", (f"call of {name}",)
    )


def overwritten(match: re.Match[str]) -> Fact:
    """Read a tensor that backward needs and that was changed in place."""
    shape, operation = shown(numbers(match[1])), match[2]
    times = int(match[3]) - int(match[4])
    often = "once" if times == 1 else f"{times} times"
    return Fact(
        f"The tensor of shape {shape}, the result of an operation whose `grad_fn` is {operation}, "
        f"was changed in place {often} after it was saved for backward."
    )


def _an(name: str) -> str:
    """Return the name of a type with its article; None is named by its value."""
    if name == "NoneType":
        return "None"
    return f"{'an' if name[:1] in 'AEIOaeio' else 'a'} {name}"
