"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.corpus.entries import default_root
from broken_convnets.util.argument_types import cpu_count, positive

if TYPE_CHECKING:
    import argparse


def add_corpus(parser: argparse.ArgumentParser) -> None:
    """Add `--corpus`, the folder of the corpus."""
    parser.add_argument(
        "--corpus",
        type=Path,
        default=default_root(),
        metavar="DIR",
        help="use another folder with cases/, fixes/ and controls/",
    )


def add_ids(parser: argparse.ArgumentParser) -> None:
    """Add the ids of the entries to use; no ids means all entries."""
    parser.add_argument("ids", nargs="*", metavar="ID", help="id, topic or glob (default: all)")


def add_id(parser: argparse.ArgumentParser) -> None:
    """Add the id of the one entry to use."""
    parser.add_argument("id", metavar="ID", help="case or control id, see `list`")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, the machine-readable output."""
    parser.add_argument("--json", action="store_true", help="print one JSON document to stdout")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add `--workers`, the number of parallel worker processes."""
    parser.add_argument(
        "--workers",
        type=positive,
        default=cpu_count(),
        metavar="N",
        help="number of parallel workers (default: CPU count)",
    )


def add_devices(parser: argparse.ArgumentParser) -> None:
    """Add `--device` and `--update`."""
    parser.add_argument(
        "--device",
        default="auto",
        metavar="NAMES",
        help="cpu, cuda, or cpu,cuda (default: auto, every available device)",
    )
    parser.add_argument(
        "--update", action="store_true", help="update the recorded results in results/"
    )
