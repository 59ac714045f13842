"""Files of two folders are paired in an order that the file system cannot change."""

from __future__ import annotations

import ast
from functools import partial
from itertools import combinations
from os.path import basename
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.sites import candidates, location, site_of
from broken_convnets.commands.diagnose.source import called_name
from broken_convnets.observe.recorder.dataset_facts import common_stems
from broken_convnets.vocabulary import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broken_convnets.commands.diagnose.evidence import Evidence
    from broken_convnets.commands.diagnose.findings import Candidate
    from broken_convnets.commands.diagnose.source import Source
    from broken_convnets.observe.recorder.listings import Listing

# What sorts names, or matches files by name, so that the order of a listing does not matter.
BY_NAME = frozenset(
    {"sorted", "sort", "natsorted", "set", "dict", "frozenset", "stem", "splitext", "basename"}
    | {"replace", "removesuffix", "split", "rsplit", "partition", "intersection", "with_suffix"}
)
LISTS = frozenset({"listdir", "glob", "iglob", "iterdir", "scandir", "rglob"})


@rule(
    "files of two folders are paired after both listings are sorted",
    stays_quiet="about listings that are sorted or matched by name, folders with other names, and "
    "files that are not paired by position",
)
def unsorted_listings(evidence: Evidence) -> Iterator[Finding]:
    """Find `zip` or equal indices over two listings, whose order the file system decides."""
    listings = [one for one in evidence.record.listings if _is_in_any_order(evidence, one)]
    for one, other in combinations(listings, 2):
        first, second = common_stems(one.names), common_stems(other.names)
        if one.folder == other.folder or len(set(first)) < 2 or sorted(first) != sorted(second):  # noqa: PLR2004  (to confuse)
            continue
        if not _pairs_by_position(evidence, one):
            continue
        yield Finding(
            rule="unsorted_listings",
            kind="data/pairs_out_of_order",
            message="files are paired by their positions in two unsorted listings, whose order "
            "the file system decides",
            evidence=_evidence(one, other),
            violates=(Law.MASKS_MATCH_IMAGES,),
            cause=location(other.places),
            symptom=location(one.places),
            subject=other.places[0].text,
            cases=("data/pairs_out_of_order",),
            candidates=_sorted(evidence, one, other),
            confidence=8,
        )
        return


def _evidence(one: Listing, other: Listing) -> str:
    text = f"{one.places[0].text} returns {', '.join(map(basename, one.names[:3]))}, ..."
    if common_stems(one.names) == common_stems(other.names):
        return f"{text}; that the other folder has the same order here is luck"
    return f"{text}, and the other listing {', '.join(map(basename, other.names[:3]))}, ..."


def _is_in_any_order(evidence: Evidence, listing: Listing) -> bool:
    """Return whether no function on the way to a listing sorts, or matches by name."""
    site = site_of(evidence, listing.places)
    if site is None or called_name(site.call) not in LISTS:
        return False
    for place in listing.places:
        source = evidence.source(place.file)
        scope = _scope(source, place.line) if source else None
        if scope is not None and (not BY_NAME.isdisjoint(_names(scope)) or _has_dict(scope)):
            return False
        if place.function == "<module>":
            break  # whoever imports or runs the module does not receive the listing
    return True


def _scope(source: Source, line: int) -> ast.AST | None:
    """Return the function of a line, or its statement at module level."""
    statement = source.statement_at(line)
    if statement is None:
        return None
    return source.function_of(statement) or statement


def _names(scope: ast.AST) -> set[str]:
    names = {node.id for node in ast.walk(scope) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(scope) if isinstance(node, ast.Attribute)}


def _has_dict(scope: ast.AST) -> bool:
    return any(isinstance(node, ast.DictComp | ast.SetComp) for node in ast.walk(scope))


def _pairs_by_position(evidence: Evidence, listing: Listing) -> bool:
    """Return whether the file of a listing zips, or reads two lists at one index."""
    source = evidence.source(listing.places[0].file)
    for node in source.expressions if source else ():
        if isinstance(node, ast.Call) and called_name(node) == "zip":
            return True
    functions = (
        (n for n in ast.walk(source.tree) if isinstance(n, ast.FunctionDef)) if source else ()
    )
    return any(_reads_two_at_one_index(function) for function in functions)


def _reads_two_at_one_index(function: ast.FunctionDef) -> bool:
    if function.name != "__getitem__":
        return False
    read: dict[str, set[str]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name):
            read.setdefault(node.slice.id, set()).add(ast.unparse(node.value))
    return any(len(lists) > 1 for lists in read.values())


def _sorted(evidence: Evidence, one: Listing, other: Listing) -> tuple[Candidate, ...]:
    """Return the change that sorts both listings."""
    sites = [site_of(evidence, listing.places) for listing in (one, other)]
    calls = list(dict.fromkeys(site.call for site in sites if site))
    source = sites[0].source if sites[0] else None
    if source is None or any(site is None or site.source is not source for site in sites):
        return ()
    changes = [(call, f"sorted({source.text_of(call)})") for call in calls]
    return candidates((0, partial(edits.replace, source, changes)))
