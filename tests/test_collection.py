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


def _parameters(module: Any) -> dict[str, dict[str, bool]]:
    """Return whether each program is slow, in their order, by what a test calls it."""
    taken: dict[str, Any] = {}
    names = [name.lower() for name in vars(module) if name in {"BROKEN", "FIXED"}]
    metafunc: Any = SimpleNamespace(
        fixturenames=names, module=module, parametrize=taken.__setitem__
    )
    ProgramChecks().pytest_generate_tests(metafunc)
    return {name: {one.values[0]: bool(one.marks) for one in each} for name, each in taken.items()}


def test_the_programs_of_a_set_come_in_the_order_of_their_names() -> None:
    names = [f"program_{number}" for number in range(10, 60)]  # no set of 50 keeps their order
    module = SimpleNamespace(FIXED=set(names), Test=ProgramChecks, BROKEN=dict.fromkeys(names))
    assert list(_parameters(module)["fixed"]) == names


def test_all_but_the_first_program_of_a_rule_are_slow() -> None:
    names = ["one", "one.of_a_list", "one.of_a_dict", "two.of_a_list"]
    module = SimpleNamespace(BROKEN=dict.fromkeys(names), FIXED=[names[1]], Test=ProgramChecks)
    slow = {"one": False, "one.of_a_dict": True, "one.of_a_list": True, "two.of_a_list": False}
    assert _parameters(module) == {"broken": slow, "fixed": {"one.of_a_list": True}}
