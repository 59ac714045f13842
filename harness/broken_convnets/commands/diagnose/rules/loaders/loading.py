"""A data loader has samples, and what it sends to its workers can be pickled."""

from __future__ import annotations

import ast
import pickle
import re
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.analysis.failures import (
    frame_location,
    origin_location,
    require_failure,
    shortened,
)
from broken_convnets.commands.diagnose.analysis.origins import origin_of
from broken_convnets.commands.diagnose.findings import Finding, Location
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import Site, candidates, location, site_of
from broken_convnets.commands.diagnose.source import argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broken_convnets.commands.diagnose.edits import Patch
    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.listings import Listing

Attempt = tuple[int, "Callable[[], Patch]"]


@rule(
    "a dataset has samples",
    stays_quiet="about samplers with a number of samples of their own",
)
def empty_dataset(evidence: Evidence) -> Iterator[Finding]:
    """Find datasets without samples: an empty folder, a wrong path, an empty split."""
    frame = require_failure(evidence, ValueError)
    call = frame.call
    if call is None or "num_samples" not in evidence.message:
        return
    built = frame.value(call.func)
    node = argument(call, "dataset", 0)
    if node is None or not isinstance(built, type) or not issubclass(built, DataLoader):
        return
    dataset = _received_dataset(evidence.error)
    if not hasattr(dataset, "__len__") or len(dataset):
        return
    origin = origin_of(evidence, 0, node)
    text = frame.source.text_of(node)
    listing = _unmatched(evidence)
    read = f"`{shortened(origin.source.text_of(origin.node))}` has length 0"
    if listing:
        read = f"`{listing.places[0].text}` matches none of the files in {listing.folder}"
    yield Finding(
        kind="data/empty_dataset",
        message=f"`{text}` has no samples",
        evidence=f"{read}: check the path, the file names and the split",
        cause=location(listing.places) if listing else origin_location(origin),
        symptom=frame_location(frame),
        subject=text,
        cases=("data/empty_image_folder",),
        confidence=10,
    )


def _received_dataset(error: BaseException | None) -> Any:
    """Return the dataset that the constructor of the DataLoader received."""
    for frame, _ in traceback.walk_tb(error.__traceback__ if error else None):
        built = isinstance(frame.f_locals.get("self"), DataLoader)
        if built and "dataset" in frame.f_locals:
            return frame.f_locals.get("dataset")
    return None


def _unmatched(evidence: Evidence) -> Listing | None:
    """Return the last listing, if it found none of the files in its folder."""
    listings = [one for one in evidence.record.folders.listings if one.places]
    return listings[-1] if listings and listings[-1].others else None


def _loader_site(evidence: Evidence) -> Site | None:
    """Return the constructor of the loader that has workers."""
    built = [b for b in evidence.record.constructions if b.kind == "loader"]
    sites = (site_of(evidence, one.places) for one in reversed(built))
    return next((s for s in sites if s and argument(s.call, "num_workers", 5)), None)


@rule(
    "what is sent to the workers of a DataLoader can be pickled",
    stays_quiet="about pickling outside of a DataLoader",
)
def not_picklable(evidence: Evidence) -> Iterator[Finding]:
    """Find lambdas, local functions and local classes that worker processes cannot receive."""
    frame = require_failure(evidence, AttributeError, pickle.PicklingError, TypeError)
    text = evidence.message.lower()
    if "pickle" not in text and "get local object" not in text:
        return
    site = _loader_site(evidence)
    found = _not_global(evidence)
    what = shortened(found[0].text_of(found[1])) if found else "an object"
    workers = argument(site.call, "num_workers", 5) if site else None
    yield Finding(
        kind="data/lambda_not_picklable",
        message=f"`{what}` cannot be pickled, so a worker process cannot receive it",
        evidence="lambdas and local functions have no name to import them by: define a function "
        "at the top level of a module",
        cause=Location(found[0].path, found[1].lineno) if found else frame_location(frame),
        symptom=frame_location(frame),
        subject=what,
        candidates=candidates((1, partial(edits.replace, site.source, [(workers, "0")])))
        if site and workers
        else (),
        confidence=9,
    )


def _not_global(evidence: Evidence) -> tuple[Source, ast.expr | ast.stmt] | None:
    """Return the lambda or the local function that the message names."""
    named = re.search(r"<locals>\.([\w<>]+)", evidence.message)
    name = named[1] if named else "<lambda>"
    for source in {frame.source.path: frame.source for frame in evidence.frames}.values():
        for node in source.nodes:
            if name == "<lambda>" and isinstance(node, ast.Lambda):
                return source, node
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
                return source, node
    return None


@rule(
    "the workers of a DataLoader run to their end",
    stays_quiet="about exceptions that a worker reports",
)
def worker_killed(evidence: Evidence) -> Iterator[Finding]:
    """Find workers that the system has killed."""
    frame = require_failure(evidence, RuntimeError)
    if not re.search(r"DataLoader worker \(pid", evidence.message):
        return
    site = _loader_site(evidence)
    workers = argument(site.call, "num_workers", 5) if site else None
    yield Finding(
        kind="data",
        message="a worker of the DataLoader was killed",
        evidence="this happens when memory or shared memory runs out; run once with "
        "num_workers=0 to see the reason",
        cause=Location(site.source.path, site.call.lineno) if site else frame_location(frame),
        symptom=frame_location(frame),
        subject="worker",
        candidates=candidates((1, partial(edits.replace, site.source, [(workers, "0")])))
        if site and workers
        else (),
        confidence=9,
    )
