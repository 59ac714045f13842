"""Functional dropout follows the mode of its module."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, site_of
from broken_convnets.commands.diagnose.source import argument, called_name
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.sites import Site
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.recorded_events import Operator

DROPOUTS = frozenset(
    {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"}
)
LAYERS = frozenset(
    {"Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"}
)
TRAINING = 2  # position of `training` among the arguments of F.dropout


@rule(
    "functional dropout gets training=self.training",
    stays_quiet="if the argument `training` is there, whatever it is, and outside of modules",
)
def dropout_ignores_mode(evidence: Evidence) -> Iterator[Finding]:
    """Find calls of F.dropout that leave `training` at its default, True."""
    seen: set[Place] = set()
    for operator in evidence.record.operators:
        place = operator.place
        if operator.name not in DROPOUTS or not operator.layer or place is None or place in seen:
            continue
        if operator.layer in LAYERS and _is_called_by_torch(operator):
            continue
        seen.add(place)
        site = site_of(evidence, operator.places)
        if site is None or called_name(site.call) not in DROPOUTS or _has_training(site):
            continue
        text = site.source.text_of(site.call)
        yield Finding(
            kind="training/functional_dropout",
            message=f"{text} is active in eval mode too",
            evidence=f"the argument `training` of F.{operator.name} is True by default; "
            f"eval() does not change it in {operator.layer}",
            violates=(Law.DETERMINISTIC_IN_EVAL, Law.SAMPLES_INDEPENDENT, Law.STATE_ROUND_TRIPS),
            cause=Location(place.file, place.line),
            subject=text,
            cases=("module/functional_dropout_ignores_eval",),
            candidates=_follow_mode(site),
            confidence=9,
        )


def _is_called_by_torch(operator: Operator) -> bool:
    """Return whether a layer of torch calls it, which passes its mode; one that is gone may."""
    owner = operator.owner() if operator.owner is not None else None
    return owner is None or type(owner).__module__.startswith("torch.")


def _has_training(site: Site) -> bool:
    """Return whether a call decides itself; one with `*args` or `**kwargs` may."""
    call = site.call
    if any(keyword.arg is None for keyword in call.keywords):
        return True
    if site.receiver == "self":
        return True  # a method of the user's own
    return argument(call, "training", TRAINING) is not None or len(call.args) > TRAINING


def _follow_mode(site: Site) -> tuple[Candidate, ...]:
    function = site.source.function_of(site.call)
    first = function.args.args[0].arg if function and function.args.args else ""
    if site.source.class_of(site.call) is None or not first:
        return ()
    mode = f"{first}.training"
    return candidates(
        (0, partial(edits.set_argument, site.source, site.call, "training", None, mode))
    )
