"""Which of the user's functions a call in the user's source runs, by names alone."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from broken_convnets.commands.diagnose.source import called_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broken_convnets.commands.diagnose.source import Source

KEEPING = ("staticmethod", "classmethod", "no_grad", "inference_mode", "abstractmethod", "cache")
CALLED = ("forward", "__call__")  # what an object runs when it is called


@dataclass(frozen=True)
class Callee:
    """A function, and the parameters that a call can pass, `self` left out."""

    name: str  # as a reader knows it: that of the class for its constructor
    function: ast.FunctionDef

    @property
    def is_method(self) -> bool:
        """Whether the first parameter is the object or the class."""
        first = next(iter(self._places), None)
        return first is not None and first.arg in {"self", "cls"}

    @property
    def positional(self) -> list[str]:
        """The names of those that a call can pass by position."""
        return [one.arg for one in self._places][1 if self.is_method else 0 :]

    @cached_property
    def defaults(self) -> dict[str, ast.expr]:
        """The default of each parameter that has one."""
        arguments = self.function.args
        names = [one.arg for one in self._places]
        count = len(arguments.defaults)
        found = dict(zip(names[len(names) - count :], arguments.defaults, strict=True))
        only = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        return found | {one.arg: value for one, value in only if value is not None}

    @property
    def _places(self) -> list[ast.arg]:
        return [*self.function.args.posonlyargs, *self.function.args.args]


class OwnFunctions:
    """The functions and classes that the user's files define once."""

    def __init__(self, sources: Iterable[Source]) -> None:
        """Index the definitions of some files by their names."""
        self._functions: dict[str, list[ast.FunctionDef]] = {}
        self._classes: dict[str, list[ast.ClassDef]] = {}
        self._made: dict[Source, dict[str, set[str]]] = {}
        self.optional: set[str] = set()  # names of all parameters with defaults
        for source in sources:
            for node in source.nodes:
                if isinstance(node, ast.ClassDef):
                    self._classes.setdefault(node.name, []).append(node)
                elif isinstance(node, ast.FunctionDef):
                    self.optional |= Callee(node.name, node).defaults.keys()
                    if source.parent(node) is source.tree:
                        self._functions.setdefault(node.name, []).append(node)

    def callee(self, source: Source, call: ast.Call) -> Callee | None:
        """Return what a call runs; None if that is not certain, or not the user's."""
        function, name = call.func, called_name(call)
        if isinstance(function, ast.Name):
            return self._named(source, call, name)
        if not isinstance(function, ast.Attribute):
            return None
        owner = function.value
        if _is_super(owner):
            base = self._only_base(source.class_of(call))
            return self._of_class(base, name) if base is not None else None
        if isinstance(owner, ast.Name) and owner.id in {"self", "cls"}:
            own = self._of_class(source.class_of(call), name)
            return own or self._instance(source, source.text_of(function))
        return self._of_class(self._class_of(source, source.text_of(owner)), name)

    def _named(self, source: Source, call: ast.Call, name: str) -> Callee | None:
        if _is_local(source, call, name):
            return self._instance(source, name)
        found, classes = self._functions.get(name, []), self._classes.get(name, [])
        if len(found) == 1 and not classes and _keeps_parameters(found[0]):
            return Callee(name, found[0])
        if len(classes) == 1 and not found and not classes[0].decorator_list:
            return self._of_class(classes[0], "__init__")
        return self._instance(source, name) if not found and not classes else None

    def _instance(self, source: Source, text: str) -> Callee | None:
        """Return what calling an object runs, if its class is known."""
        owner = self._class_of(source, text)
        found = (self._of_class(owner, method) for method in CALLED)
        return next((one for one in found if one is not None), None)

    def _class_of(self, source: Source, text: str) -> ast.ClassDef | None:
        """Return the class of a variable, if all that is assigned to it is of one class."""
        if source not in self._made:
            self._made[source] = _made(source)
        made = self._made[source].get(text, set())
        classes = self._classes.get(next(iter(made)), []) if len(made) == 1 else []
        return classes[0] if len(classes) == 1 else None

    def _of_class(self, owner: ast.ClassDef | None, name: str) -> Callee | None:
        """Return a method of a class, unless a class that inherits from it has its own."""
        own = _method(owner, name) if owner is not None else None
        if owner is None or own is None or not _keeps_parameters(own):
            return None
        heirs = [
            one for classes in self._classes.values() for one in classes if _is_heir(one, owner)
        ]
        if name != "__init__" and any(_method(heir, name) is not None for heir in heirs):
            return None
        return Callee(owner.name if name == "__init__" else name, own)

    def _only_base(self, owner: ast.ClassDef | None) -> ast.ClassDef | None:
        if owner is None or len(owner.bases) != 1 or not isinstance(owner.bases[0], ast.Name):
            return None
        found = self._classes.get(owner.bases[0].id, [])
        return found[0] if len(found) == 1 else None


def _made(source: Source) -> dict[str, set[str]]:
    """Return what is called to make the values of each variable; empty for what is not a call."""
    found: dict[str, set[str]] = {}
    for node in source.nodes:
        if isinstance(node, ast.Assign):
            name = called_name(node.value) if isinstance(node.value, ast.Call) else ""
            for target in node.targets:
                found.setdefault(source.text_of(target), set()).add(name)
    return found


def _method(owner: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    methods = [n for n in owner.body if isinstance(n, ast.FunctionDef) and n.name == name]
    return methods[0] if len(methods) == 1 else None


def _is_heir(one: ast.ClassDef, owner: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == owner.name for base in one.bases)


def _keeps_parameters(function: ast.FunctionDef) -> bool:
    """Return whether its decorators leave the parameters as they are."""
    texts = [ast.unparse(one) for one in function.decorator_list]
    return all(any(word in text for word in KEEPING) for text in texts)


def _is_super(owner: ast.expr) -> bool:
    return isinstance(owner, ast.Call) and called_name(owner) == "super"


def _is_local(source: Source, call: ast.Call, name: str) -> bool:
    """Return whether a function around the call has a parameter or a variable of this name."""
    function = source.function_of(call)
    while function is not None:
        for node in ast.walk(function):
            if isinstance(node, ast.arg) and node.arg == name:
                return True
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
                return True
        function = source.function_of(function)
    return False
