"""Lay out the inputs and the output of each layer as lines of text: nested, folded, annotated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.observe.facts import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator

Alike = Callable[["Node", "Node"], bool]  # whether two neighbors need only one line

LINES = 40  # a longer table is folded
CELL = 160  # characters of one cell


class NetworkTable(Struct, frozen=True):
    """The layers of one forward pass of one network."""

    type: str
    passes: int  # how many began
    shown: int  # which of them this is, from 1
    complete: bool  # whether it returned
    layers: list[Layer]
    thread: str = ""  # its name, if it is not the main one
    omitted: int = 0  # calls in the middle that were not kept
    omitted_after: int = 0  # how many layers come before them
    owner: str = ""  # its path in a module that was not called: "LitModel.backbone"
    first_non_finite: bool = False  # shown instead of the last pass, for its non-finite value


@dataclass
class Node:
    """A layer and what it called."""

    layer: Layer
    inside: list[Node] = field(default_factory=list)

    @property
    def hot(self) -> bool:
        """Whether something here or inside failed or has an annotation."""
        layer = self.layer
        return layer.failed or bool(layer.annotations) or any(node.hot for node in self.inside)

    @property
    def size(self) -> int:
        """How many calls there are inside."""
        return sum(1 + node.size for node in self.inside)

    @property
    def signature(self) -> tuple[object, ...]:
        """What is equal in repeated calls of one module."""
        own = (self.layer.path, self.layer.attribute)
        return (*own, *self.values, *(node.signature for node in self.inside))

    @property
    def shape(self) -> tuple[object, ...]:
        """What is equal in calls of blocks that differ in nothing but their weights."""
        return (*self.values, *(node.shape for node in self.inside))

    @property
    def values(self) -> tuple[object, ...]:
        """The type, the inputs and the output."""
        layer = self.layer
        return (layer.type, layer.inputs, layer.kwargs, layer.output)

    @property
    def name(self) -> str:
        """The path and the class; an unregistered module has the attribute that holds it."""
        return f"{self.layer.path or self.layer.attribute} {self.layer.type}".strip()


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    name: str
    text: str
    style: str = ""

    @property
    def kept(self) -> bool:
        """Whether it stays when a table is cut."""
        return bool(self.style)


def heading(network: NetworkTable) -> str:
    """Return the line above one network's table."""
    name = f"{network.owner} {network.type}".strip()
    text = f"{printable(name)}, forward pass {network.shown} of {network.passes}"
    text += f", in thread {printable(network.thread)}" if network.thread else ""
    text += ", the first with a non-finite value" if network.first_non_finite else ""
    return f"{text}; {network.omitted} calls were not kept" if network.omitted else text


def table(
    network: NetworkTable, depth: int | None = None, *, everything: bool = False
) -> list[Line]:
    """Return the lines of one network's table.

    Layers more than `depth` calls inside the network are folded into a count, unless one of
    them failed or has an annotation. By default equal blocks in a row are folded, and then as
    many levels are shown as fit into LINES.
    """
    roots = tree(network.layers)
    if everything:
        return _lines(roots, None, _none_alike)
    if depth is not None:
        return _lines(roots, depth, _calls_alike)
    lines = _lines(roots, None, _calls_alike)
    for level in range(_depth(roots), 0, -1):
        if len(lines) <= LINES:
            return lines
        lines = _lines(roots, level, _blocks_alike)
    return lines if len(lines) <= LINES else _cut(lines)


def tree(layers: list[Layer]) -> list[Node]:
    """Return the outermost calls, each with the calls inside."""
    roots: list[Node] = []
    path: list[Node] = []
    for layer in layers:
        node = Node(layer)
        while path and path[-1].layer.depth >= layer.depth:
            path.pop()
        (path[-1].inside if path else roots).append(node)
        path.append(node)
    return roots


def _depth(nodes: list[Node]) -> int:
    return max((1 + _depth(node.inside) for node in nodes), default=0)


def _lines(roots: list[Node], level: int | None, alike: Alike) -> list[Line]:
    def walk(nodes: list[Node], depth: int) -> Iterator[Line]:
        for run in _runs(nodes, alike):
            node = run[0]
            folded = level is not None and depth >= level and bool(node.inside) and not node.hot
            yield _line(run, depth, folded=folded)
            if not folded:
                yield from walk(node.inside, depth + 1)

    return list(walk(roots, 0))


def _runs(nodes: list[Node], alike: Alike) -> Iterator[list[Node]]:
    """Yield the nodes in groups of neighbors that need one line."""
    run: list[Node] = []
    for node in nodes:
        if run and not (alike(run[0], node) and not run[0].hot and not node.hot):
            yield run
            run = []
        run.append(node)
    if run:
        yield run


def _none_alike(_: Node, __: Node) -> bool:
    return False


def _calls_alike(one: Node, other: Node) -> bool:
    return one.signature == other.signature


def _blocks_alike(one: Node, other: Node) -> bool:
    return one.signature == other.signature or (bool(one.inside) and one.shape == other.shape)


def _line(run: list[Node], depth: int, *, folded: bool) -> Line:
    node, last = run[0], run[-1]
    layer = node.layer
    output = "✗" if layer.failed else "…" if layer.output is None else layer.output
    inputs = ", ".join(filter(None, (layer.inputs, layer.kwargs)))
    notes = [f"({node.size} inside)"] if folded else []
    if len(run) > 1:
        same = last.signature == node.signature
        notes.append(f"({len(run)} times)" if same else f"({len(run)} alike, to {last.name})")
    notes += ["(not registered)"] if layer.attribute else []
    notes += ["◄ failed here"] if layer.failed else []
    notes += [f"◄ {words}" for words in layer.annotations]
    style = "bold red" if layer.failed else "yellow" if layer.annotations else ""
    text = "   ".join((f"{printable(inputs)} -> {printable(output)}", *map(printable, notes)))
    return Line(f"{'  ' * depth}{printable(node.name)}", text, style)


def _cut(lines: list[Line]) -> list[Line]:
    """Keep the beginning, the end and the styled lines of a table that is still too long."""
    half = LINES // 2
    shown = [i for i, line in enumerate(lines) if i < half or i >= len(lines) - half or line.kept]
    cut: list[Line] = []
    for before, index in zip([-1, *shown], shown, strict=False):
        if index - before > 1:
            text = f"{index - before - 1} lines not shown: use --all to see them"
            cut.append(Line("…", text, "dim"))
        cut.append(lines[index])
    return cut


def aligned(lines: list[Line]) -> list[tuple[str, str]]:
    """Return each line as text, with its style."""
    width = max((len(line.name) for line in lines), default=0)
    return [(f"{line.name.ljust(width)}  {line.text}", line.style) for line in lines]


def printable(text: str) -> str:
    """Return `text` in at most CELL characters, without any that move the cursor."""
    text = text if len(text) <= CELL else f"{text[:CELL]}…"
    return "".join(letter if letter.isprintable() else "�" for letter in text)
