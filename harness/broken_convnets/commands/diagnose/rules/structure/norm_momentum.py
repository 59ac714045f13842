"""The momentum of batch normalization is the share of the new batch."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from torch.nn.modules.batchnorm import _BatchNorm

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.observe.recorder.places import Place

LARGE = 0.9  # other libraries write 0.9 or 0.99 for what is 0.1 or 0.01 in PyTorch


@rule(
    "running statistics average over many batches",
    stays_quiet="about a momentum below 0.9, of 1, and about layers that a library constructs",
)
def statistics_of_last_batch(evidence: Evidence) -> Iterator[Finding]:
    """Find batch normalization whose momentum is that of another library."""
    if evidence.error is not None or not evidence.record.backward_passes.count:
        return
    seen: set[Place] = set()
    for network in evidence.record.kept_networks:
        for path, layer in network.named_modules():
            built = evidence.record.construction(layer)
            momentum = layer.momentum if isinstance(layer, _BatchNorm) else None
            if momentum is None or not LARGE <= momentum < 1 or built is None or not built.direct:
                continue
            if not built.places or built.places[0] in seen or not layer.track_running_stats:
                continue
            seen.add(built.places[0])
            site = site_of(evidence, built.places)
            value = f"{1 - momentum:.3g}"
            yield Finding(
                kind="training/bn_train_eval_gap",
                message=f"momentum={momentum:g} of {path} keeps the statistics of the last batch",
                evidence=f"in PyTorch momentum is the weight of the new batch: running_mean is "
                f"{momentum:g} of the last batch and {value} of all others; the default is 0.1",
                cause=location(built.places),
                subject=path,
                module=path,
                candidates=candidates(
                    (0, partial(edits.set_argument, site.source, site.call, "momentum", 2, value))
                )
                if site
                else (),
                confidence=6,
            )
