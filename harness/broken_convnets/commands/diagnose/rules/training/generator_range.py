"""Real and generated images have one range when a discriminator compares them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.loss.producers import producer
from broken_convnets.commands.diagnose.rules.loss.terms import plain_name
from broken_convnets.commands.diagnose.rules.training.adversaries import opponents, outputs_of
from broken_convnets.commands.diagnose.sites import calls_named, location, require_success
from broken_convnets.observe.recorder.scales import Scale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.passes import ForwardPass

ARITHMETIC = frozenset({"mul", "div", "sub", "rsub", "add"})
TO_TENSOR = ("ToTensor", "to_tensor", "ToImage", "PILToTensor", "pil_to_tensor")


@rule(
    "the images that a generator makes have the range of the real ones",
    stays_quiet="unless a discriminator receives the tanh of a generator as it is, and real images "
    "that are pixels divided by 255; about discriminators that scale them first",
)
def tanh_against_shares(evidence: Evidence) -> Iterator[Finding]:
    """Find a GAN with nn.Tanh() whose real images are not normalized to -1 .. 1."""
    require_success(evidence)
    for own, others in opponents(evidence):
        made = outputs_of(evidence, own)
        known = set(others[0].parameters)
        judged = [p for p in evidence.record.passes if p.received and known & set(p.parameters)]
        fakes = [p for p in judged if p.received[0] in evidence.flow.descendants(made)]
        reals = [p for p in judged if p not in fakes and p.scale is not None]
        tanh = any(_is_tanh(evidence, p) for p in fakes)
        if not tanh or not reals or any(p.scale is not Scale.SHARES for p in reals):
            continue
        if any(_is_scaled(evidence, p) for p in reals):
            continue
        yield Finding(
            kind="data/normalize_range",
            message="the generator makes images from -1 to 1, and the real images have values from "
            "0 to 1: the discriminator tells them apart by their range",
            evidence=f"the output of a tanh is judged at `{fakes[0].places[0].text}`, and "
            f"{Scale.SHARES.value} at `{reals[0].places[0].text}`; normalize the real images with "
            "Normalize(0.5, 0.5)",
            cause=_conversion(evidence) or location(reals[0].places),
            symptom=location(reals[0].places),
            subject=reals[0].places[0].text,
            confidence=6,
        )
        return


def _is_scaled(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether a network computes with an input before a layer receives it."""
    users = evidence.flow.consumers(forward.received[0])
    return any(plain_name(one) in ARITHMETIC for one in users)


def _is_tanh(evidence: Evidence, forward: ForwardPass) -> bool:
    """Return whether a discriminator receives what a tanh returned."""
    maker = producer(evidence, forward.received[0])
    if maker is not None and maker.name in {"unflatten", "detach"}:
        maker = producer(evidence, maker.inputs[0])
    return maker is not None and maker.name == "tanh" and bool(forward.places)


def _conversion(evidence: Evidence) -> Location | None:
    """Return where the program converts pictures to tensors, if that is at one line."""
    found = [Location(s.path, call.lineno) for s, call in calls_named(evidence, *TO_TENSOR)]
    return found[0] if len(set(found)) == 1 else None
