"""Networks that this program does not train could be trained: no_grad() cuts off no layer."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location_in, require_success
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Operator, Parameter
    from broken_convnets.observe.recorder.values import Value

NO_GRAD = frozenset({"no_grad", "inference_mode"})


@rule(
    "between layers that can be trained, a network does not switch autograd off",
    stays_quiet="about blocks that begin a network, as frozen backbones do, and parameters that "
    "reach the output in another way; without layers in the block, also about its end and about "
    "eval mode, as of post-processing; outputs that are in a loss have a rule of their own",
)
def no_grad_between_layers(evidence: Evidence) -> Iterator[Finding]:
    """Find `with torch.no_grad()` in a forward method that cuts off the layers before it."""
    require_success(evidence)
    seen: set[ast.With] = set()
    for forward in evidence.record.passes:
        if (
            not forward.whole
            or forward.operators_at_end is None
            or evidence.flow.is_in_loss(forward)
        ):
            continue
        for block in _blocks(evidence, forward):
            cut = [] if block.node in seen else block.cut
            seen.add(block.node)
            if cut and (block.own or (forward.training and block.feeds_layers)):
                yield _finding(block, cut)


def _finding(block: Block, cut: list[Parameter]) -> Finding:
    header = block.source.text_of(block.node.items[0].context_expr)
    return Finding(
        kind="training/no_grad_in_forward",
        message=f"`with {header}` in the forward pass cuts off the layers before it",
        evidence=f"{cut[0].name} and {len(cut) - 1} other parameters require gradients and reach "
        "the output through this block alone, so that no loss of the output can train them",
        violates=(Law.EVERY_PARAMETER_LEARNS,),
        cause=location_in(block.source, block.node),
        subject=block.source.text_of(block.node.body[0]),
        module=cut[0].name.rpartition(".")[0],
        cases=("training/loss_term_under_no_grad",),
        candidates=candidates((0, partial(edits.unwrap, block.source, block.node))),
        confidence=7,
    )


@dataclass
class Block:
    """A `with torch.no_grad()` block inside of a forward pass, and the operators in it."""

    evidence: Evidence
    forward: ForwardPass
    source: Source
    node: ast.With
    operators: list[Operator] = field(default_factory=list)

    @cached_property
    def own(self) -> set[Value]:
        """The values of trained parameters that the block uses."""
        used = {value for operator in self.operators for value in operator.inputs}
        return {v for p in self._trained for v in p.values if v in used}

    @cached_property
    def cut(self) -> list[Parameter]:
        """The trained parameters outside of the block that only it connects with the output."""
        outside = [p for p in self._trained if p.values and not set(p.values) & self.own]
        return [p for p in outside if self._reaches(p, self._any) and not self._is_open(p)]

    @cached_property
    def feeds_layers(self) -> bool:
        """Whether an operator after the block uses a trained parameter."""
        results = self.evidence.flow.descendants(v for o in self.operators for v in o.outputs)
        weights = {v for p in self._trained for v in p.values}
        return any(
            weights.intersection(o.inputs) and results.intersection(o.inputs)
            for o in _operators(self.evidence, self.forward)
            if o not in self.operators
        )

    @cached_property
    def _trained(self) -> list[Parameter]:
        known = self.evidence.record.parameters
        return [known[n] for n in self.forward.parameters if known[n].requires_grad]

    def _is_open(self, parameter: Parameter) -> bool:
        return self._reaches(parameter, lambda operator: operator not in self.operators)

    @staticmethod
    def _any(_: Operator) -> bool:
        return True

    def _reaches(self, parameter: Parameter, passes: Callable[[Operator], bool]) -> bool:
        """Return whether the output of the network depends on a parameter, by some operators."""
        waiting, found = list(parameter.values), set(parameter.values)
        while waiting:
            for operator in self.evidence.flow.consumers(waiting.pop()):
                new = {*operator.outputs, *operator.changed} - found if passes(operator) else set()
                waiting += new
                found |= new
        return not found.isdisjoint(self.forward.returned)


def _operators(evidence: Evidence, forward: ForwardPass) -> Iterable[Operator]:
    first, end = forward.moment.operators, forward.operators_at_end or 0
    return (o for o in evidence.record.operators if first <= o.number < end)


def _blocks(evidence: Evidence, forward: ForwardPass) -> list[Block]:
    """Return the blocks without autograd that the code of a network's forward pass runs."""
    found: dict[ast.With, Block] = {}
    for operator in _operators(evidence, forward):
        for source, node in _around(evidence, operator, forward):
            block = found.setdefault(node, Block(evidence, forward, source, node))
            block.operators.append(operator)
    return list(found.values())


def _around(
    evidence: Evidence, operator: Operator, forward: ForwardPass
) -> Iterator[tuple[Source, ast.With]]:
    """Yield the blocks without autograd around an operator, inside of the forward pass."""
    for place in operator.places if not operator.grad_enabled else ():
        source = evidence.source(place.file)
        statement = source.statement_at(place.line) if source else None
        if place in forward.places or source is None or statement is None:
            continue
        for one in (statement, *source.ancestors(statement)):
            if isinstance(one, ast.With) and _disables(one.items[0].context_expr):
                yield source, one


def _disables(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and called_name(node) in NO_GRAD
