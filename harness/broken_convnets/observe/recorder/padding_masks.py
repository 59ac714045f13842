"""Find padding masks of attention whose meaning is inverted, by the token ids that they mask."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from broken_convnets.observe.recorder.aside import NoDispatch, NoFunction

if TYPE_CHECKING:
    from broken_convnets.observe.recorder.embedded_ids import EmbeddedIds
    from broken_convnets.observe.recorder.places import Place
    from broken_convnets.observe.recorder.record import Record
    from broken_convnets.observe.recorder.recorded_events import Operator

# Functions whose masks are True where a key is ignored, and where it takes part.
IGNORING, ATTENDING = "multi_head_attention_forward", "scaled_dot_product_attention"
LOOKS = 32  # calls at one place whose masks are read
DIFFERENT = 3  # ids of real tokens, at least


@dataclass(frozen=True, slots=True)
class PaddingMask:
    """A mask of the keys of an attention that lets either the padding or the tokens take part.

    Rows of different lengths end or begin with one id, `padding`, that no other position has;
    `attended` is how many of the `total` positions take part.
    """

    operator: Operator
    inverted: bool
    padding: int
    attended: int
    total: int


class PaddingMasks:
    """Compares the masks of attention with what the last embeddings received."""

    def __init__(self, record: Record, ids: EmbeddedIds) -> None:
        """Start with no mask seen."""
        self._record = record
        self._ids = ids
        self._read: Counter[Place | None] = Counter()

    def look(self, operator: Operator, args: Any, kwargs: Any) -> None:
        """Read the ids of an embedding, or the mask of an attention, before it runs."""
        if operator.name not in {"embedding", IGNORING, ATTENDING}:
            return
        try:
            with NoDispatch(), NoFunction():
                self._ids.look(operator, args, kwargs)
                attended = _attended(operator, args, kwargs)
                self._read[operator.place] += attended is not None
                if attended is not None and self._read[operator.place] <= LOOKS:
                    ignored = attended.numel() - int(attended.sum())
                    self._record.content_facts.ignored_keys[operator.number] = ignored
                    self._judge(operator, attended)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not become the program's)
            self._record.problem(error)

    def _judge(self, operator: Operator, attended: torch.Tensor) -> None:
        for seen in self._ids:
            for ids in (seen.ids, seen.ids.t()):
                if ids.shape != attended.shape or ids.device != attended.device:
                    continue
                for inverted, padded in ((True, attended), (False, ~attended)):
                    padding = _padding(ids, padded)
                    if padding is not None:
                        count, total = int(attended.sum()), attended.numel()
                        mask = PaddingMask(operator, inverted, padding, count, total)
                        self._record.content_facts.padding_masks.append(mask)
                        return


def _attended(operator: Operator, args: Any, kwargs: Any) -> torch.Tensor | None:
    """Return which keys of each sample take part; None if that depends on more than the key."""
    if operator.name == IGNORING:
        mask = kwargs.get("key_padding_mask")
        if not isinstance(mask, torch.Tensor) or mask.ndim != 2:  # noqa: PLR2004  (samples and keys)
            return None
        return ~mask if mask.dtype is torch.bool else mask != -torch.inf
    mask = kwargs.get("attn_mask", args[3] if len(args) > 3 else None)  # noqa: PLR2004  (after the value)
    if operator.name != ATTENDING or not isinstance(mask, torch.Tensor):
        return None
    if mask.dtype is not torch.bool or mask.ndim < 3:  # noqa: PLR2004  (samples, queries, keys)
        return None
    queries = mask.flatten(1, -2)
    return queries[:, 0] if bool((queries == queries[:, :1]).all()) else None


def _padding(ids: torch.Tensor, padded: torch.Tensor) -> int | None:
    """Return the one id at the ends, or the beginnings, of rows of different lengths."""
    lengths = padded.sum(1)
    ends = (padded[:, 1:] >= padded[:, :-1]).all() or (padded[:, 1:] <= padded[:, :-1]).all()
    if not bool(ends) or lengths.unique().numel() < 2:  # noqa: PLR2004  (different ones)
        return None
    inside, outside = ids[padded].unique(), ids[~padded].unique()
    if inside.numel() != 1 or outside.numel() < DIFFERENT or bool((outside == inside).any()):
        return None
    return int(inside)
