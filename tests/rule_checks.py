"""What every module of broken and healthy programs checks, for each of its programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest
    from judging import Judged

SOME = 1  # healthy programs of a module that the fast tests judge


def programs_of(module: Any) -> dict[str, str]:
    """Return the programs of a module by name, those of BROKEN, HEALTHY and OTHER."""
    broken = {k: v if isinstance(v, str) else v[-1] for k, v in module.BROKEN.items()}
    return {**broken, **getattr(module, "HEALTHY", {}), **getattr(module, "OTHER", {})}


def further_programs(module: Any) -> set[str]:
    """Return the programs of a module whose tests are slow.

    These are all broken programs but the first of each rule, all healthy ones but some, and those
    that the module itself lists in SLOW.
    """
    broken = getattr(module, "BROKEN", None)
    if not isinstance(broken, dict):
        return set()
    first = {_rule(name, broken[name]): name for name in sorted(broken, reverse=True)}
    later = sorted(getattr(module, "HEALTHY", ()))[SOME:]
    return ({*broken, *later} - set(first.values())) | set(getattr(module, "SLOW", ()))


def _rule(name: str, broken: str | tuple[str, ...]) -> str:
    """Return the rule of a broken program: the first of several values, or how its name begins."""
    return name.partition(".")[0] if isinstance(broken, str) else broken[0]


class ProgramChecks:
    """A subclass tests the programs that its module has in BROKEN and HEALTHY.

    The name of a broken program begins with that of its rule and a dot. KINDS has the kind of
    each rule, or of one program.
    """

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Let each test run once for each program that it is about."""
        for argument in ("broken", "fixed", "healthy", "other"):
            if argument in metafunc.fixturenames:
                names = sorted(getattr(metafunc.module, argument.upper()))
                assert names, argument
                metafunc.parametrize(argument, names)

    def test_the_mistake_is_found_at_its_line(
        self, broken: str, judged: Mapping[str, Judged], request: pytest.FixtureRequest
    ) -> None:
        rule = broken.partition(".")[0]
        kinds = request.module.KINDS
        judged[broken].assert_cause(rule, kinds.get(broken) or kinds[rule])

    def test_a_healthy_program_that_looks_alike_is_clean(
        self, healthy: str, judged: Mapping[str, Judged]
    ) -> None:
        judged[healthy].assert_clean()


class FixedProgramChecks(ProgramChecks):
    """A subclass also tests the first fix of those programs whose names are in FIXED."""

    def test_the_first_fix_works(self, fixed: str, judged: Mapping[str, Judged]) -> None:
        judged[fixed].assert_fix(fixed.partition(".")[0])


class FailingProgramChecks(FixedProgramChecks):
    """A subclass tests programs that raise, and those in OTHER that raise for other reasons.

    Of a broken one, the line with the cause ends with the module's MARK, and no other rule has a
    finding.
    """

    def test_the_mistake_is_found_at_its_line(
        self, broken: str, judged: Mapping[str, Judged], request: pytest.FixtureRequest
    ) -> None:
        rule, one = broken.partition(".")[0], judged[broken]
        assert one.raised
        assert list(one.rules) == [rule], one
        assert request.module.MARK.strip() in one.rules[rule], one

    def test_other_failures_are_left_alone(self, other: str, judged: Mapping[str, Judged]) -> None:
        one = judged[other]
        assert one.raised
        assert one.rules == {}, one
        assert one.failed == [], one
