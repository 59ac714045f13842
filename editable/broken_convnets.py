"""In an editable install, give the package in `harness/` its installed name."""

import harness

__path__ = harness.__path__


def __getattr__(name: str) -> object:
    return getattr(harness, name)
