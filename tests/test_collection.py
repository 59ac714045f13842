"""All processes of pytest-xdist collect the same tests in the same order."""

from __future__ import annotations

from types import SimpleNamespace

import pytest


@pytest.mark.parametrize("kind", [set, frozenset])
def test_the_parameters_of_a_set_are_refused(kind: type, pytestconfig: pytest.Config) -> None:
    mark = pytest.mark.parametrize("name", kind("ab")).mark
    definition = SimpleNamespace(nodeid="test_it", iter_markers=lambda _: [mark])
    with pytest.raises(pytest.UsageError, match="test_it: sort the set of parameters"):
        pytestconfig.hook.pytest_generate_tests(metafunc=SimpleNamespace(definition=definition))
