"""Everything that a time depends on besides the program; different fingerprints do not compare."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from broken_convnets.commands.bench.cuda import gpu_state
from broken_convnets.errors import UsageError

# The flags in /proc/cpuinfo by which kernels choose their code.
FLAGS = (
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "avx512f",
    "avx512_bf16",
    "avx512_vnni",
    "amx_tile",
    "asimd",
    "sve",
    "bf16",
)

Fingerprint = dict[str, str]


def fingerprint(settings: Fingerprint) -> Fingerprint:
    """Return what the times of this process depend on; never initializes CUDA.

    `settings` are those that `stabilize.stabilize` returns.
    """
    model, flags = processor()
    capability = getattr(torch.backends.cpu, "get_cpu_capability", lambda: "unknown")()
    gpu = gpu_state()
    return {
        "processor": model,
        "flags": flags,
        "vector code": capability,  # the instruction set that torch chose
        "torch": str(torch.__version__),
        "build": str(torch.version.git_version)[:12],
        "python": platform.python_version(),
        "system": platform.system(),
        **settings,
        **({"gpu": gpu["name"], "driver": gpu["driver_version"]} if gpu else {}),
    }


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, str]:
    """Return the processor's model, and its flags among FLAGS."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine(), "unknown"
    rows = [line.partition(":") for line in text.splitlines()]
    values = {key.strip(): value.strip() for key, _, value in reversed(rows)}
    has = set(values.get("flags", values.get("Features", "")).split())
    model = values.get("model name", platform.machine())
    return model, " ".join(flag for flag in FLAGS if flag in has)


def differences(one: Fingerprint, other: Fingerprint) -> list[str]:
    """Return one phrase for each value that differs."""
    return [
        f"{name} {one.get(name, 'unknown')} instead of {other.get(name, 'unknown')}"
        for name in sorted({*one, *other})
        if one.get(name) != other.get(name)
    ]


def refuse_others(stored: Fingerprint, here: Fingerprint, where: str) -> None:
    """Raise UsageError if the times stored at `where` have another fingerprint."""
    differing = differences(stored, here)
    if differing:
        message = (
            f"the times in {where} were measured under other conditions: "
            f"{'; '.join(differing)}. Times are never rescaled: measure both versions in one run "
            "with `broken-convnets bench --against REV`"
        )
        raise UsageError(message)
