"""Compute what statements about predictions and labels return, for counts that are known.

The predictions and the labels are replaced by 15 pairs: 1 true positive, 2 false positives, 4 false
negatives and 8 true negatives. Any sum of these tells which of them it counts.
"""

from __future__ import annotations

import ast
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from broken_convnets.commands.diagnose.rules.loss.confusion_tables import (
    is_count,
    part_of,
    summed,
    table_of,
)
from broken_convnets.commands.diagnose.rules.loss.known_pairs import (
    ACTUAL,
    CHOICES,
    EXTREMES,
    FAILURES,
    FUNCTIONS,
    LABEL,
    MODULES,
    NETWORK,
    OPERATORS,
    PREDICTED,
    PREDICTION,
    SAME,
    SUMS,
    TABLES,
    Unknown,
    named,
    number,
    unknown,
)
from broken_convnets.commands.diagnose.rules.loss.rate_syntax import (
    assigned,
    called_name_of,
    may_predict,
)
from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from broken_convnets.commands.diagnose.source import Source

DEPTH = 2  # of functions that call functions


class Counts:
    """The values of variables, attributes and items that statements assign, by their text."""

    def __init__(self, source: Source, values: Mapping[str, Any], depth: int = 0) -> None:
        """Start with some values; `depth` is how many calls of functions are around."""
        self.values = dict(values)
        self._source = source
        self._depth = depth
        self._unknown: set[str] = set()  # what is called a label, and may be a prediction

    # A rate of nothing is NaN. NumPy is not there for mypy.
    @np.errstate(all="ignore")  # type: ignore[untyped-decorator]
    def run(self, statements: Iterable[ast.stmt]) -> None:
        """Assign what the statements assign, as far as it is known."""
        for statement in statements:
            if isinstance(statement, ast.For):
                self._begin(statement.target, statement.iter)
            for target, value in assigned(statement):
                is_start = isinstance(value, ast.Constant) and not isinstance(target, ast.Subscript)
                if is_start or called_name_of(value) in {"zeros", "zeros_like"}:
                    continue
                try:
                    self._set(target, self._added(target, value))
                except (Unknown, *FAILURES):
                    self.values.pop(ast.unparse(target), None)
                    if may_predict(value) and LABEL.search(ast.unparse(target).lower()):
                        self._unknown.add(ast.unparse(target))

    def _set(self, target: ast.expr, value: Any) -> None:
        self.values[ast.unparse(target)] = value
        if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant):
            self.values[ast.unparse(target.value)] = value

    def _added(self, target: ast.expr, value: ast.expr) -> Any:
        """Return the value that is assigned; of `matrix[row, column] += 1`, the whole matrix."""
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Tuple):
            pairs = [self._paired(one) for one in target.slice.elts]
            if len(pairs) == 2 and any(one is PREDICTED for one in pairs):  # noqa: PLR2004  (row, column)
                return table_of(*(ACTUAL if one is None else one for one in pairs))
        return self.value(value)

    def _paired(self, node: ast.expr) -> Any:
        """Return the pairs of a row or a column; None for what is neither a count nor predicted."""
        try:
            return self.value(node)
        except Unknown:
            return None

    def _begin(self, target: ast.expr, iterated: ast.expr) -> None:
        """Give a class its number, zipped names their pairs, and the end of a batch the labels."""
        name = called_name_of(iterated)
        if name == "range" and isinstance(target, ast.Name):
            self.values[target.id] = 1.0
        if name == "zip" and isinstance(target, ast.Tuple) and isinstance(iterated, ast.Call):
            for one, other in zip(target.elts, iterated.args, strict=False):
                with suppress(Unknown, *FAILURES):
                    self.values[ast.unparse(one)] = self.value(other)
        if name == "enumerate" and isinstance(target, ast.Tuple):
            target = target.elts[-1]
        if name != "zip" and isinstance(target, ast.Tuple) and len(target.elts) == 2:  # noqa: PLR2004  (inputs, labels)
            self.values.setdefault(ast.unparse(target.elts[1]), ACTUAL)

    @np.errstate(all="ignore")  # type: ignore[untyped-decorator]
    def value(self, node: ast.expr) -> Any:
        """Return the value of an expression; raises Unknown."""
        text = ast.unparse(node)
        if text in self.values:
            return self.values[text]
        if text in self._unknown:
            raise Unknown
        kinds: dict[type, Callable[[Any], Any]] = {
            ast.Constant: number,
            ast.Name: named,
            ast.Attribute: named,
            ast.BinOp: self._combined,
            ast.UnaryOp: self._inverted,
            ast.Compare: self._compared,
            ast.IfExp: lambda one: self.value(one.body),
            ast.Subscript: lambda one: self._part(self.value(one.value), one.slice),
            ast.Call: self._called,
        }
        return kinds.get(type(node), unknown)(node)

    def _combined(self, node: ast.BinOp) -> Any:
        if isinstance(node.op, ast.Mult) and is_count(node.left):
            return 2 * self.value(node.right)
        if type(node.op) not in OPERATORS:
            raise Unknown
        return OPERATORS[type(node.op)](self.value(node.left), self.value(node.right))

    def _inverted(self, node: ast.UnaryOp) -> Any:
        if not isinstance(node.op, ast.Invert):
            raise Unknown
        return 1 - self.value(node.operand)

    def _part(self, value: Any, index: ast.expr) -> Any:
        if np.ndim(value) == 2:  # noqa: PLR2004  (a table)
            return part_of(value, index, self.value)
        if np.ndim(value) == 0 or np.size(value) == len(ACTUAL):
            return value
        raise Unknown

    def _compared(self, node: ast.Compare) -> Any:
        """Return an equality, or a decision: scores above a threshold, or labels above one."""
        operator, right = node.ops[0], node.comparators[0]
        if len(node.ops) == 1 and isinstance(operator, ast.Eq | ast.NotEq):
            found = np.equal(self.value(node.left), self.value(right)) * 1.0
            return found if isinstance(operator, ast.Eq) else 1 - found
        if len(node.ops) > 1 or not isinstance(operator, ast.Gt | ast.GtE):
            raise Unknown
        return self._decided(node.left)

    def _decided(self, node: ast.expr) -> Any:
        """Return the pairs for scores that become decisions, and for labels that do."""
        try:
            found = self.value(node)
        except Unknown:
            parts = [n for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute)]
            texts = [ast.unparse(part).lower() for part in parts]
            if any(map(PREDICTION.search, texts)) or any(map(NETWORK.search, texts)):
                return PREDICTED
            if any(map(LABEL.search, texts)):
                return ACTUAL
            raise
        if np.ndim(found):
            return found
        raise Unknown

    def _called(self, node: ast.Call) -> Any:
        name, function = called_name(node), node.func
        operands = list(node.args)
        if isinstance(function, ast.Attribute) and ast.unparse(function.value) not in MODULES:
            operands.insert(0, function.value)
        elif name in EXTREMES and len(operands) == 2:  # noqa: PLR2004  (a count and 1)
            return EXTREMES[name](*map(self.value, operands))
        if not operands:
            return self._returned(node)
        if name in CHOICES:
            return self._decided(operands[0])
        if name in FUNCTIONS:
            return FUNCTIONS[name](*map(self.value, operands))
        if name in SUMS | SAME | TABLES.keys():
            return self._kept(name, self.value(operands[0]), node, operands[1:])
        return self._returned(node)

    def _kept(self, name: str, value: Any, node: ast.Call, others: list[ast.expr]) -> Any:
        """Return a sum, a table, or the value itself."""
        if name in SUMS:
            return summed(value, node, others) if np.ndim(value) == 2 else np.sum(value)  # noqa: PLR2004  (a table)
        return TABLES[name](value) if name in TABLES else value

    def _returned(self, node: ast.Call) -> Any:
        """Return what a function of the file returns last; raises Unknown."""
        name = called_name(node)
        found = [n for n in self._source.nodes if isinstance(n, ast.FunctionDef) and n.name == name]
        returns = [n for f in found for n in ast.walk(f) if isinstance(n, ast.Return) and n.value]
        if len(found) != 1 or len(returns) != 1 or self._depth >= DEPTH:
            raise Unknown
        names = [one.arg for one in found[0].args.args if one.arg != "self"]
        inner = Counts(self._source, self._held(), self._depth + 1)
        for parameter, given in zip(names, node.args, strict=False):
            with suppress(Unknown, *FAILURES):
                inner.values[parameter] = self.value(given)
        inner.run(one for one in ast.walk(found[0]) if isinstance(one, ast.stmt))
        assert returns[0].value is not None  # noqa: S101  (for the type checker)
        return inner.value(returns[0].value)

    def _held(self) -> dict[str, Any]:
        return {name: v for name, v in self.values.items() if name.startswith("self.")}
