"""Lay out what each layer took and gave as lines of text: nested, folded, marked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import Struct

from broken_convnets.observe.facts import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator


LINES = 40  # a longer table is folded
CELL = 160  # characters of one cell


class NetworkTable(Struct, frozen=True):
    """The layers of one forward pass of one network."""

    type: str
    passes: int  # how many began
    shown: int  # which of them this is, from 1
    complete: bool  # whether it came back
    layers: list[Layer]
    thread: str = ""  # where it is not the main one
    omitted: int = 0  # calls in the middle that were not kept
    omitted_after: int = 0  # how many layers come before them


@dataclass
class Node:
    """A layer and what it called."""

    layer: Layer
    inside: list[Node] = field(default_factory=list)

    @property
    def hot(self) -> bool:
        """Whether something is to be seen here or inside."""
        layer = self.layer
        return layer.failed or bool(layer.annotations) or any(node.hot for node in self.inside)

    @property
    def size(self) -> int:
        """How many calls there are inside."""
        return sum(1 + node.size for node in self.inside)

    @property
    def signature(self) -> tuple[object, ...]:
        """What is the same in calls that need not be shown one by one."""
        layer = self.layer
        return (
            layer.path,
            layer.type,
            layer.inputs,
            layer.kwargs,
            layer.output,
            *(node.signature for node in self.inside),
        )


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    name: str
    text: str
    style: str = ""

    @property
    def kept(self) -> bool:
        """Whether it stays where a table is cut."""
        return bool(self.style)


def heading(network: NetworkTable) -> str:
    """Return the line above one network's table."""
    text = f"{printable(network.type)}, forward pass {network.shown} of {network.passes}"
    text += f", in thread {printable(network.thread)}" if network.thread else ""
    return f"{text}; {network.omitted} calls were not kept" if network.omitted else text


def table(
    network: NetworkTable, depth: int | None = None, *, everything: bool = False
) -> list[Line]:
    """Return the lines of one network's table.

    Layers more than `depth` calls inside the network are folded into a count, unless one of
    them failed or is marked. By default as many levels are shown as fit into LINES.
    """
    roots = tree(network.layers)
    if everything:
        return _lines(roots, None, everything=True)
    levels = [depth] if depth is not None else [*range(_depth(roots), 0, -1)]
    lines: list[Line] = []
    for level in levels:
        lines = _lines(roots, level, everything=False)
        if len(lines) <= LINES:
            return lines
    return lines if depth is not None else _cut(lines)


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


def _lines(roots: list[Node], level: int | None, *, everything: bool) -> list[Line]:
    def walk(nodes: list[Node], depth: int) -> Iterator[Line]:
        for node, times in _repeats(nodes, everything=everything):
            folded = level is not None and depth >= level and bool(node.inside) and not node.hot
            yield _line(node, depth, times, folded=folded)
            if not folded:
                yield from walk(node.inside, depth + 1)

    return list(walk(roots, 0))


def _repeats(nodes: list[Node], *, everything: bool) -> Iterator[tuple[Node, int]]:
    """Yield each node with how often it comes in a row."""
    index = 0
    while index < len(nodes):
        node, times = nodes[index], 1
        while (
            not everything
            and not node.hot
            and index + times < len(nodes)
            and not nodes[index + times].hot
            and nodes[index + times].signature == node.signature
        ):
            times += 1
        yield node, times
        index += times


def _line(node: Node, depth: int, times: int, *, folded: bool) -> Line:
    layer = node.layer
    gives = "✗" if layer.failed else "…" if layer.output is None else layer.output
    takes = ", ".join(filter(None, (layer.inputs, layer.kwargs)))
    notes = [f"({times} times)"] if times > 1 else []
    notes += [f"({node.size} inside)"] if folded else []
    notes += ["◄ failed here"] if layer.failed else []
    notes += [f"◄ {words}" for words in layer.annotations]
    name = f"{'  ' * depth}{printable(f'{layer.path} {layer.type}'.strip())}"
    text = f"{printable(takes)} -> {printable(gives)}"
    style = "bold red" if layer.failed else "yellow" if layer.annotations else ""
    return Line(name, "   ".join((text, *notes)), style)


def _cut(lines: list[Line]) -> list[Line]:
    """Keep the beginning, the end and what is marked of a table that is too long still."""
    half = LINES // 2
    shown = [i for i, line in enumerate(lines) if i < half or i >= len(lines) - half or line.kept]
    cut: list[Line] = []
    for before, index in zip([-1, *shown], shown, strict=False):
        if index - before > 1:
            text = f"{index - before - 1} lines left out: --all shows them"
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
