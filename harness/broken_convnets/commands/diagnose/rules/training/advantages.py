"""The advantages of an episode do not depend on the episode after it.

Schulman et al., High-dimensional continuous control using generalized advantage estimation (2016),
equation 16: the sum over later steps ends with the episode.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.training.discounted_returns import BACKWARD
from broken_convnets.commands.diagnose.sites import location_in, require_success
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source

END = re.compile(r"done|termina|(^|_)ends?($|_)", re.IGNORECASE)
MASK = re.compile(r"mask|non_?termina|not_?done|alive|continu", re.IGNORECASE)
DEPTH = 4  # of assignments in the loop


@dataclass(frozen=True)
class Carried:
    """A sum in a loop over steps that a product carries on to the step before."""

    name: str
    update: ast.Assign | ast.AugAssign
    product: str


@rule(
    "the advantage of a step does not depend on later episodes",
    stays_quiet="unless a loop runs over steps from the last to the first one, masks the value of "
    "the next step at the end of an episode, carries a discounted sum on without any mask, and "
    "episodes end before the last step",
)
def advantage_crosses_episodes(evidence: Evidence) -> Iterator[Finding]:
    """Find `gae = delta + gamma * lam * gae` without `(1 - done)`."""
    require_success(evidence)
    for ends in evidence.record.content_facts.episode_ends.values():
        source = evidence.source(ends.file)
        if source is None or not ends.ends:
            continue
        for loop in _loops(source, ends.name):
            mask, carried = _mask(loop), _carried(source, loop)
            if mask is None or carried is None:
                continue
            yield Finding(
                kind="loss/wrong_loss",
                message=f"{carried.name} is carried from one episode into the one before",
                evidence=f"{ends.ends} of {ends.steps} steps in {ends.name} end an episode before "
                f"the last step; `{source.text_of(mask)}` masks the value of the next step there, "
                f"and `{carried.product}` is not masked",
                cause=location_in(source, carried.update),
                symptom=location_in(source, mask),
                subject=carried.name,
                confidence=7,
            )
            return


def _loops(source: Source, name: str) -> Iterator[ast.For]:
    """Yield the loops from the last to the first step that read the ends of episodes."""
    for loop in source.statements:
        if isinstance(loop, ast.For) and BACKWARD.search(source.text_of(loop.iter)):
            plain = not any(isinstance(node, ast.If | ast.IfExp) for node in ast.walk(loop))
            if (
                plain
                and _is_over_all(loop.iter)
                and re.search(rf"\b{re.escape(name)}\b", source.text_of(loop))
            ):
                yield loop


def _is_over_all(steps: ast.expr) -> bool:
    """Return whether a loop is over all steps, and not over those of one episode."""
    for node in ast.walk(steps):
        if isinstance(node, ast.Slice) and (node.lower or node.upper):
            return False
        if isinstance(node, ast.Call) and called_name(node) == "range" and len(node.args) > 1:
            least = node.args[0] if len(node.args) == 2 else node.args[1]  # noqa: PLR2004  (start, stop)
            if ast.unparse(least) not in {"0", "-1"}:
                return False
    return True


def _assigned(loop: ast.For, name: str) -> list[ast.expr]:
    return [
        node.value
        for node in ast.walk(loop)
        if isinstance(node, ast.Assign)
        and any(isinstance(t, ast.Name) and t.id == name for t in node.targets)
    ]


def _is_mask(loop: ast.For, node: ast.AST, depth: int = DEPTH) -> bool:
    """Return whether an expression is 0 at the end of an episode, or contains such a factor."""
    for one in ast.walk(node):
        if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Sub):
            constant = isinstance(one.left, ast.Constant) and one.left.value == 1
            if constant and any(END.search(name) for name in _names(one.right)):
                return True
        if isinstance(one, ast.UnaryOp) and isinstance(one.op, ast.Invert | ast.Not):
            return True
        if isinstance(one, ast.Name | ast.Attribute):
            name = one.id if isinstance(one, ast.Name) else one.attr
            values = _assigned(loop, name) if depth else []
            if MASK.search(name) or any(_is_mask(loop, v, depth - 1) for v in values):
                return True
    return False


def _names(node: ast.AST) -> list[str]:
    found = (one for one in ast.walk(node) if isinstance(one, ast.Name | ast.Attribute))
    return [one.id if isinstance(one, ast.Name) else one.attr for one in found]


def _mask(loop: ast.For) -> ast.expr | None:
    """Return the first product with a mask, the largest one around it."""
    for node in ast.walk(loop):
        product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)
        if isinstance(node, ast.BinOp) and product and _is_mask(loop, node):
            return node
    return None


def _carried(source: Source, loop: ast.For) -> Carried | None:
    """Return the sum that a loop discounts and carries on without a mask; None if none is."""
    updates = [n for n in ast.walk(loop) if isinstance(n, ast.Assign | ast.AugAssign)]
    for update in updates:
        target = update.targets[0] if isinstance(update, ast.Assign) else update.target
        if not isinstance(target, ast.Name):
            continue
        products = [
            product
            for one in updates
            if _target(one) == target.id
            for product in _products(source, one, target.id)
        ]
        own = next(_products(source, update, target.id), None)
        masked = any(_is_mask(loop, _without(product, target.id)) for product in products)
        if own is not None and not masked and _is_plain(source, updates, target.id):
            return Carried(target.id, update, source.text_of(own))
    return None


def _target(update: ast.Assign | ast.AugAssign) -> str:
    target = update.targets[0] if isinstance(update, ast.Assign) else update.target
    return target.id if isinstance(target, ast.Name) else ""


def _products(source: Source, update: ast.Assign | ast.AugAssign, name: str) -> Iterator[ast.expr]:
    """Yield the products of a variable in an assignment to itself."""
    if isinstance(update, ast.AugAssign):
        if isinstance(update.op, ast.Mult):
            yield update.value
        return
    for node in ast.walk(update.value):
        if isinstance(node, ast.Name) and node.id == name:
            product: ast.AST = node
            for parent in source.ancestors(node):
                if not isinstance(parent, ast.BinOp) or not isinstance(parent.op, ast.Mult):
                    break
                product = parent
            if isinstance(product, ast.BinOp):
                yield product


def _without(product: ast.expr, name: str) -> ast.expr:
    """Return the factors of a product, one variable left out."""
    if isinstance(product, ast.BinOp):
        for one, other in ((product.left, product.right), (product.right, product.left)):
            if isinstance(one, ast.Name) and one.id == name:
                return other
        left, right = _without(product.left, name), _without(product.right, name)
        return ast.BinOp(left, product.op, right)
    return product


def _is_plain(source: Source, updates: list[ast.Assign | ast.AugAssign], name: str) -> bool:
    """Return whether arithmetic alone changes a variable: no call, and no items of it."""
    for update in updates:
        target = update.targets[0] if isinstance(update, ast.Assign) else update.target
        if isinstance(target, ast.Subscript) and source.text_of(target.value) == name:
            return False
        if _target(update) == name:
            for node in ast.walk(update.value):
                inside = isinstance(node, ast.Call) and name in _names(node)
                if inside or isinstance(node, ast.Compare):
                    return False
    return True
