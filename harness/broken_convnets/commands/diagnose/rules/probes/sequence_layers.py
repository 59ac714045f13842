"""Layers that receive the time first unless they are constructed with `batch_first=True`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.sites import site_of

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
    """Return where the layer that calls an operator is constructed, if that is one line."""
    found = _layers(evidence, operator)
    return found[0] if len(found) == 1 else None


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
        and not built.arguments.get("batch_first")
    }
    return list(lines.values())
