"""Replace one-line idioms by equivalent ones: losses, keyword arguments, sizes, super."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from broken_convnets.commands.variants.calls import (
    attribute_of,
    call,
    is_of_torch,
    layer_name,
    rewritten,
)
from broken_convnets.commands.variants.program_pair import (
    EXPRESSION,
    ProgramPair,
    marks,
    with_marks_of,
)
from broken_convnets.commands.variants.syntax import dotted, expression, simple_statements

if TYPE_CHECKING:
    from random import Random


def losses(pair: ProgramPair, rng: Random) -> bool:
    """Replace a loss of torch.nn.functional by a loss module that is created and called at once."""
    names = {
        "cross_entropy": "CrossEntropyLoss",
        "mse_loss": "MSELoss",
        "nll_loss": "NLLLoss",
        "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
        "smooth_l1_loss": "SmoothL1Loss",
        "huber_loss": "HuberLoss",
    }
    nn = layer_name(pair)
    share = rng.choice((1.0, 1.0, 0.0))

    def rewrite(node: ast.Call) -> ast.expr | None:
        for function, layer in names.items():
            if is_of_torch(node, function) and len(node.args) == 2 and not node.keywords and share:  # noqa: PLR2004  (outputs and targets)
                return call(call(f"{nn}.{layer}", [], []), node.args, [])
        return None

    return rewritten(pair, rewrite)


def keywords(pair: ProgramPair, rng: Random) -> bool:
    """Pass arguments of layers by keyword instead of by position, or vice versa."""
    by_name = rng.random() < 0.5  # noqa: PLR2004  (half of the time)
    places = {
        "Conv2d": ("in_channels", "out_channels", "kernel_size"),
        "Linear": ("in_features", "out_features"),
        "BatchNorm2d": ("num_features",),
        "Dropout": ("p",),
    }
    chosen = {name for name in places if rng.random() < 0.6}  # noqa: PLR2004  (most)

    def rewrite(node: ast.Call) -> ast.expr | None:
        name = dotted(node.func).rpartition(".")[2]
        if name not in chosen or dotted(node.func).rpartition(".")[0] not in {"nn", "torch.nn"}:
            return None
        words = places[name]
        if by_name and len(node.args) <= len(words) and not _starred(node):
            given = [
                ast.keyword(word, value) for word, value in zip(words, node.args, strict=False)
            ]
            return call(node.func, [], [*given, *node.keywords]) if given else None
        following = words[len(node.args) :][:1]
        if not by_name and node.keywords and [node.keywords[0].arg] == [*following]:
            return call(node.func, [*node.args, node.keywords[0].value], node.keywords[1:])
        return None

    return rewritten(pair, rewrite)


def _starred(node: ast.Call) -> bool:
    return any(isinstance(value, ast.Starred) for value in node.args)


def small_idioms(pair: ProgramPair, rng: Random) -> bool:
    """Replace one-line idioms: sizes, super."""
    chosen = {name: rng.random() < 0.6 for name in ("size", "super")}  # noqa: PLR2004  (more often than not)
    transformer = _Idioms(chosen)
    pair.replace(transformer)
    return transformer.done > 0


class _Idioms(ast.NodeTransformer):
    """Replaces the idioms that were chosen."""

    def __init__(self, chosen: dict[str, bool]) -> None:
        self._chosen = chosen
        self.done = 0

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if self._chosen["super"]:
            for inner in simple_statements(node):
                if ast.unparse(inner) == "super().__init__()" and isinstance(inner, ast.Expr):
                    inner.value = expression(f"super({node.name}, self).__init__()")
                    self.done += 1
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        shape = isinstance(node.value, ast.Attribute) and node.value.attr == "shape"
        if not (shape and self._chosen["size"]) or isinstance(node.slice, ast.Slice | ast.Tuple):
            return node
        if EXPRESSION in marks(node) or not isinstance(node.value, ast.Attribute):
            return node
        self.done += 1
        return with_marks_of(call(attribute_of(node.value.value, "size"), [node.slice], []), node)
