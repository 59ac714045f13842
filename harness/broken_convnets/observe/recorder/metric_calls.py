"""Keep the arguments of the user's functions that may be metrics or losses: of scores and labels.

They can then be called again, with answers that are all right or all wrong.
"""

from __future__ import annotations

import copy
import inspect
import weakref
from dataclasses import dataclass
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.describe import all_finite
from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction
from broken_convnets.observe.recorder.pair_calls import pair_call
from broken_convnets.observe.recorder.patches import is_recorder_code
from broken_convnets.observe.recorder.places import OUTERMOST, is_user_file

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from broken_convnets.observe.recorder.pair_calls import PairCall
    from broken_convnets.observe.recorder.record import Record

LARGE = 1_000_000  # elements of a tensor that is not copied
PLAIN = (int, float, str, bool, type(None))
UNSUITABLE = (
    inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR | inspect.CO_COROUTINE
)
NOT_METRICS = frozenset({"__init__", "<module>", "<lambda>", "training_step"})


@dataclass(frozen=True, slots=True, eq=False)
class MetricCall:
    """The first call of a user's function with scores and labels; `arguments` are copies.

    `scores` and `labels` name two of them: scores of shape [N, C, ...] with labels [N, ...], or
    both of one shape, apart from a dimension of size 1. `are_classes` is whether the labels are
    classes, or 0 and 1; other labels are only kept beside scores that require a gradient. `owner`
    is the object of a method that cannot be copied, such as a module; it is not kept alive.
    """

    function: FunctionType
    arguments: dict[str, Any]
    scores: str
    labels: str
    are_classes: bool = True
    owner: weakref.ref[Any] | None = None

    @property
    def code(self) -> CodeType:
        """The code of the function."""
        return self.function.__code__


class MetricCalls:
    """Looks at the frames of user functions when their first operator runs."""

    def __init__(self, record: Record) -> None:
        """Start with no function known."""
        self._record = record
        self._known: set[CodeType] = set()

    def look(self, frame: FrameType | None) -> None:
        """Look at the frames from the one that calls an operator outward."""
        while frame is not None and frame.f_code not in self._known:
            code = frame.f_code
            if code is OUTERMOST:
                return
            self._known.add(code)
            if is_user_file(code.co_filename) and not is_recorder_code(code):
                self._record.content_facts.worlds[code.co_filename] = frame.f_globals
                self._consider(frame)
            frame = frame.f_back

    def _consider(self, frame: FrameType) -> None:
        code = frame.f_code
        if code.co_flags & UNSUITABLE or code.co_name in NOT_METRICS:
            return
        try:
            with NoDispatch(), NoFunction():
                found = _metric_call(frame)
                pair = None if _is_network(frame.f_locals.get("self")) else _pair_call(frame)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)
            return
        if found is not None:
            self._record.metric_calls.append(found)
        if pair is not None:
            self._record.content_facts.pair_calls.append(pair)


def _metric_call(frame: FrameType) -> MetricCall | None:
    code, values = frame.f_code, frame.f_locals
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if any(name not in values for name in names) or _is_network(values.get("self")):
        return None  # deleted, or held in a cell; or the forward pass of a network
    given = {name: values[name] for name in names}
    tensors = {name: given[name] for name in names if isinstance(given[name], torch.Tensor)}
    classes = _scores_and_labels(tensors)
    pair = classes or _output_and_target(tensors)
    if pair is None:
        return None
    owner = _owner(given)
    copies = {
        name: _copy(value) for name, value in given.items() if owner is None or name != "self"
    }
    if any(value is NotImplemented for value in copies.values()):
        return None
    closure = tuple(CellType(values[name]) for name in code.co_freevars if name in values)
    if len(closure) != len(code.co_freevars):
        return None
    function = FunctionType(code, frame.f_globals, code.co_name, None, closure)
    return MetricCall(function, copies, *pair, are_classes=classes is not None, owner=owner)


def _pair_call(frame: FrameType) -> PairCall | None:
    return pair_call(frame, _copy, _owner)


def _owner(given: dict[str, Any]) -> weakref.ref[Any] | None:
    """Return a reference to the `self` of a method that cannot be copied; None if there is none."""
    value = given.get("self")
    if value is None or _copy(value) is not NotImplemented:
        return None
    has_references = type(value).__weakrefoffset__ != 0
    return weakref.ref(value) if has_references else None


def _is_network(value: object) -> bool:
    return isinstance(value, torch.nn.Module) and next(iter(value.parameters()), None) is not None


def _scores_and_labels(tensors: dict[str, torch.Tensor]) -> tuple[str, str] | None:
    """Return the names of two tensors that fit each other; None if they do not."""
    if len(tensors) != 2 or any(not _is_small(one) for one in tensors.values()):  # noqa: PLR2004  (scores, labels)
        return None
    first, second = tensors
    for scores, labels in ((first, second), (second, first)):
        one, other = tensors[scores], tensors[labels]
        if one.is_floating_point() and other.numel() and _fit(one, other):
            return scores, labels
    return None


def _output_and_target(tensors: dict[str, torch.Tensor]) -> tuple[str, str] | None:
    """Return the names of an output with a graph and of a target of its shape; else None."""
    outputs = [name for name, tensor in tensors.items() if tensor.requires_grad]
    targets = [name for name, tensor in tensors.items() if not tensor.requires_grad]
    if len(outputs) != 1 or len(targets) != 1:
        return None
    output, target = tensors[outputs[0]], tensors[targets[0]]
    fits = output.shape == target.shape and output.dtype == target.dtype
    plain = output.is_floating_point() and _is_small(output) and _is_small(target)
    return (outputs[0], targets[0]) if fits and plain else None


def _fit(scores: torch.Tensor, labels: torch.Tensor) -> bool:
    if not labels.is_floating_point() and scores.dim() == labels.dim() + 1:
        same = scores.shape[:1] + scores.shape[2:] == labels.shape
        return bool(same) and (scores.shape[1] > int(labels.max()) or scores.shape[1] == 1)
    squeezed = [n for n in scores.shape if n != 1] == [n for n in labels.shape if n != 1]
    return squeezed and bool(((labels == 0) | (labels == 1)).all())


def _is_small(tensor: torch.Tensor) -> bool:
    values = tensor if tensor.is_floating_point() else tensor.float()
    return tensor.numel() <= LARGE and not tensor.is_complex() and all_finite(values) is not None


def _copy(value: object) -> Any:
    """Return a copy of a plain value, or of an object of plain values; else NotImplemented.

    A module without parameters, such as a loss, is copied too. The copy shares its buffers.
    """
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, list | tuple):
        return value if all(isinstance(item, PLAIN) for item in value) else NotImplemented
    if isinstance(value, torch.nn.Module) and not _is_network(value):
        return copy.copy(value)
    attributes = getattr(value, "__dict__", None)
    simple = attributes is not None and all(isinstance(v, PLAIN) for v in attributes.values())
    is_instance = not isinstance(value, type | FunctionType)
    return copy.copy(value) if simple and is_instance else NotImplemented
