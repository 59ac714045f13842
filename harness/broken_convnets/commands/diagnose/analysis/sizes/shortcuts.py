"""Candidate changes for a residual connection whose shortcut does not follow the main branch."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.analysis.sizes.arguments import constructor
from broken_convnets.commands.diagnose.analysis.sizes.layers import position
from broken_convnets.commands.diagnose.edits import Patch, insert_after, replace
from broken_convnets.commands.diagnose.sites import location_in
from broken_convnets.commands.diagnose.source import Source, argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.analysis.sizes.branches import Branch
    from broken_convnets.commands.diagnose.analysis.sizes.changes import Change
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Location
    from broken_convnets.commands.diagnose.sites import Site


class MainBranch:
    """How the source writes the sizes of the convolutions of a residual block."""

    def __init__(self, evidence: Evidence, branch: Branch) -> None:
        """Read the constructors of the first and the last convolution."""
        steps = branch.convolutions
        sites = [constructor(evidence, step.construction) for step in steps]
        self.site: Site | None = sites[-1] if sites else None
        self._steps, self._sites = steps, sites
        self.inputs = self._text(-1, "in_channels")
        self.outputs = self._text(0, "out_channels")
        strides = [self._text(k, "stride") for k in range(len(steps))]
        strided = [text for text in strides if text not in {"", "1"}]
        self.stride = strided[0] if len(strided) == 1 else ""
        self.kind = type(steps[0].layer).__name__ if steps else ""

    def _text(self, index: int, name: str) -> str:
        if not self._sites or self._sites[index] is None:
            return ""
        site, layer = self._sites[index], self._steps[index].layer
        node = argument(site.call, name, position(layer, name)) if site else None
        return site.source.text_of(node) if site and node is not None else ""

    @property
    def is_known(self) -> bool:
        """Whether the source of all sizes was found, in one class."""
        sites = [site for site in self._sites if site is not None]
        owners = {id(site.source.class_of(site.call)) for site in sites}
        return bool(sites) and len(owners) == 1 and bool(self.inputs and self.outputs)

    @property
    def differs(self) -> str:
        """A condition for a projection: `stride != 1 or inputs != outputs`."""
        parts = []
        if self.stride and not self.stride.isdecimal():
            parts.append(f"{self.stride} != 1")
        if self.inputs != self.outputs:
            parts.append(f"{self.inputs} != {self.outputs}")
        return " or ".join(parts)

    def projection(self, convolution: str) -> str:
        """Return the constructor of a 1 x 1 convolution that follows the main branch."""
        stride = f", stride={self.stride}" if self.stride else ""
        return f"{convolution}({self.inputs}, {self.outputs}, kernel_size=1{stride})"


def shortcut_changes(
    evidence: Evidence, main: Branch, operand: tuple[Source, ast.expr]
) -> Iterator[Change]:
    """Yield the changes that let an identity shortcut follow the main branch."""
    known = MainBranch(evidence, main)
    if not known.is_known or known.site is None:
        return
    source = known.site.source
    owner = source.class_of(known.site.call)
    function = source.function_of(known.site.call)
    if owner is None or function is None:
        return
    for test, text in _conditions(source, function, known):
        yield partial(replace, source, [(test, text)])
    for node, text in _identities(function, known):
        yield partial(replace, source, [(node, text)])
    if operand[0] is source and isinstance(operand[1], ast.Name):
        yield partial(_new_shortcut, known, operand[1])


def where_shortcut_is_chosen(evidence: Evidence, main: Branch) -> Location | None:
    """Return the condition that forgets the stride or the channels, or the identity itself."""
    known = MainBranch(evidence, main)
    function = known.site.source.function_of(known.site.call) if known.site else None
    if not known.is_known or known.site is None or function is None:
        return None
    source = known.site.source
    chosen = [*_conditions(source, function, known), *_identities(function, known)]
    return location_in(source, chosen[0][0]) if chosen else None


def _conditions(
    source: Source, function: ast.AST, known: MainBranch
) -> Iterator[tuple[ast.expr, str]]:
    """Yield the conditions that forget the stride or the channels, and what they should be."""
    for node in ast.walk(function):
        if isinstance(node, ast.If | ast.IfExp) and _has_convolution(node):
            test = source.text_of(node.test)
            missing = [part for part in known.differs.split(" or ") if part and part not in test]
            if missing:
                yield node.test, " or ".join([*missing, test])


def _has_convolution(node: ast.AST) -> bool:
    return any(isinstance(n, ast.Call) and "Conv" in ast.unparse(n.func) for n in ast.walk(node))


def _identities(function: ast.AST, known: MainBranch) -> Iterator[tuple[ast.expr, str]]:
    """Yield each `nn.Identity()`, and the projection that it should be."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Identity"):
            prefix = ast.unparse(node.func).removesuffix("Identity")
            yield node, known.projection(f"{prefix}{known.kind}")


def _new_shortcut(known: MainBranch, operand: ast.Name) -> Patch:
    """Add a projection to __init__, and use it for the operand."""
    site = known.site
    if site is None:
        return {}
    source = site.source
    prefix = site.called.removesuffix(known.kind)
    made, differs = known.projection(site.called), known.differs
    fixed = known.inputs.isdecimal() and known.outputs.isdecimal()
    text = made if fixed or not differs else f"{made} if {differs} else {prefix}Identity()"
    name = "self.shortcut"
    if name in source.text_of(source.class_of(site.call) or site.statement):
        name = "self.projection"
    used = replace(source, [(operand, f"{name}({operand.id})")])
    changed = Source(source.path, used[source.path])
    statement = changed.statement_at(site.statement.lineno)
    if statement is None:
        return {}
    return insert_after(changed, statement, f"{name} = {text}")
