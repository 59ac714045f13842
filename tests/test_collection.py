"""All processes of pytest-xdist collect the same tests in the same order."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from rule_checks import SOME, ProgramChecks, further_programs

CONFTEST = Path(__file__).with_name("conftest.py")  # pytest registers it under its path


@pytest.mark.parametrize("kind", [set, frozenset])
def test_the_parameters_of_a_set_are_refused(kind: type, pytestconfig: pytest.Config) -> None:
    mark = pytest.mark.parametrize("name", kind("ab")).mark
    definition = SimpleNamespace(nodeid="test_it", iter_markers=lambda _: [mark])
    with pytest.raises(pytest.UsageError, match="test_it: sort the set of parameters"):
        _plugin(pytestconfig).pytest_generate_tests(SimpleNamespace(definition=definition))


def _plugin(config: pytest.Config) -> Any:
    return config.pluginmanager.get_plugin(str(CONFTEST))


def test_the_programs_of_a_set_come_in_the_order_of_their_names() -> None:
    names = [f"program_{number}" for number in range(10, 60)]  # no set of 50 keeps their order
    taken: dict[str, Any] = {}
    module = SimpleNamespace(FIXED=set(names))
    metafunc: Any = SimpleNamespace(
        fixturenames=["fixed"], module=module, parametrize=taken.__setitem__
    )
    ProgramChecks().pytest_generate_tests(metafunc)
    assert taken == {"fixed": names}


@pytest.mark.parametrize(
    "broken",
    [
        {"one": "", "one.of_a_list": "", "one.of_a_dict": "", "two.of_a_list": ""},
        {
            "one": ("x", ""),
            "one.of_a_list": ("x", ""),
            "one.of_a_dict": ("x", ""),
            "two.of_a_list": ("y", ""),
        },
    ],
)
def test_all_but_the_first_program_of_a_rule_are_further(broken: dict[str, Any]) -> None:
    module = SimpleNamespace(BROKEN=broken)
    assert further_programs(module) == {"one.of_a_dict", "one.of_a_list"}


def test_all_but_some_healthy_programs_are_further() -> None:
    names = sorted(f"program_{number}" for number in range(SOME + 2))
    module = SimpleNamespace(BROKEN={}, HEALTHY=dict.fromkeys(reversed(names), ""))
    assert further_programs(module) == set(names[SOME:])


def test_a_module_can_list_slow_programs() -> None:
    module = SimpleNamespace(BROKEN={"one": "", "two": ""}, SLOW={"two"})
    assert further_programs(module) == {"two"}


def test_the_tests_of_further_programs_are_slow(pytestconfig: pytest.Config) -> None:
    module = ModuleType("module")
    vars(module)["BROKEN"] = {"one": "", "one.of_a_list": ""}
    items = [Item(module, name) for name in ("one", "one.of_a_list", "no program")]
    _plugin(pytestconfig).pytest_collection_modifyitems(items)
    assert [item.marks for item in items] == [[], ["slow"], []]


class Item(SimpleNamespace):
    """A test of a module with one parameter."""

    def __init__(self, module: object, parameter: str) -> None:
        super().__init__(
            module=module,
            path=Path("test_it.py"),
            callspec=SimpleNamespace(params={"name": parameter}),
            marks=[],
        )

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        self.marks.append(mark.name)
