"""A nonlinear operator separates two linear or convolutional layers."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.classes import nn_name
from broken_convnets.commands.diagnose.analysis.usage import Usage
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, require_success, site_of
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.passes import ForwardPass
    from broken_convnets.observe.recorder.recorded_events import Construction, Operator

LINEAR = frozenset({"linear", "conv1d", "conv2d", "conv3d"})
AFFINE = frozenset(
    {"batch_norm", "dropout", "dropout1d", "dropout2d", "feature_dropout", "view", "reshape"}
    | {"flatten", "contiguous", "avg_pool2d", "adaptive_avg_pool2d", "add", "__add__", "sub"}
    | {"mul", "__sub__", "__get__ T", "permute", "transpose"}
)
THROUGH = frozenset(
    {"batch_norm", "dropout", "dropout1d", "dropout2d", "flatten", "view", "reshape"}
)
ACTIVATIONS = frozenset(
    {"relu", "relu_", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "selu", "hardswish"}
)
GROUPS = 6  # position of `groups` among the arguments of a convolution


@dataclass(frozen=True)
class Pair:
    """Two layers of which the second gets the output of the first, and what is in between."""

    first: Operator
    second: Operator
    between: tuple[Operator, ...]

    @property
    def last(self) -> Operator:
        """The operator after which the activation belongs."""
        norms = [operator for operator in self.between if operator.name == "batch_norm"]
        return norms[-1] if norms else self.first


@rule(
    "a nonlinear operator separates two linear or convolutional layers",
    stays_quiet="about depthwise, pointwise and transposed convolutions, narrow layers in between, "
    "a head on a convolution, outputs that are used twice, and layers of different modules",
)
def activation_missing(evidence: Evidence) -> Iterator[Finding]:
    """Find two layers that are together no more than one."""
    require_success(evidence)
    seen: set[object] = set()
    for network in evidence.record.kept_networks:
        usage = Usage(evidence, network)
        for forward in usage.passes[:1]:
            operators = _operators(evidence, forward)
            pairs = _pairs(evidence, forward, operators)
            found = next((p for p in pairs if _is_mistake(p, usage, operators)), None)
            if found is not None and found.first.place not in seen:
                seen.add(found.first.place)
                yield _finding(evidence, network, found, operators)


def _operators(evidence: Evidence, forward: ForwardPass) -> list[Operator]:
    first, end = forward.moment.operators, forward.operators_at_end or 0
    found = (evidence.record.operators.find(number) for number in range(first, end))
    return [operator for operator in found if operator is not None and operator.outputs]


def _pairs(evidence: Evidence, forward: ForwardPass, operators: list[Operator]) -> Iterator[Pair]:
    for operator in operators:
        if operator.name not in LINEAR or not _has_parameter(operator):
            continue
        between: list[Operator] = []
        value = operator.outputs[0]
        while value not in forward.returned:
            users = evidence.flow.consumers(value)
            if len(users) != 1:
                break
            if users[0].name in LINEAR and users[0].inputs[0] is value:
                yield Pair(operator, users[0], tuple(between))
                break
            if users[0].name not in THROUGH or not users[0].outputs:
                break
            between.append(users[0])
            value = users[0].outputs[0]


def _has_parameter(operator: Operator) -> bool:
    return len(operator.inputs) > 1 and operator.inputs[1].parameter


def _is_mistake(pair: Pair, usage: Usage, operators: list[Operator]) -> bool:
    """Return whether a pair is not one of the designs that have no activation on purpose.

    There are more of them in networks that have nonlinear operators elsewhere.
    """
    one, two = pair.first, pair.second
    if not _has_parameter(two) or _grouped(one) or _grouped(two):
        return False
    if not _together(pair, usage, operators):
        return False
    out, into = one.inputs[1].shape[:2]
    narrow = out < into and out < two.inputs[1].shape[0]
    nonlinear = any(operator.name not in LINEAR | AFFINE for operator in operators)
    return not narrow and not (nonlinear and _is_design(one, two))


def _is_design(one: Operator, two: Operator) -> bool:
    """Return whether a part of a network may have two such layers in a row on purpose."""
    kernels = [operator.inputs[1].shape[2:] for operator in (one, two)]
    square = all(len(set(kernel)) <= 1 for kernel in kernels)
    pointwise = any(bool(kernel) and set(kernel) == {1} for kernel in kernels)
    return one.name != two.name or pointwise or not square


def _grouped(operator: Operator) -> bool:
    groups = operator.literals.get("groups", operator.literals.get(GROUPS, 1))
    return bool(groups != 1)


def _together(pair: Pair, usage: Usage, operators: list[Operator]) -> bool:
    """Return whether two layers of one module are called in one function or container."""
    one, two = pair.first.place, pair.second.place
    if one is None or two is None or (one.file, one.function) != (two.file, two.function):
        return False
    paths = [usage.layer_of(operator.inputs[1]) for operator in (pair.first, pair.second)]
    if paths[0].rpartition(".")[0] != paths[1].rpartition(".")[0]:
        return False
    return one == two or all(
        sum(1 for o in operators if o.place == place and o.name in LINEAR) == 1
        for place in (one, two)
    )


def _finding(
    evidence: Evidence, network: nn.Module, pair: Pair, operators: list[Operator]
) -> Finding:
    one, two = pair.first, pair.second
    built = _constructions(evidence, network, one, two)
    place = pair.last.place
    if one.place == two.place and built:
        place = built[-1].places[0]
    texts = [list(operator.inputs[1].shape) for operator in (one, two)]
    return Finding(
        kind="training/missing_activation",
        message=f"no activation between two layers: {one.name} and {two.name} in a row",
        evidence=f"the output of the {one.name} with weight {texts[0]} goes into the {two.name} "
        f"with weight {texts[1]} unchanged by any nonlinear operator: together they are one "
        "linear map",
        violates=(Law.NONLINEAR,),
        cause=Location(place.file, place.line) if place else None,
        subject=f"{texts[0]}-{texts[1]}",
        cases=("module/missing_activation",),
        candidates=_repairs(evidence, pair, operators, built),
        confidence=6,
    )


def _constructions(
    evidence: Evidence, network: nn.Module, one: Operator, two: Operator
) -> list[Construction]:
    """Return where the two layers are constructed."""
    usage = Usage(evidence, network)
    paths = [usage.layer_of(operator.inputs[1]) for operator in (one, two)]
    found = [evidence.record.construction(network.get_submodule(path)) for path in paths]
    return [built for built in found if built is not None and built.places]


def _repairs(
    evidence: Evidence, pair: Pair, operators: list[Operator], built: list[Construction]
) -> tuple[Candidate, ...]:
    attempts: list[tuple[int, Callable[[], Patch]]] = []
    if pair.first.place == pair.second.place:
        site = site_of(evidence, built[-1].places) if built else None
        if site is not None:
            new = f"{nn_name(site.source)}.ReLU(), {site.source.text_of(site.call)}"
            attempts.append((0, partial(edits.replace, site.source, [(site.call, new)])))
        return candidates(*attempts)
    site = site_of(evidence, pair.last.places)
    if site is not None:
        function = _activation(evidence, pair, operators)
        new = f"{function}({site.source.text_of(site.call)})"
        attempts.append((0, partial(edits.replace, site.source, [(site.call, new)])))
    return candidates(*attempts)


def _activation(evidence: Evidence, pair: Pair, operators: list[Operator]) -> str:
    """Return the activation that the same function calls elsewhere, as it is written there."""
    for operator in operators:
        place, here = operator.place, pair.last.place
        if operator.name not in ACTIVATIONS or place is None or here is None:
            continue
        site = site_of(evidence, operator.places)
        same = (place.file, place.function) == (here.file, here.function)
        if same and site is not None and _is_plain(site):
            return site.called
    return "torch.relu"


def _is_plain(site: Site) -> bool:
    """Return whether a call is that of an activation on one tensor and nothing else."""
    named = isinstance(site.call.func, ast.Name | ast.Attribute)
    return named and len(site.call.args) == 1 and site.receiver in {"self", "torch", "F", ""}
