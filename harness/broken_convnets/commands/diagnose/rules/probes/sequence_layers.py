"""Layers that receive the time first unless they are constructed with `batch_first=True`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.sites import assigned_name, site_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.recorded_events import Construction
    from broken_convnets.observe.traced_forward import TracedOperator

ATTENTION = ("MultiheadAttention", "TransformerEncoderLayer", "TransformerDecoderLayer")
# The layers that call an operator.
LAYERS = {
    "lstm": ("LSTM",),
    "gru": ("GRU",),
    "rnn_tanh": ("RNN",),
    "rnn_relu": ("RNN",),
    "multi_head_attention_forward": (*ATTENTION, "Transformer"),
}
SEQUENCES = frozenset(LAYERS)


def expected(layer: str) -> str:
    """Return what a layer expects, as the first half of a sentence."""
    return f"{layer} expects (time, batch, features) unless batch_first=True"


def layer_of(evidence: Evidence, operator: TracedOperator) -> Construction | None:
    """Return where the layer that calls an operator is constructed, if that is one line.

    Of several lines, it is the one that assigns the attribute that the operator's place calls.
    """
    found = _layers(evidence, operator)
    if len(found) > 1:
        site = site_of(evidence, operator.places)
        called = site.called.rpartition(".")[2] if site else ""
        found = [built for built in found if called and _attribute(evidence, built) == called]
    return found[0] if len(found) == 1 else None


def _attribute(evidence: Evidence, built: Construction) -> str:
    """Return the attribute that a constructed layer is assigned to; empty if there is none."""
    site = site_of(evidence, built.places)
    name = assigned_name(site.source, site.statement) if site else ""
    return name.rpartition(".")[2] if "." in name else ""


def with_batch_first(
    evidence: Evidence, operator: TracedOperator
) -> list[tuple[int, Callable[[], Patch]]]:
    """Return a patch for each line that constructs a layer that may call an operator."""
    sites = (site_of(evidence, built.places) for built in _layers(evidence, operator))
    return [
        (0, partial(edits.set_argument, site.source, site.call, "batch_first", None, "True"))
        for site in sites
        if site is not None
    ]


def _layers(evidence: Evidence, operator: TracedOperator) -> list[Construction]:
    """Return the layers that may call an operator and are not batch first, one for each line."""
    lines = {
        built.places[0]: built
        for built in evidence.record.constructions
        if built.direct
        and built.places
        and built.type in LAYERS.get(operator.name, ())
        and is_of_torch(built)
        and not built.arguments.get("batch_first")
    }
    return list(lines.values())


def is_of_torch(built: Construction) -> bool:
    """Return whether a layer is one of torch: a program may have a network of its own `LSTM`."""
    layer = built.object()
    return layer is None or type(layer).__module__.startswith("torch.")
