"""Record what losses, operators with poles, casts to integers and `&` of integers receive."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.describe import all_finite
from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction
from broken_convnets.observe.recorder.class_balance import WEIGHTED, ClassBalances
from broken_convnets.observe.recorder.contents import Contents, contents_of
from broken_convnets.observe.recorder.ctc import CtcArguments, ctc_arguments
from broken_convnets.observe.recorder.ignored_labels import (
    CLASS_LOSSES,
    EQUALITIES,
    IgnoredComparisons,
)
from broken_convnets.observe.recorder.nearest import MINIMA, nearest_of
from broken_convnets.observe.recorder.padded_targets import PaddedLosses
from broken_convnets.observe.recorder.sampling_grids import GRIDS, sampling_grid
from broken_convnets.observe.recorder.shifted_targets import ShiftedTargets
from broken_convnets.observe.recorder.triplets import TRIPLETS, triplet_of
from broken_convnets.observe.recorder.values import look_at

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from broken_convnets.observe.recorder.embedded_ids import EmbeddedIds
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

    Look = Callable[[Operator, Any, Any], None]

# Loss functions of torch.nn.functional whose first arguments are an input and a target.
LOSSES = frozenset(
    {"cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"}
    | {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "ctc_loss"}
    | {"soft_margin_loss", "hinge_embedding_loss", "poisson_nll_loss", "gaussian_nll_loss"}
    | {"multilabel_soft_margin_loss", "multi_margin_loss"}
)
# Loss functions with two inputs and a target.
PAIRS = frozenset({"cosine_embedding_loss", "margin_ranking_loss"})
# Operators that are not finite, or have no finite slope, for some inputs, and which argument.
POLES = {
    **dict.fromkeys(("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "pow", "__pow__"), 0),
    **dict.fromkeys(("acos", "asin", "exp", "reciprocal", "std", "var", "mean", "softmax"), 0),
    **dict.fromkeys(("__rtruediv__", "__rdiv__", "norm", "atanh", "logit", "numpy"), 0),
    **dict.fromkeys(("div", "true_divide", "__truediv__", "__div__", "__itruediv__"), 1),
}
BITWISE = frozenset({"bitwise_and", "bitwise_or", "__and__", "__or__"})
CASTS = frozenset({"long", "int", "short", "to", "type", "byte"})
INTEGERS = frozenset({torch.int64, torch.int32, torch.int16, torch.uint8, torch.int8})
UNSET = frozenset({"empty", "empty_like", "new_empty", "empty_strided", "empty_permuted"})
LOOKS = 32  # calls at one place whose tensors are read


@dataclass(frozen=True, slots=True)
class LossCall:
    """What a loss function received; `ctc` for `ctc_loss` alone."""

    operator: Operator
    input: Contents
    target: Contents
    ctc: CtcArguments | None = None

    @property
    def name(self) -> str:
        """The function: `cross_entropy`."""
        return self.operator.name


class Losses:
    """Reads the arguments of loss functions, and of operators with poles, before they run."""

    def __init__(self, record: Record, ids: EmbeddedIds) -> None:
        """Start with nothing read. `ids` are those that the last embeddings received."""
        self._record = record
        self._padded = PaddedLosses(ids)
        self._read: Counter[tuple[str, Place]] = Counter()
        facts = record.content_facts
        ignored = IgnoredComparisons(facts.ignored_numbers, facts.ignored_labels)
        looks: list[tuple[Look, Collection[str]]] = [
            (ClassBalances(record).look, WEIGHTED),
            (ignored.look, CLASS_LOSSES | EQUALITIES),
            (self._add_triplet, TRIPLETS),
            (self._add_grid, ("grid_sample",)),
            (ShiftedTargets(record).look, LOSSES),
        ]
        self._lookers: dict[str, list[Look]] = {}
        for look, names in looks:
            for name in names:
                self._lookers.setdefault(name, []).append(look)

    def look(self, operator: Operator, taken: list[torch.Tensor], args: Any, kwargs: Any) -> None:
        """Read what an operator is about to receive."""
        try:
            with NoDispatch(), NoFunction():
                self._look_at_new(taken, operator.inputs)
                self._look(operator, args, kwargs)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)

    def _look(self, operator: Operator, args: Any, kwargs: Any) -> None:
        name = operator.name
        for look in self._lookers.get(name, ()):
            look(operator, args, kwargs)
        is_loss = name in LOSSES or name in PAIRS
        is_cast = name in CASTS and _rounds(name, args, kwargs)
        position = POLES.get(name.removesuffix("_") if not name.endswith("__") else name)
        is_minimum = name in MINIMA
        is_bitwise = name in BITWISE and _are_integers(args)
        read = is_loss or is_cast or is_minimum or is_bitwise or position is not None
        if operator.place is None or not read:
            return
        self._read[name, operator.place] += 1
        if self._read[name, operator.place] > LOOKS:
            return
        if is_loss:
            self._add(operator, args, kwargs)
        elif is_cast:
            self._record.read_inputs[operator.number] = contents_of(args[0])
        elif is_bitwise:
            both = [contents_of(one) for one in args[:2]]
            self._record.read_inputs[operator.number] = min(both, key=lambda one: one.maximum)
        elif is_minimum:
            nearest = nearest_of(operator, args)
            if nearest is not None:
                self._record.nearest.append(nearest)
        elif position is not None and len(args) > position and _is_readable(args[position]):
            self._record.read_inputs[operator.number] = contents_of(args[position])

    def _add_triplet(self, operator: Operator, args: Any, kwargs: Any) -> None:
        """Read the first call at a place, before any training."""
        place = operator.place
        known = any(one.operator.place == place for one in self._record.triplets)
        found = None if known or place is None else triplet_of(operator, args, kwargs)
        if found is not None:
            self._record.triplets.append(found)

    def _add_grid(self, operator: Operator, args: Any, kwargs: Any) -> None:
        grids = self._record.content_facts.sampling_grids
        if operator.place is None or len(grids) >= GRIDS:
            return
        found = sampling_grid(operator, args, kwargs)
        if found is not None:
            grids.append(found)

    def _look_at_new(self, taken: list[torch.Tensor], values: tuple[Value, ...]) -> None:
        """Note whether data, and what was written in place, is finite when it is first used."""
        for tensor, value in zip(taken, values, strict=True):
            if value.finite is None and not value.parameter and value.dtype.is_floating_point:
                maker = self._record.producer(value)
                if maker is None or maker.name not in UNSET:
                    look_at(value, tensor)

    def _add(self, operator: Operator, args: Any, kwargs: Any) -> None:
        names = ("input1", "input2", "target") if operator.name in PAIRS else ("input", "target")
        if operator.name == "ctc_loss":
            names = ("log_probs", "targets")
        found = {**kwargs, **dict(zip(names, args, strict=False))}
        given, target = found.get(names[0]), found.get(names[-1])
        if _is_readable(given) and _is_readable(target):
            ctc = ctc_arguments(args, kwargs) if operator.name == "ctc_loss" else None
            call = LossCall(operator, contents_of(given), contents_of(target), ctc)
            self._record.losses.append(call)
        padded = self._padded.judge(operator, args, kwargs)
        if padded is not None:
            self._record.content_facts.padded_targets.append(padded)


def _rounds(name: str, args: Any, kwargs: Any) -> bool:
    """Return whether a call turns several floating-point numbers into integers."""
    tensor: Any = args[0] if args else None
    if not _is_readable(tensor) or not tensor.is_floating_point() or tensor.numel() < 2:  # noqa: PLR2004  (a mask, not a number)
        return False
    dtypes = [value for value in (*args[1:], *kwargs.values()) if isinstance(value, torch.dtype)]
    return name not in {"to", "type"} or any(dtype in INTEGERS for dtype in dtypes)


def _are_integers(args: Any) -> bool:
    """Return whether the operands are two tensors of several integers each, and no masks."""
    return len(args) == 2 and all(  # noqa: PLR2004  (two operands)
        _is_readable(one) and one.dtype in INTEGERS and one.numel() > 1 for one in args
    )


def _is_readable(value: object) -> bool:
    if not isinstance(value, torch.Tensor) or value.is_complex():
        return False
    return all_finite(value if value.is_floating_point() else value.float()) is not None
