"""All processes of pytest-xdist collect the same tests in the same order."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")  # pytest registers it under its path


@pytest.mark.parametrize("kind", [set, frozenset])
def test_the_parameters_of_a_set_are_refused(kind: type, pytestconfig: pytest.Config) -> None:
    plugin: Any = pytestconfig.pluginmanager.get_plugin(str(CONFTEST))
    mark = pytest.mark.parametrize("name", kind("ab")).mark
    definition = SimpleNamespace(nodeid="test_it", iter_markers=lambda _: [mark])
    with pytest.raises(pytest.UsageError, match="test_it: sort the set of parameters"):
        plugin.pytest_generate_tests(SimpleNamespace(definition=definition))
