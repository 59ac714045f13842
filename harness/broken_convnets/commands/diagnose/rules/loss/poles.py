"""Operators that are not finite, or not smooth, for some inputs: why, and how to guard them."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.rules.loss.producers import applied_to, producer, renamed
from broken_convnets.commands.diagnose.sites import site_of
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.contents import Contents
    from broken_convnets.observe.recorder.recorded_events import Operator

    Attempt = tuple[int, Callable[[], Patch]]

DIVISIONS = frozenset(
    {"div", "true_divide", "__truediv__", "__itruediv__", "__rtruediv__", "__rdiv__"}
)
ROOTS = frozenset({"sqrt", "rsqrt"})
LOGARITHMS = frozenset({"log", "log2", "log10"})
POWERS = frozenset({"pow", "__pow__"})
OVERFLOW = 88.0  # exp of more is not a float32
SMALL = "1e-8"
NOTHING = ": there is nothing to average"
INVERSE = "-1 + 1e-6, 1 - 1e-6"
LIMITS = {"acos": INVERSE, "asin": INVERSE, "atanh": INVERSE, "exp": "max=20"}  # for clamp


def name_of(operator: Operator) -> str:
    """Return the name of an operator without the underscore of the one that works in place."""
    name = operator.name
    return name if name.endswith("__") else name.removesuffix("_")


def has_no_slope(evidence: Evidence, operator: Operator) -> bool:
    """Return whether an input is at a place where the derivative is infinite."""
    given = evidence.record.read_inputs.get(operator.number)
    name = name_of(operator)
    if given is None:
        return False
    if name in ROOTS:
        return given.zeros > 0
    if name in POWERS:
        power = operator.literals.get(1)
        return isinstance(power, float) and 0 < power < 1 and given.zeros > 0
    if name in {"acos", "asin", "atanh"}:
        return max(abs(given.minimum), abs(given.maximum)) >= 1
    return False


def explain(evidence: Evidence, operator: Operator) -> str:
    """Return what is special about the input of an operator, with the program's numbers."""
    if operator.name == "ctc_loss":
        return _ctc(evidence, operator)
    given = evidence.record.read_inputs.get(operator.number)
    if given is None:
        return _without_elements(evidence, operator)
    if not given.count:
        return _without_elements(evidence, operator)
    return _peculiarity(name_of(operator), given)


def _without_elements(evidence: Evidence, operator: Operator) -> str:
    """Return what an average had nothing of, if that is so."""
    call = next((c for c in evidence.record.losses if c.operator is operator), None)
    ignored = operator.literals.get("ignore_index")
    if call and call.target.count and call.target.minimum == call.target.maximum == ignored:
        return f"all {call.target.count} targets are {ignored}, the ignore_index{NOTHING}"
    if any(0 in value.shape for value in operator.inputs):
        return f"{operator.name} received shape {list(operator.inputs[0].shape)}{NOTHING}"
    return f"{operator.name} received {', '.join(str(value) for value in operator.inputs)}"


def _peculiarity(name: str, given: Contents) -> str:
    if name == "softmax" and not given.finite:
        return "all scores of a row are -inf: the whole row is masked"
    if name in {"std", "var"} and not given.zeros:
        return f"{name} of a single element is not defined, input {list(given.shape)}"
    what = "the divisor" if name in DIVISIONS else f"the input of {name}"
    if given.zeros:
        return f"{what} is 0 in {given.zeros} of {given.count} elements"
    return f"{what} is from {given.minimum:.3g} to {given.maximum:.3g}"


def _ctc(evidence: Evidence, operator: Operator) -> str:
    call = next((c for c in evidence.record.losses if c.operator is operator), None)
    ctc = call.ctc if call else None
    pairs = list(zip(ctc.input_lengths, ctc.target_lengths, strict=False)) if ctc else []
    longer = [(given, target) for given, target in pairs if target > given]
    if longer:
        given, target = longer[0]
        return f"a target has {target} labels, and its input {given} steps"
    if pairs:
        given, target = min(pairs, key=lambda pair: pair[0] - pair[1])
        return (
            f"a target has {target} labels and its input {given} steps; repeated labels need "
            "a blank between them"
        )
    return "a target is longer than its input"


def guarded(evidence: Evidence, operator: Operator) -> Iterator[Attempt]:
    """Yield changes that keep the input of an operator away from where it is not finite."""
    source = evidence.source(operator.places[0].file)
    node = source.expression_at(operator.places[0]) if source else None
    if source is None or node is None:
        return
    name = name_of(operator)
    if name in DIVISIONS:
        yield from _divisor(source, node)
    elif name in LOGARITHMS:
        yield from _logarithm(evidence, operator, source, node)
    elif name in SPECIAL:
        yield from SPECIAL[name](evidence, operator)
    elif name == "std" and isinstance(node, ast.Call):
        yield 0, partial(edits.set_argument, source, node, "unbiased", None, "False")
    else:
        given = evidence.record.read_inputs.get(operator.number)
        negative = given is not None and given.minimum < 0
        yield from _within_domain(source, node, name, negative=negative)


