"""A load of weights reaches the network that is used."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, require_success, site_of
from broken_convnets.commands.diagnose.source import argument
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.weight_loads import WeightLoad


@rule(
    "a load with strict=False loads the weights whose names differ by a prefix only",
    stays_quiet="about loads of a part of the weights, as of a backbone without its head",
)
def weights_not_loaded(evidence: Evidence) -> Iterator[Finding]:
    """Find loads that ignore every entry, or every entry of a module, because of its name."""
    require_success(evidence)
    for load in evidence.record.weight_loads:
        prefix, added = _prefix(load)
        nothing = not load.loaded and load.missing and load.unexpected
        if not prefix and not nothing:
            continue
        ignored = len(load.unexpected)
        yield Finding(
            kind="state/dataparallel_prefix"
            if prefix == "module."
            else "state/state_dict_mismatch",
            message=f"load_state_dict(strict=False) loads {load.loaded or 'none'} of "
            f"{load.loaded + ignored} entries into {load.type}",
            evidence=_why(load, prefix, added=added),
            violates=(Law.STATE_ROUND_TRIPS,),
            cause=location(load.places),
            subject=load.places[0].text if load.places else load.type,
            cases=("state/dataparallel_prefix",),
            candidates=_renamed(evidence, load, prefix, added=added),
            confidence=8,
        )


def _prefix(load: WeightLoad) -> tuple[str, bool]:
    """Return a prefix that makes the unexpected keys the missing ones, and whether to add it.

    Empty if there is none that explains all unexpected keys.
    """
    missing, unexpected = _names(load.missing), _names(load.unexpected)
    if not missing or not unexpected:
        return "", False
    for longer, shorter, added in ((unexpected, missing, False), (missing, unexpected, True)):
        first = min(longer)
        for prefix in {first[: -len(key)] for key in shorter if first.endswith(f".{key}")}:
            renamed = {key.removeprefix(prefix) for key in longer if key.startswith(prefix)}
            if renamed >= shorter:
                return prefix, added
    return "", False


def _names(keys: tuple[str, ...]) -> set[str]:
    """Return keys without the counters of normalization layers, which may be missing."""
    return {key for key in keys if not key.endswith("num_batches_tracked")}


def _why(load: WeightLoad, prefix: str, *, added: bool) -> str:
    names = f"the state_dict has {load.unexpected[0]}, the network has {load.missing[0]}"
    if not prefix:
        return f"no name is in both: {names}"
    change = "lack" if added else "have"
    return f"the names in the state_dict {change} the prefix {prefix!r}: {names}"


def _renamed(
    evidence: Evidence, load: WeightLoad, prefix: str, *, added: bool
) -> tuple[Candidate, ...]:
    site = site_of(evidence, load.places)
    state = argument(site.call, "state_dict", 0) if site else None
    if site is None or state is None:
        return ()
    text = site.source.text_of(state)
    texts = [f'{text}["{key}"]' for key in load.unexpected if "." not in key]
    if prefix:
        key = f'"{prefix}" + key' if added else f'key.removeprefix("{prefix}")'
        texts = [f"{{{key}: value for key, value in {text}.items()}}"]
    return candidates(*((0, partial(edits.replace, site.source, [(state, new)])) for new in texts))


@rule(
    "weights are loaded into the network that is used",
    stays_quiet="unless the load is into a network that the same expression constructs",
)
def weights_loaded_elsewhere(evidence: Evidence) -> Iterator[Finding]:
    """Find `Net().load_state_dict(...)`, whose network is dropped at once."""
    require_success(evidence)
    called = {id(one.module) for one in evidence.record.called}
    for load in evidence.record.weight_loads:
        site = site_of(evidence, load.places)
        function = site.call.func if site else None
        if site is None or not isinstance(function, ast.Attribute) or id(load.module) in called:
            continue
        dropped = isinstance(function.value, ast.Call) and isinstance(site.statement, ast.Expr)
        if not dropped or load.module() is not None:
            continue
        yield Finding(
            kind="state/state_dict_mismatch",
            message=f"the weights are loaded into a {load.type} that is dropped at once",
            evidence=f"{site.receiver} constructs another network, and no forward pass uses it; "
            f"its {load.loaded} entries are lost",
            violates=(Law.STATE_ROUND_TRIPS,),
            cause=location(load.places),
            subject=site.source.text_of(site.call),
            candidates=_into_existing(site, load),
            confidence=9,
        )


def _into_existing(site: Site, load: WeightLoad) -> tuple[Candidate, ...]:
    """Return patches that load into a network of the same class that the function has."""
    function = site.call.func
    scope = site.source.function_of(site.call) or site.source.tree
    names = [
        node.targets[0].id
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and site.source.text_of(node.value.func).endswith(load.type)
    ]
    if not isinstance(function, ast.Attribute):
        return ()
    attempts: list[tuple[int, Callable[[], Patch]]] = [
        (0, partial(edits.replace, site.source, [(function.value, name)])) for name in names
    ]
    return candidates(*attempts)
