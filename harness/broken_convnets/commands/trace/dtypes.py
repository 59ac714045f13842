"""Reject fake tensors whose dtypes disagree, as operators reject real ones."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# All tensor arguments of these have one dtype. Kernels for fake tensors do not check it.
ONE_DTYPE = frozenset(
    {
        "addbmm",
        "addmm",
        "addmv",
        "addr",
        "baddbmm",
        "bmm",
        "convolution",
        "dot",
        "linear",
        "mm",
        "mv",
        "vdot",
        "_prelu_kernel",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_flash_attention_for_cpu",
    }
)
# The weight has the dtype of the input, or is float32 where the input is shorter.
NORMS = frozenset(
    {
        "_native_batch_norm_legit",
        "_native_batch_norm_legit_no_training",
        "cudnn_batch_norm",
        "miopen_batch_norm",
        "native_batch_norm",
        "native_group_norm",
        "native_layer_norm",
    }
)
SHORT = {torch.float16, torch.bfloat16}


class DtypeDisagreementError(RuntimeError):
    """An operator was called with tensors of different dtypes."""


class OneDtype(TorchDispatchMode):  # type: ignore[misc]  # torch is not there for mypy
    """Checks the dtypes of operators' arguments, after autocast has converted them."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call `func` if the dtypes agree; raises DtypeDisagreementError if not."""
        name = func._schema.name.partition("::")[2]  # noqa: SLF001  (the name has no public way)
        given = [value.dtype for value in args if isinstance(value, torch.Tensor)]
        if name in ONE_DTYPE:
            agree = len(set(given)) <= 1
        elif name in NORMS:
            agree = all(_is_norm_of(given[0], dtype) for dtype in given[1:])
        else:
            agree = True
        if not agree:
            texts = " and ".join(
                str(dtype).removeprefix("torch.") for dtype in dict.fromkeys(given)
            )
            message = f"{name}() requires tensors of one dtype, but got {texts}"
            raise DtypeDisagreementError(message)
        return func(*args, **(kwargs or {}))


def _is_norm_of(dtype: torch.dtype, weight: torch.dtype) -> bool:
    return weight == dtype or (dtype in SHORT and weight is torch.float32)
