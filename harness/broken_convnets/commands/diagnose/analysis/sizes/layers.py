"""Which arguments of torch's layers declare the size of their input and of their output."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

CONVOLUTIONS = tuple(f"{kind}{n}d" for kind in ("Conv", "ConvTranspose") for n in (1, 2, 3))
BATCH_NORMS = ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm")
INSTANCE_NORMS = ("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d")
RECURRENT = ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell")
ATTENTION = ("TransformerEncoderLayer", "TransformerDecoderLayer", "Transformer")
INPUT: Mapping[str, str] = {
    **dict.fromkeys(CONVOLUTIONS, "in_channels"),
    **dict.fromkeys((*BATCH_NORMS, *INSTANCE_NORMS), "num_features"),
    **dict.fromkeys(RECURRENT, "input_size"),
    **dict.fromkeys(ATTENTION, "d_model"),
    "GroupNorm": "num_channels",
    "LayerNorm": "normalized_shape",
    "RMSNorm": "normalized_shape",
    "Linear": "in_features",
    "MultiheadAttention": "embed_dim",
    "PReLU": "num_parameters",
}
OUTPUT: Mapping[str, str] = {
    **dict.fromkeys(CONVOLUTIONS, "out_channels"),
    **dict.fromkeys(RECURRENT, "hidden_size"),
    **dict.fromkeys(ATTENTION, "d_model"),
    "Bilinear": "out_features",
    "Embedding": "embedding_dim",
    "EmbeddingBag": "embedding_dim",
    "Linear": "out_features",
    "MultiheadAttention": "embed_dim",
}
CHANNELS_SECOND = {*CONVOLUTIONS, *BATCH_NORMS, *INSTANCE_NORMS, "GroupNorm", "PReLU"}
SIZES_OF_RNN = ("input_size", "hidden_size", "num_layers")
SPATIAL = {name: int(name[-2]) for name in (*CONVOLUTIONS, *INSTANCE_NORMS)}  # dimensions


def type_name(module: nn.Module) -> str:
    """Return the name of torch's own class of a layer; empty for a class of the user's."""
    for owner in type(module).__mro__:
        if owner.__module__.startswith("torch.nn.modules"):
            return "" if owner is nn.Module else owner.__name__
    return ""


def input_argument(module: nn.Module) -> str:
    """Return the constructor's argument for the size of the input; empty if there is none."""
    return INPUT.get(type_name(module), "")


def output_argument(module: nn.Module) -> str:
    """Return the constructor's argument for the size of the output; empty if there is none."""
    return OUTPUT.get(type_name(module), "")


def position(module: nn.Module, argument: str) -> int | None:
    """Return the position of a constructor's argument, counted from 0 without `self`."""
    names = list(inspect.signature(type(module).__init__).parameters)[1:]
    if isinstance(module, nn.RNNBase) and argument in SIZES_OF_RNN:
        return SIZES_OF_RNN.index(argument)  # its signature is `*args, **kwargs`
    return names.index(argument) if argument in names else None


def declared(module: nn.Module, argument: str) -> int | None:
    """Return the number that a layer was constructed with; None if it is not an integer."""
    value = getattr(module, argument, None)
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]  # of LayerNorm
    if argument == "d_model":
        value = _width(module)
    return value if isinstance(value, int) else None


def _width(module: nn.Module) -> int | None:
    if isinstance(module, nn.Transformer):
        return int(module.d_model)
    attention = getattr(module, "self_attn", None)
    return int(attention.embed_dim) if isinstance(attention, nn.MultiheadAttention) else None


def output_size(module: nn.Module) -> int | None:
    """Return how many channels or features a layer returns; None if it does not say."""
    argument = output_argument(module)
    size = declared(module, argument) if argument else None
    if size is None:
        return None
    return size * 2 if getattr(module, "bidirectional", False) else size
