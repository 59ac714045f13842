"""Which operator computed the numbers that a loss receives, and how to remove or replace it."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.shown import shown_path
from broken_convnets.commands.diagnose.sites import site_of
from broken_convnets.commands.diagnose.source import argument, called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator
    from broken_convnets.observe.recorder.values import Value

    Attempt = tuple[int, Callable[[], Patch]]

# Operators that return the numbers of their input, all or some of them, in another arrangement.
TRANSPARENT = frozenset(
    {"view", "reshape", "resize", "flatten", "squeeze", "unsqueeze", "contiguous", "clone"}
    | {"permute", "t"}
    | {"transpose", "movedim", "float", "double", "half", "to", "type", "type_as", "cpu", "cuda"}
    | {"__getitem__", "__get__ T", "swapaxes", "narrow", "select", "unbind", "split", "chunk"}
)
HOPS = 8
FULL = "torch.nn.Identity"
# The modules of torch that apply one function, and no parameters.
ACTIVATIONS = {
    "softmax": ("Softmax", "Softmax2d"),
    "log_softmax": ("LogSoftmax",),
    "sigmoid": ("Sigmoid",),
    "tanh": ("Tanh",),
    "relu": ("ReLU",),
    "dropout": ("Dropout",),
}
NAMESPACES = frozenset({"torch", "F", "nn", "functional", "special", "math", "np"})


def producer(evidence: Evidence, value: Value) -> Operator | None:
    """Return the operator that computed a value, through views and copies of it."""
    for _ in range(HOPS):
        found = evidence.record.producer(value)
        if found is None or found.name not in TRANSPARENT or not found.inputs:
            return found
        value = found.inputs[0]
    return None


def constructor_places(evidence: Evidence, operator: Operator) -> Sequence[Place]:
    """Return where the activation module that is an operator was constructed; empty if none."""
    if operator.layer not in ACTIVATIONS.get(operator.name.rstrip("_"), ()):
        return ()
    found = evidence.record.construction_of(operator)
    return found.places if found else ()


def origin_of(evidence: Evidence, operator: Operator) -> Sequence[Place]:
    """Return where an activation is constructed, if it is a module, else where it is called.

    If several lines call the module, the mistake is the call and not the module.
    """
    calls = {
        other.places[:1]
        for other in evidence.record.operators
        if operator.module and other.module == operator.module and other.name == operator.name
    }
    constructed = constructor_places(evidence, operator) if len(calls) <= 1 else ()
    return constructed or operator.places


def removal_of(evidence: Evidence, operator: Operator) -> Sequence[Place]:
    """Return where an activation is removed: where it is called, or constructed in a container."""
    places = origin_of(evidence, operator)
    site = site_of(evidence, places) if places and places is not operator.places else None
    itself = site is not None and operator.places and _is_called_itself(evidence, operator, site)
    return operator.places if itself else places


def shown(places: Sequence[Place]) -> str:
    """Return the innermost place as `file:line`; empty if there is none."""
    return f"{shown_path(places[0].file)}:{places[0].line}" if places else ""


def removals(evidence: Evidence, operator: Operator, rank: int = 0) -> Iterator[Attempt]:
    """Yield the changes that remove a function of one tensor: `torch.sigmoid(x)` becomes `x`."""
    site = site_of(evidence, constructor_places(evidence, operator))
    if site is None:
        yield from _removed_use(evidence, operator, rank)
        return
    without = _without_item(site.source, site.call)
    if without is not None:
        yield rank, without
    elif _is_called_itself(evidence, operator, site):
        yield from _removed_use(evidence, operator, rank)
    for more, name in enumerate(
        dict.fromkeys((_sibling(site.source, site.call, "Identity"), FULL))
    ):
        yield rank + 1 + more, partial(edits.replace, site.source, [(site.call, f"{name}()")])


def _is_called_itself(evidence: Evidence, operator: Operator, site: Site) -> bool:
    """Return whether the use calls what the constructor is assigned to: `self.act(x)`."""
    source = evidence.source(operator.places[0].file)
    call = source.expression_at(operator.places[0]) if source else None
    if (
        source is None
        or not isinstance(call, ast.Call)
        or not isinstance(site.statement, ast.Assign)
    ):
        return False
    called = source.text_of(call.func)
    return any(
        called == site.source.text_of(name) and value is site.call
        for target in site.statement.targets
        for name, value in _pairs(target, site.statement.value)
    )


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """Return the names and the values of an assignment: one pair, or one for each of a tuple."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=False))
    return [(target, value)]


