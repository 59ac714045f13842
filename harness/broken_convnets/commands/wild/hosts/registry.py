"""The registry of hosts: the models of torchvision, our own, and those of users' files."""

from __future__ import annotations

from pathlib import Path

from broken_convnets.commands.wild.hosts.auxiliary import AUXILIARY
from broken_convnets.commands.wild.hosts.classifiers import CLASSIFIERS
from broken_convnets.commands.wild.hosts.host import Host, drawing
from broken_convnets.commands.wild.hosts.others import OTHERS
from broken_convnets.errors import UsageError

HOSTS = {host.name: host for host in (*CLASSIFIERS, *OTHERS, *AUXILIARY)}


def hosts_named(names: list[str]) -> list[Host]:
    """Return hosts by name or as `FILE.py:CLASS`; all of them without names.

    Raises UsageError for an unknown name.
    """
    return [_host(name) for name in names] if names else list(HOSTS.values())


def _host(name: str) -> Host:
    file, _, base = name.rpartition(":")
    if file.endswith(".py"):
        return _from_file(Path(file), base)
    if name not in HOSTS:
        message = f"--models {name}: unknown; choose from {', '.join(HOSTS)}, or name FILE.py:CLASS"
        raise UsageError(message)
    return HOSTS[name]


def _from_file(path: Path, base: str) -> Host:
    """Return the host for a class in a user's file: no arguments, images of 3 channels."""
    if not path.is_file():
        message = f"--models {path}:{base}: the file does not exist"
        raise UsageError(message)
    return Host(path.stem, path.stem, base, drawing(""), file=path, factors=(1,))
