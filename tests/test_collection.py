"""All processes of pytest-xdist collect the same tests in the same order."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rule_checks import ProgramChecks

CONFTEST = Path(__file__).with_name("conftest.py")  # pytest registers it under its path


@pytest.mark.parametrize("kind", [set, frozenset])
def test_the_parameters_of_a_set_are_refused(kind: type, pytestconfig: pytest.Config) -> None:
    plugin: Any = pytestconfig.pluginmanager.get_plugin(str(CONFTEST))
    mark = pytest.mark.parametrize("name", kind("ab")).mark
    definition = SimpleNamespace(nodeid="test_it", iter_markers=lambda _: [mark])
    with pytest.raises(pytest.UsageError, match="test_it: sort the set of parameters"):
        plugin.pytest_generate_tests(SimpleNamespace(definition=definition))


def test_the_programs_of_a_set_come_in_the_order_of_their_names() -> None:
    names = [f"program_{number}" for number in range(10, 60)]  # no set of 50 keeps their order
    taken: dict[str, list[str]] = {}
    module = SimpleNamespace(FIXED=set(names))
    metafunc: Any = SimpleNamespace(
        fixturenames=["fixed"], module=module, parametrize=taken.__setitem__
    )
    ProgramChecks().pytest_generate_tests(metafunc)
    assert taken == {"fixed": names}