def _removed_use(evidence: Evidence, operator: Operator, rank: int) -> Iterator[Attempt]:
    source = evidence.source(operator.places[0].file) if operator.places else None
    call = source.expression_at(operator.places[0]) if source else None
    if source is None or not isinstance(call, ast.Call):
        return
    inner = applied_to(call, operator.name)
    if inner is None:
        return
    statement = source.statement_of(call)
    text = source.text_of(inner)
    if isinstance(statement, ast.Assign) and statement.value is call:
        target = source.text_of(statement.targets[0])
        if target == text and len(statement.targets) == 1:
            yield rank, partial(edits.delete, source, statement)
            return
    yield rank, partial(edits.replace, source, [(call, _grouped(source, call, inner))])


def _grouped(source: Source, call: ast.Call, inner: ast.expr) -> str:
    """Return the text of an argument, in parentheses where what is around the call needs them."""
    text, parent = source.text_of(inner), source.parent(call)
    simple = isinstance(inner, ast.Name | ast.Call | ast.Attribute | ast.Subscript)
    alone = isinstance(parent, ast.stmt) or (isinstance(parent, ast.Call) and call in parent.args)
    return text if simple or alone else f"({text})"


def applied_to(call: ast.Call, name: str) -> ast.expr | None:
    """Return the tensor that a call of a function, method or module applies to."""
    function = call.func
    if isinstance(function, ast.Attribute) and function.attr == name:
        owner = function.value
        last = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
        if last not in NAMESPACES | {"self"}:  # `self.relu(x)` calls a layer
            return owner
    return call.args[0] if call.args else None


def _without_item(source: Source, call: ast.Call) -> Callable[[], Patch] | None:
    """Return the change that removes a layer from a Sequential, a list, or what appends it."""
    item: ast.expr = call
    parent = source.parent(item)
    if isinstance(parent, ast.Tuple):  # a name and a layer, of an OrderedDict
        item, parent = parent, source.parent(parent)
    if isinstance(parent, ast.List) and len(parent.elts) > 1:
        return partial(edits.replace, source, [(parent, _text_without(source, parent, item))])
    if not isinstance(parent, ast.Call) or item not in parent.args:
        return None
    statement = source.statement_of(call)
    if called_name(parent) in {"append", "add_module"} and isinstance(statement, ast.Expr):
        return partial(edits.delete, source, statement)
    if len(parent.args) > 1 and not parent.keywords:
        return partial(edits.replace, source, [(parent, _text_without(source, parent, item))])
    return None


def _text_without(source: Source, parent: ast.expr, item: ast.expr) -> str:
    """Return the text of a call or a list without one of its items."""
    whole = source.text.encode()
    start, end = _offset(source, item.lineno, item.col_offset), _end(source, item)
    before = whole[_offset(source, parent.lineno, parent.col_offset) : start].decode()
    after = whole[end : _end(source, parent)].decode()
    rest = after.lstrip()
    if rest.startswith(",") and rest[1:].lstrip()[:1] not in {")", "]"}:
        return before + rest[1:].lstrip()
    return before.rstrip().removesuffix(",") + after


def _offset(source: Source, line: int, column: int) -> int:
    return sum(len(text.encode()) + 1 for text in source.lines[: line - 1]) + column


def _end(source: Source, node: ast.expr) -> int:
    return _offset(source, node.end_lineno or node.lineno, node.end_col_offset or 0)


def renamed(evidence: Evidence, operator: Operator, function: str, module: str) -> list[Attempt]:
    """Return the change of a function, or of the constructor of its module, into another one."""
    built = evidence.record.construction_of(operator)
    is_module = built is not None and operator.places and built.places
    places = built.places if built and is_module and _is_torch_module(operator) else operator.places
    site = site_of(evidence, places)
    if site is None:
        return []
    new = module if places is not operator.places else function
    if places is operator.places and called_name(site.call).rstrip("_") != operator.name:
        return []
    text = _sibling(site.source, site.call, new)
    full = f"torch.nn.{new}" if new == module else f"torch.nn.functional.{new}"
    return [
        (rank, partial(edits.replace, site.source, [(site.call.func, name)]))
        for rank, name in enumerate(dict.fromkeys((text, full)))
    ]


def _is_torch_module(operator: Operator) -> bool:
    import torch.nn  # noqa: PLC0415  (rules are imported where torch may be missing)

    return hasattr(torch.nn, operator.layer)


def _sibling(source: Source, call: ast.Call, name: str) -> str:
    """Return another name of the namespace that a called function has: `nn.Identity`."""
    function = call.func
    owner = source.text_of(function.value) if isinstance(function, ast.Attribute) else ""
    return f"{owner}.{name}" if owner else name


def with_logarithm(evidence: Evidence, loss: Operator) -> Iterator[Attempt]:
    """Yield the change that passes logarithms of the probabilities to cross_entropy."""
    site = site_of(evidence, loss.places)
    given = argument(site.call, "input", 0) if site else None
    if site is not None and given is not None:
        new = f"{site.source.owner_text(given)}.log()"
        yield 2, partial(edits.replace, site.source, [(given, new)])
