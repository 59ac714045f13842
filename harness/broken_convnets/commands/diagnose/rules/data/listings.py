"""Files of two folders are paired in an order that the file system cannot change."""

from __future__ import annotations

import ast
from functools import partial
from itertools import combinations
from os.path import basename
from pathlib import Path
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose import edits
from broken_convnets.commands.diagnose.findings import Finding
from broken_convnets.commands.diagnose.registry import rule
from broken_convnets.commands.diagnose.rules.data.listed_files import ListedFiles
from broken_convnets.commands.diagnose.rules.data.paired_items import compared, used_together
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
BY_LENGTH = ", key=lambda name: (len(str(name)), str(name))"
LISTS = frozenset({"listdir", "glob", "iglob", "iterdir", "scandir", "rglob"})


@rule(
    "files of two folders are paired after both listings are sorted",
    stays_quiet="about listings that are sorted or matched by name, folders with other names, and "
    "files that do not reach one zip(), one loop that pairs them, or one index of a dataset",
)
def unsorted_listings(evidence: Evidence) -> Iterator[Finding]:
    """Find `zip` or equal indices over two listings, whose order the file system decides."""
    for one, other in paired_listings(evidence):
        yield Finding(
            kind="data/pairs_out_of_order",
            message="files are paired by their positions in two unsorted listings, whose order "
            "the file system determines",
            evidence=_evidence(one, other),
            violates=(Law.MASKS_MATCH_IMAGES,),
            cause=location(other.places),
            symptom=location(one.places),
            subject=other.places[0].text,
            cases=("data/pairs_out_of_order",),
            candidates=in_order(evidence, one, other),
            confidence=8,
        )
        return


def paired_listings(evidence: Evidence) -> Iterator[tuple[Listing, Listing]]:
    """Yield listings of two folders with the same names that are paired without being sorted."""
    listings = [one for one in evidence.record.folders.listings if _is_in_any_order(evidence, one)]
    for one, other in combinations(listings, 2):
        first, second = common_stems(one.names), common_stems(other.names)
        if one.folder == other.folder or len(set(first)) < 2 or sorted(first) != sorted(second):  # noqa: PLR2004  (to confuse)
            continue
        if _are_paired(evidence, one, other):
            yield one, other


def listings_with(evidence: Evidence, *files: str) -> list[Listing]:
    """Return the one unsorted listing of each file, of different folders; none if there is not."""
    listings = [one for one in evidence.record.folders.listings if _is_in_any_order(evidence, one)]
    found = [[one for one in listings if _has(one, file)] for file in files]
    if any(len(one) != 1 for one in found) or len({one[0].folder for one in found}) < len(files):
        return []
    return [one[0] for one in found]


def _has(listing: Listing, file: str) -> bool:
    return Path(file).name in map(basename, listing.names)


def _evidence(one: Listing, other: Listing) -> str:
    text = f"{one.places[0].text} returns {', '.join(map(basename, one.names[:3]))}, ..."
    if common_stems(one.names) == common_stems(other.names):
        return f"{text}; the other folder has the same order here by chance"
    return f"{text}, and the other listing {', '.join(map(basename, other.names[:3]))}, ..."


def _is_in_any_order(evidence: Evidence, listing: Listing) -> bool:
    """Return whether no function on the way to a listing sorts, or matches by name."""
    site = site_of(evidence, listing.places)
    if site is None or called_name(site.call) not in LISTS:
        return False
    for place in listing.places:
        source = evidence.source(place.file)
        scope = _scope(source, place.line) if source else None
        if scope is not None and _matches_by_name(scope):
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


def _matches_by_name(scope: ast.AST) -> bool:
    """Return whether code sorts names, or looks them up."""
    nodes = list(ast.walk(scope))
    if any(isinstance(node, ast.DictComp | ast.SetComp) for node in nodes):
        return True
    own = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    return any(name in BY_NAME or "sort" in name.lower() for name in _functions(nodes, own))


def _functions(nodes: list[ast.AST], own: set[str]) -> Iterator[str]:
    """Yield the names of what is called, or passed to a call, variables of the code left out."""
    for node in nodes:
        if isinstance(node, ast.Call):
            if node.args or isinstance(node.func, ast.Attribute):  # not dict(key=value)
                yield called_name(node)
            for passed in (*node.args, *(keyword.value for keyword in node.keywords)):
                if isinstance(passed, ast.Name) and passed.id not in own:
                    yield passed.id
                elif isinstance(passed, ast.Attribute) and ast.unparse(passed.value) != "self":
                    yield passed.attr
        elif isinstance(node, ast.Attribute) and node.attr == "stem":
            yield node.attr


def _are_paired(evidence: Evidence, one: Listing, other: Listing) -> bool:
    """Return whether items of both listings are put together, unsorted and not compared."""
    first, second = (ListedFiles.of(evidence, listing) for listing in (one, other))
    if any(_matches_by_name(scope) for files in (first, second) for scope in files.scopes()):
        return False

    def are_in(lists: Iterator[list[ast.expr]], source: Source) -> bool:
        return any(_has_one_of_each(source, first, second, one) for one in lists)

    sources = first.sources
    compares = any(are_in(compared(source), source) for source in sources)
    return not compares and any(are_in(used_together(source), source) for source in sources)


def _has_one_of_each(
    source: Source, first: ListedFiles, second: ListedFiles, together: list[ast.expr]
) -> bool:
    """Return whether some expressions have the files of one listing only, others of the other."""
    held = {(first.hold(source, node), second.hold(source, node)) for node in together}
    return {(True, False), (False, True)} <= held


def in_order(evidence: Evidence, one: Listing, other: Listing) -> tuple[Candidate, ...]:
    """Return the change that sorts both listings."""
    sites = [site_of(evidence, listing.places) for listing in (one, other)]
    calls = list(dict.fromkeys(site.call for site in sites if site))
    source = sites[0].source if sites[0] else None
    if source is None or any(site is None or site.source is not source for site in sites):
        return ()
    order = _order(one, other)
    if order is None:
        return ()
    changes = [(call, f"sorted({source.text_of(call)}{order})") for call in calls]
    return candidates((0, partial(edits.replace, source, changes)))


def _order(one: Listing, other: Listing) -> str | None:
    """Return the key that sorts both listings alike: none, or the length of names before them."""
    for text, key in (("", str), (BY_LENGTH, lambda name: (len(name), name))):
        first, second = (common_stems(sorted(names, key=key)) for names in (one.names, other.names))
        if first == second:
            return text
    return None