def _within_domain(
    source: Source, node: ast.expr, name: str, *, negative: bool
) -> Iterator[Attempt]:
    inner = node.left if isinstance(node, ast.BinOp) else _argument_of(node, name)
    if name in ROOTS | POWERS and negative:
        yield from _clamped(source, inner, f"min={SMALL}")
    elif name in ROOTS | POWERS:
        yield from _shifted(source, inner)
    elif name in LIMITS:
        yield from _clamped(source, inner, LIMITS[name])


def _argument_of(node: ast.expr, name: str) -> ast.expr | None:
    return applied_to(node, name) if isinstance(node, ast.Call) else None


def _shifted(source: Source, node: ast.expr | None) -> Iterator[Attempt]:
    if node is not None:
        text = source.text_of(node)
        called = isinstance(source.parent(node), ast.Attribute)
        shifted = f"({text} + {SMALL})" if called else f"{text} + {SMALL}"
        yield 0, partial(edits.replace, source, [(node, shifted)])
        yield from _clamped(source, node, f"min={SMALL}", 1)


def _clamped(
    source: Source, node: ast.expr | None, limits: str, rank: int = 0
) -> Iterator[Attempt]:
    if node is not None:
        text = source.owner_text(node)
        yield rank, partial(edits.replace, source, [(node, f"{text}.clamp({limits})")])


def _divisor(source: Source, node: ast.expr) -> Iterator[Attempt]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        divisor: ast.expr | None = node.right
    elif isinstance(node, ast.Call):
        arguments = node.args
        divisor = arguments[-1] if arguments else None
    else:
        statement = source.statement_of(node)
        divisor = statement.value if isinstance(statement, ast.AugAssign) else None
    if divisor is not None:
        text = source.text_of(divisor)
        yield 0, partial(edits.replace, source, [(divisor, f"({text} + {SMALL})")])
        yield from _clamped(source, divisor, f"min={SMALL}", 1)


def _logarithm(
    evidence: Evidence, operator: Operator, source: Source, node: ast.expr
) -> Iterator[Attempt]:
    """Yield the changes of log(softmax(x)) into log_softmax(x), and of log(x) into log(x + e)."""
    inner = _argument_of(node, operator.name.removesuffix("_"))
    maker = producer(evidence, operator.inputs[0])
    if isinstance(inner, ast.Call) and maker and called_name(inner) == maker.name:
        new = {"softmax": ("log_softmax", "LogSoftmax"), "sigmoid": ("logsigmoid", "LogSigmoid")}
        if maker.name in new:
            for rank, attempt in renamed(evidence, maker, *new[maker.name]):
                old, changes = attempt.args  # type: ignore[attr-defined]  # a partial of edits.replace
                text = source.text_of(inner).replace(
                    source.text_of(changes[0][0]), changes[0][1], 1
                )
                if old is source:
                    yield rank, partial(edits.replace, source, [(node, text)])
    for rank, attempt in _shifted(source, inner):
        yield rank + 2, attempt


def _less_than_infinite(evidence: Evidence, softmax: Operator) -> Iterator[Attempt]:
    """Yield the change of the mask's -inf into a number that is large enough."""
    maker = producer(evidence, softmax.inputs[0])
    site = site_of(evidence, maker.places) if maker and "masked_fill" in maker.name else None
    if site is not None and site.call.args:
        yield 0, partial(edits.replace, site.source, [(site.call.args[-1], "-1e9")])


def _zero_infinity(evidence: Evidence, operator: Operator) -> Iterator[Attempt]:
    built = evidence.record.construction_of(operator)
    places = built.places if built and operator.layer == "CTCLoss" else operator.places
    source = evidence.source(places[0].file) if places else None
    call = source.call_at(places[0]) if source else None
    if source is not None and call is not None and argument(call, "zero_infinity") is None:
        yield 0, partial(edits.set_argument, source, call, "zero_infinity", None, "True")


def _without_average(evidence: Evidence, operator: Operator) -> Iterator[Attempt]:
    """Yield the change of the average of nothing, which is NaN, into 0."""
    site = site_of(evidence, operator.places)
    if site is not None and _without_elements(evidence, operator).endswith(NOTHING):
        text = f"{site.source.text_of(site.call)}.nan_to_num()"
        yield 0, partial(edits.replace, site.source, [(site.call, text)])


SPECIAL = {
    "ctc_loss": _zero_infinity,
    "softmax": _less_than_infinite,
    **dict.fromkeys(("cross_entropy", "mse_loss", "l1_loss", "nll_loss", "mean"), _without_average),
    "binary_cross_entropy_with_logits": _without_average,
}
