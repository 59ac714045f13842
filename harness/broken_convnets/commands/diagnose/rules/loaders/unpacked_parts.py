"""A value is unpacked into as many names as it has parts."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.returns import callee_of
from broken_convnets.commands.diagnose.analysis.user_frames import UNKNOWN
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loaders.unpacking import (
    dataset_of,
    sample_method,
    sample_of,
    unpacking_of,
)
from broken_convnets.commands.diagnose.sites import candidates
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.rules.loaders.unpacking import Unpacking

Attempt = tuple[int, "Callable[[], Patch]"]
FAILED = re.compile(
    r"too many values to unpack|not enough values to unpack|cannot unpack non-iterable"
    r"|iteration over a 0-d tensor"
)
NAMED = {"parameters", "modules", "children", "buffers"}
PAIR = 2


@dataclass(frozen=True)
class Parts:
    """What was unpacked: a description, the number of its parts, and how to correct it."""

    what: str
    why: str
    count: int | None
    attempts: tuple[Attempt, ...]


@rule(
    "a value is unpacked into as many names as it has parts",
    stays_quiet="about None, and about values whose parts are not known",
)
def other_number_of_parts(evidence: Evidence) -> Iterator[Finding]:
    """Find batches, outputs and tensors that are unpacked into too many or too few names."""
    frame = require_failure(evidence, ValueError, TypeError)
    if not FAILED.match(evidence.message):
        return
    found = unpacking_of(frame.source, frame.statement, frame.expression)
    parts = _parts(evidence, found) if found and not found.starred else None
    if found is None or parts is None:
        return
    names = ", ".join(found.names)
    yield Finding(
        kind="data" if found.looped else "none/aux_output_tuple",
        message=f"{parts.what}, and `{names}` needs {len(found.names)}",
        evidence=parts.why,
        cause=frame_location(frame),
        subject=names,
        candidates=candidates(*parts.attempts),
        confidence=10,
    )


def _parts(evidence: Evidence, found: Unpacking) -> Parts | None:
    value = evidence.frames[0].value(found.value)
    if found.numbered:
        return _numbered(found)
    if found.looped:
        return _of_loop(evidence, found, value)
    if isinstance(value, torch.Tensor):
        return _of_tensor(found, tuple(value.shape))
    if isinstance(value, tuple | list):
        return _of_tuple(found, len(value), shortened(found.source.text_of(found.value)))
    return _of_call(evidence, found) if value is UNKNOWN else None


def _of_loop(evidence: Evidence, found: Unpacking, value: object) -> Parts | None:
    if _is_named(found):
        return _of_a_network(found)
    if isinstance(value, Mapping):
        return _of_items(found, value)
    return _of_batches(evidence, found)


def _numbered(found: Unpacking) -> Parts | None:
    """Return the pairs of `for i, x, y in enumerate(loader)`, which lack parentheses."""
    names = found.names
    if len(names) <= PAIR:
        return None
    text = f"{names[0]}, ({', '.join(names[1:])})"
    fix = partial(edits.replace, found.source, [(found.target, text)])
    why = f"the second is the batch, which needs parentheses: `{text}`"
    return Parts("enumerate() yields pairs of a number and an item", why, PAIR, ((0, fix),))


def _is_named(found: Unpacking) -> bool:
    node = found.value
    plain = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    return plain and called_name(node) in NAMED and len(found.names) == PAIR  # type: ignore[arg-type]  # a Call


def _of_a_network(found: Unpacking) -> Parts:
    call = found.value
    function = call.func if isinstance(call, ast.Call) else call
    owner = found.source.text_of(function.value) if isinstance(function, ast.Attribute) else ""
    name = function.attr if isinstance(function, ast.Attribute) else ""
    fix = partial(edits.replace, found.source, [(function, f"{owner}.named_{name}")])
    why = f"`{owner}.named_{name}()` yields pairs of a name and a value"
    return Parts(f"`{owner}.{name}()` yields values without names", why, 1, ((0, fix),))


def _of_items(found: Unpacking, value: Mapping[object, object]) -> Parts | None:
    """Return the keys of a mapping that a loop with two names reads."""
    if len(found.names) != PAIR or not value:
        return None
    text = found.source.text_of(found.value)
    fix = partial(edits.replace, found.source, [(found.value, f"{text}.items()")])
    why = f"its first key is {next(iter(value))!r}; `{text}.items()` yields keys and values"
    return Parts(f"a loop over the mapping `{text}` yields its keys", why, 1, ((0, fix),))


def _of_batches(evidence: Evidence, found: Unpacking) -> Parts | None:
    """Return the parts of the samples of a loader or a dataset."""
    own = evidence.frames[0].value(found.value)
    data = dataset_of(evidence, 0, found.value)
    data = own if data is None and isinstance(own, torch.utils.data.Dataset) else data
    sample = sample_of(evidence, data)
    if isinstance(sample, torch.Tensor):
        sample, count = (sample,), 1
    elif isinstance(sample, tuple | list):
        count = len(sample)
    else:
        return None
    if count == len(found.names):
        return None
    kinds = ", ".join(_described(one) for one in sample[:6])
    why = f"the samples of {type(data).__name__} have {count}: {kinds}"
    method = sample_method(evidence, data)
    if method is not None and len(method.returned) == 1:
        why += f"; line {method.returned[0].lineno} returns them"
    what = f"each batch has {count} part{'s' if count != 1 else ''}"
    return Parts(what, why, count, tuple(_renamed(found, count)))


def _described(value: object) -> str:
    if isinstance(value, torch.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        return f"{dtype}{list(value.shape)}"
    return type(value).__name__


def _renamed(found: Unpacking, count: int) -> Iterator[Attempt]:
    """Yield the change that has a name for each part."""
    names, source = found.names, found.source
    kept = [*names[:count], *["_"] * (count - len(names))]
    inside = source.parent(found.target)
    whole = ", ".join(kept) + ("," if len(kept) == 1 else "")
    parentheses = isinstance(inside, ast.Tuple) or source.text_of(found.target).startswith("(")
    text = f"({whole})" if parentheses else whole
    if count == 1 and found.looped:
        yield 1, partial(edits.replace, source, [(found.target, f"({whole})")])
    else:
        yield 0, partial(edits.replace, source, [(found.target, text)])


def _of_tuple(found: Unpacking, count: int, text: str) -> Parts | None:
    if count == len(found.names):
        return None
    what = f"`{text}` has {count} part{'s' if count != 1 else ''}"
    why = "each needs a name; `_` is one for what is not used"
    return Parts(what, why, count, tuple(_renamed(found, count)))


def _of_tensor(found: Unpacking, shape: tuple[int, ...]) -> Parts | None:
    """Return the rows of a tensor, which unpacking goes through along its first dimension."""
    source, text = found.source, shortened(found.source.text_of(found.value))
    what = f"`{text}` is one tensor of shape {list(shape)}"
    why = "unpacking takes it apart along its first dimension"
    if not shape:
        why = "it is one number"
    node: ast.expr = found.target
    new = found.names[0]
    if not isinstance(found.value, ast.Call) and len(shape) == len(found.names):
        node, new = found.value, f"{source.text_of(found.value)}.shape"
        why += "; its sizes are in `.shape`"
    attempt = (0, partial(edits.replace, source, [(node, new)]))
    return Parts(what, why, shape[0] if shape else None, (attempt,))


def _of_call(evidence: Evidence, found: Unpacking) -> Parts | None:
    """Return what a network or a function of the program returned."""
    frame = evidence.frames[0]
    if not isinstance(found.value, ast.Call):
        return None
    called = frame.value(found.value.func)
    taken = list(evidence.record.operators)[-1:]
    tensor = bool(taken) and taken[0].name == "unbind" and taken[0].place == frame.place
    if tensor:
        return _of_tensor(found, taken[0].inputs[0].shape)
    function = callee_of(evidence, found.value, frame.scope)
    returned = [r.value for r in function.returned] if function else []
    counts = {len(one.elts) if isinstance(one, ast.Tuple) else None for one in returned}
    count = counts.pop() if len(counts) == 1 else None
    if function is None or count is None:
        return None
    kind = "network" if isinstance(called, nn.Module) else "function"
    parts = _of_tuple(found, count, shortened(found.source.text_of(found.value)))
    if parts is None:
        return None
    line = function.returned[0].lineno
    why = f"the {kind} returns {count} at line {line}; `_` is a name for what is not used"
    return Parts(parts.what, why, count, parts.attempts)
