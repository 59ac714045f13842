"""Hooks of pytest-benchmark for `bench_forward.py`: what is stored beside the times."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from broken_convnets.commands.bench.fingerprint import fingerprint, refuse_others
from broken_convnets.commands.bench.stabilize import stabilize
from broken_convnets.errors import UsageError
from broken_convnets.observe.facts import RuntimeRequest
from broken_convnets.observe.runtime import runtime


def pytest_benchmark_update_machine_info(machine_info: dict[str, object]) -> None:
    """Add the fingerprint; remove the host name, which must not be checked in."""
    torch.set_num_threads(1)
    del machine_info["node"]
    machine_info["fingerprint"] = fingerprint(stabilize())


def pytest_benchmark_update_commit_info(commit_info: dict[str, object]) -> None:
    """Remove the name of the checkout's folder."""
    commit_info.pop("project", None)


def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    """Add a reason for each unavailable device; store the options, equal in all rows, once."""
    output_json["unavailable"] = [
        {"device": device, "reason": f"unavailable: {reason}"}
        for device, reason in runtime(RuntimeRequest()).devices.items()
        if reason
    ]
    for row in output_json["benchmarks"]:
        output_json["options"] = row.pop("options")


def pytest_benchmark_compare_machine_info(
    machine_info: dict[str, Any], compared_benchmark: dict[str, Any]
) -> None:
    """Reject stored times with another fingerprint."""
    stored = compared_benchmark["machine_info"].get("fingerprint", {})
    try:
        refuse_others(stored, machine_info["fingerprint"], "the benchmark store")
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
