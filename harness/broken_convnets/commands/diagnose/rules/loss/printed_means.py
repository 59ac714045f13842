"""A loss that is printed every n batches is the mean of the n batches since it was printed."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.counters import unwrapped
from broken_convnets.commands.diagnose.sites import (
    candidates,
    location_in,
    require_success,
)
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

    Loop = ast.For | ast.While

BARS = frozenset({"tqdm", "trange", "track"})  # around what is iterated over
COUNTS = frozenset({"enumerate", "range", "trange"})


class Division(NamedTuple):
    """A sum that is divided by a number every `batches` batches, and then begins at 0 again."""

    node: ast.BinOp
    divisor: ast.Constant
    batches: int
    name: str


@rule(
    "a mean that is printed every n batches is over n batches",
    stays_quiet="unless the sum of the losses of the batches is divided by a number in a branch "
    "for every n-th batch, which sets it to 0, and that is neither n nor the number of samples",
)
def printed_mean_of_other_batches(evidence: Evidence) -> Iterator[Finding]:
    """Find `if i % 10 == 9: print(running / 2000); running = 0.0`."""
    require_success(evidence)
    passes = evidence.record.passes
    sizes = {value.shape[0] for one in passes for value in one.received if value.shape}
    for source in evidence.user_sources:
        for branch in source.statements:
            loops = source.loops_around(branch)
            if not isinstance(branch, ast.If) or not loops or branch not in loops[0].body:
                continue
            batches = _period(branch.test, loops[0])
            for found in _divisions(source, branch, batches) if batches else ():
                samples = {batches * size for size in sizes} if batches else set()
                if found.divisor.value not in samples:
                    yield _finding(source, branch, found)


def _finding(source: Source, branch: ast.If, found: Division) -> Finding:
    change = partial(edits.replace, source, [(found.divisor, str(found.batches))])
    text = source.text_of(found.node)
    return Finding(
        kind="loss/accuracy_divided_by_batches",
        message=f"`{text}` is not the mean of a batch: "
        f"{found.name} is the sum of {found.batches} batches",
        evidence=f"`{source.text_of(branch.test)}` is true once in {found.batches} batches, and "
        f"{found.name} is set to 0 there; it is divided by {source.text_of(found.divisor)}",
        cause=location_in(source, found.node),
        subject=text,
        candidates=candidates((0, change)),
        confidence=7,
    )


def _period(test: ast.expr, loop: Loop) -> int | None:
    """Return n of `i % n == n - 1`, `(i + 1) % n == 0` and the like, if i counts the batches."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    rest = test.left
    if not isinstance(test.ops[0], ast.Eq) or not isinstance(rest, ast.BinOp):
        return None
    number = rest.right.value if isinstance(rest.right, ast.Constant) else None
    names = [node.id for node in ast.walk(rest.left) if isinstance(node, ast.Name)]
    counts = len(names) == 1 and _counts_batches(names[0], loop)
    known = isinstance(rest.op, ast.Mod) and type(number) is int and number > 1
    return number if known and counts and isinstance(number, int) else None


def _counts_batches(name: str, loop: Loop) -> bool:
    """Return whether a variable grows by 1 in each turn of a loop."""
    stored = [n for n in ast.walk(loop) if isinstance(n, ast.Name) and n.id == name]
    if sum(isinstance(node.ctx, ast.Store) for node in stored) != 1:
        return False
    if any(_adds_one(one, name) for one in loop.body):
        return True
    if not isinstance(loop, ast.For):
        return False
    target, over = loop.target, loop.iter
    while isinstance(over, ast.Call) and called_name(over) in BARS and over.args:
        if called_name(over) == "trange":
            break
        over = over.args[0]
    first = target.elts[0] if isinstance(target, ast.Tuple) else target
    by_one = isinstance(over, ast.Call) and called_name(over) in COUNTS and len(over.args) <= 2  # noqa: PLR2004  (no step)
    return by_one and isinstance(first, ast.Name) and first.id == name


def _adds_one(statement: ast.stmt, name: str) -> bool:
    if not isinstance(statement, ast.AugAssign) or not isinstance(statement.op, ast.Add):
        return False
    value = statement.value
    one = isinstance(value, ast.Constant) and value.value == 1
    return one and isinstance(statement.target, ast.Name) and statement.target.id == name


def _divisions(source: Source, branch: ast.If, batches: int) -> Iterator[Division]:
    cleared = {
        source.text_of(target)
        for node in branch.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and node.value.value == 0
        for target in node.targets
    }
    for node in (one for statement in branch.body for one in ast.walk(statement)):
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Div):
            continue
        name, divisor = source.text_of(node.left), node.right
        around = source.parent(node)
        scaled = isinstance(around, ast.BinOp) and not isinstance(around.op, ast.Mod | ast.Add)
        if name not in cleared or scaled or not isinstance(divisor, ast.Constant):
            continue
        other = type(divisor.value) is int and divisor.value not in {1, batches}
        if other and _adds_one_loss(source, source.loops_around(branch)[0], name):
            yield Division(node, divisor, batches, name)


def _adds_one_loss(source: Source, loop: Loop, name: str) -> bool:
    """Return whether each turn of a loop adds the mean loss of a batch to a sum, and no more."""
    growths = [
        node
        for node in ast.walk(loop)
        if isinstance(node, ast.AugAssign) and source.text_of(node.target) == name
    ]
    added = unwrapped(growths[0].value) if len(growths) == 1 else None
    if isinstance(added, ast.Attribute) and added.attr == "data":
        added = added.value
    if not isinstance(added, ast.Name) or growths[0] not in loop.body:
        return False
    texts = [source.text_of(one) for one in ast.walk(loop) if isinstance(one, ast.Call)]
    return f"{added.id}.backward()" in texts and _is_mean(source, loop, added.id)


def _is_mean(source: Source, loop: Loop, loss: str) -> bool:
    """Return whether nothing divides or multiplies a loss, and no loss of the file is a sum."""
    for node in ast.walk(loop):
        if isinstance(node, ast.AugAssign) and source.text_of(node.target) == loss:
            return False
        if isinstance(node, ast.Assign) and loss in map(source.text_of, node.targets):
            scaled = isinstance(node.value, ast.BinOp) and not isinstance(node.value.op, ast.Add)
            if scaled or "sum" in source.text_of(node.value):
                return False
    keywords = (n for n in source.nodes if isinstance(n, ast.keyword) and n.arg == "reduction")
    sums = (n.value for n in keywords if isinstance(n.value, ast.Constant))
    return all(one.value != "sum" for one in sums)
