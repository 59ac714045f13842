"""Scores say of tools with a known worth what they are worth, and no tool talks itself up."""

from __future__ import annotations

import dataclasses
import random
import time
from typing import TYPE_CHECKING

import fake_tools as fake
import msgspec
import pytest
from broken_convnets.commands.score.metrics.scored_result import score_results
from broken_convnets.commands.score.metrics.credit import Credit, credits
from broken_convnets.commands.score.metrics.intervals import difference
from broken_convnets.commands.score.programs.program import ProgramRole
from broken_convnets.commands.score.protocol.messages import Diagnosis, Need, Severity, Status
from broken_convnets.commands.score.metrics.detection import false_positives, recall, youden_j
from broken_convnets.commands.score.metrics.score import Score, compute_score
from fake_tools import ask, finding, flag

if TYPE_CHECKING:
    from broken_convnets.commands.score.metrics.intervals import Rate
    from broken_convnets.commands.score.programs.program import CorpusProgram

PROGRAMS = fake.programs(cases=48, controls=24)
MODEL, SOURCE = frozenset({Need.MODEL}), frozenset({Need.SOURCE})


def _score(tool: fake.FakeTool, needs: frozenset[Need] = SOURCE) -> Score:
    return compute_score(ask(tool, PROGRAMS), ask(fake.traceback, PROGRAMS), needs=needs)


def _shares(found: Score) -> dict[str, float | None]:
    rates: dict[str, Rate] = {
        "recall": found.recall.all,
        "loud": found.recall.loud,
        "silent": found.recall.silent,
        "alarms": found.alarms.all,
        "told apart": found.twins.told_apart,
        "cause line": found.place.cause,
        "kind": found.cause.points,
        "repair": found.repair.works,
        "answered": found.counts.answered,
    }
    return {name: rate.share for name, rate in rates.items()}


def test_the_oracle_has_it_all() -> None:
    found = _score(fake.oracle)
    assert found.headline.value == 1
    assert _shares(found) == dict.fromkeys(_shares(found), 1) | {"alarms": 0}
    assert found.place.module.share == 1
    assert found.place.module.of == 12  # of those that fail inside a layer
    assert found.place.distance == 0
    assert found.repair.offered == 48
    assert not [*found.missed, *found.alarmed, *found.failed]


@pytest.mark.parametrize("tool", [fake.always_yes, fake.always_no, fake.line_one])
def test_who_says_the_same_of_everything_scores_nothing(tool: fake.FakeTool) -> None:
    found = _score(tool)
    assert found.headline.value == 0
    assert found.headline.low < 0 < found.headline.high
    assert found.recall.all.share == found.alarms.all.share
    assert found.twins.told_apart.share == 0
    assert found.twins.fixed_quiet.share == 0
    assert found.place.cause.share == found.cause.points.share == found.repair.works.share == 0


def test_a_made_up_line_earns_nothing_and_is_seen_to_be_far() -> None:
    assert _score(fake.line_one).place.distance == fake.CAUSE - 1


def test_who_breaks_down_misses_everything_and_alarms_nobody() -> None:
    found = _score(fake.breaks_down)
    assert found.headline.value == found.recall.all.share == found.alarms.all.share == 0
    assert found.counts.answered.share == 0
    assert found.counts.errors == len(found.failed) == len(PROGRAMS)
    assert found.seconds is not None


def test_who_declines_everything_has_no_rate() -> None:
    found = _score(fake.unsupported)
    assert found.headline.value is None
    assert (found.headline.low, found.headline.high) == (-1, 1)
    assert _shares(found) == dict.fromkeys(_shares(found)) | {"answered": 0}
    assert found.recall.asked.share == 0
    assert found.lift is not None
    assert found.lift.of == 0
    assert found.counts.unsupported == len(PROGRAMS)


def test_no_results_are_no_score() -> None:
    found = compute_score([])
    assert found.headline.value is None
    assert found.seconds is None


def _covers_nothing(tools: list[fake.FakeTool], asked: list[CorpusProgram]) -> float:
    """Return the share of tools whose headline's interval holds 0."""
    found = [youden_j(list(score_results(ask(tool, asked), SOURCE).values())) for tool in tools]
    return sum(one.low <= 0 <= one.high for one in found) / len(found)


def test_a_coin_is_within_its_interval() -> None:
    coins = [fake.coin(chance, seed) for seed in range(100) for chance in (0.1, 0.5, 0.9)]
    assert 0.92 <= _covers_nothing(coins, PROGRAMS) <= 0.99


@pytest.mark.parametrize("controls", [0, 24])
def test_a_tool_that_guesses_which_twin_is_broken_is_within_its_interval(controls: int) -> None:
    guesses = [fake.one_of_two(seed) for seed in range(200)]
    assert 0.91 <= _covers_nothing(guesses, fake.programs(48, controls)) <= 0.99


@pytest.mark.parametrize(("controls", "thinned"), [(0, 1.0), (24, (48 / 72) ** 0.5)])
def test_programs_without_a_twin_reduce_the_correlation_of_recall_and_false_alarms(
    controls: int, thinned: float
) -> None:
    answers = score_results(ask(fake.one_of_two(1), fake.programs(48, controls)), SOURCE)
    found = youden_j(list(answers.values()))
    rates = recall(list(answers.values())).all, false_positives(list(answers.values())).all
    opposite = -1.0  # exactly one side of each pair is flagged
    expected = difference(*rates, opposite * thinned)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.high - found.low > 0.3


def test_only_errors_are_alarms_and_warnings_are_counted_apart() -> None:
    found = _score(fake.warns)
    assert found.recall.all.share == found.alarms.all.share == 0
    assert found.warned.broken.share == found.warned.healthy.share == 1
    assert found.cause.points.share == 0
    noted = [finding(severity=Severity.NOTE)]
    assert _score(lambda _: Diagnosis(Status.CLEAN, noted)).warned.broken.share == 0


def test_lift_is_nothing_for_who_flags_what_raises() -> None:
    found = _score(fake.traceback).lift
    assert found is not None
    assert not [*found.flags.gained, *found.places.gained, *found.names.gained]
    assert not [*found.flags.lost, *found.places.lost, *found.names.lost]


def test_lift_names_what_is_gained_and_lost() -> None:
    def silent_only(program: CorpusProgram) -> Diagnosis:
        known = program.truth
        return fake.oracle(program) if known and known.silent else fake.CLEAN

    found = _score(silent_only).lift
    assert found is not None
    assert (found.of, found.flags.net) == (48, 12 - 36)
    assert found.flags.gained == found.places.gained == found.names.gained
    assert "none/case_002" in found.flags.gained
    assert "shape/case_000" in found.flags.lost
    assert not found.places.lost  # the traceback names no line to change


def test_what_either_declines_is_not_compared() -> None:
    found = compute_score(ask(fake.always_no, PROGRAMS), ask(fake.unsupported, PROGRAMS)).lift
    assert found is not None
    assert (found.of, found.flags.lost) == (0, [])
    assert compute_score(ask(fake.always_no, PROGRAMS)).lift is None


def test_declined_programs_leave_the_rates_and_stay_in_the_coverage() -> None:
    def loud_only(program: CorpusProgram) -> Diagnosis:
        known = program.truth
        return fake.DECLINED if known and known.silent else fake.oracle(program)

    found = _score(loud_only)
    assert found.recall.silent.of == 0
    assert (found.recall.all.count, found.recall.all.of) == (36, 36)
    assert (found.recall.asked.count, found.recall.asked.of) == (36, 48)
    assert found.twins.told_apart.of == 36
    assert found.counts.answered.share == pytest.approx(1 - 12 / len(PROGRAMS))


def test_who_breaks_down_on_fixed_programs_tells_none_apart() -> None:
    found = _score(lambda program: fake.oracle(program) if program.truth else fake.FAILED)
    assert found.alarms.all.share == 0
    assert found.twins.told_apart.share == found.twins.fixed_quiet.share == 0


def test_a_program_that_fails_before_the_tool_ran_earns_no_credit() -> None:
    found = _score(fake.oracle, MODEL)
    assert found.counts.void == 12
    assert (found.recall.all.count, found.recall.all.of) == (36, 48)
    assert found.place.cause.count == found.cause.points.count == found.repair.works.count == 36
    assert found.warned.broken.count == 36
    assert found.repair.offered == 36
    for other in Need:
        if other is not Need.MODEL:
            assert _score(fake.oracle, MODEL | {other}).counts.void == 0


@pytest.mark.parametrize(
    ("needs", "of"),
    [
        ({Need.SOURCE}, 24),
        ({Need.SOURCE, Need.ANNOTATIONS}, 24),
        ({Need.MODEL}, 12),
        ({Need.MODEL, Need.SOURCE}, 12),
        ({Need.RUN}, None),
        ({Need.TRACEBACK, Need.SOURCE}, None),
        (set(), None),
    ],
)
def test_who_runs_less_is_early_more_often(needs: set[Need], of: int | None) -> None:
    early = _score(fake.oracle, frozenset(needs)).early
    assert (early and (early.count, early.of)) == (of and (of, of))


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("shape/kind", 1),
        ("shape/other_kind", 1),
        ("shape/unknown", 0.5),
        ("shape", 0.5),
        ("other", 0),
        ("", 0),
        ("/", 0),
        ("loss/kind", 0),
    ],
)
def test_the_kind_is_worth_a_point_and_its_topic_half_of_it(kind: str, points: float) -> None:
    (broken, _) = fake.programs(1)
    found = compute_score(ask(lambda _: flag(finding("shape/kind", kind=kind)), [broken])).cause
    assert (found.points.count, found.points.of) == (points, 1)
    assert found.exact.count == (points == 1)
    assert found.topic.count == (points > 0)


def test_only_the_best_finding_counts() -> None:
    (broken, _) = fake.programs(1)
    shotgun = [finding(line=line, kind="loss", module="fc") for line in range(1, 40)]
    right = finding(line=fake.CAUSE, kind="shape/kind", module="conv")
    found = compute_score(ask(lambda _: flag(*shotgun, right), [broken]))
    assert found.place.cause.count == found.place.module.count == found.cause.points.count == 0
    warning = finding(line=1, kind="loss", severity=Severity.WARNING)
    found = compute_score(ask(lambda _: flag(warning, finding(), right), [broken]))
    assert found.place.cause.count == found.place.module.count == 1
    assert found.cause.points.count == 0  # the best alarm names no kind


def test_naming_no_layer_earns_no_credit_where_the_failure_is_in_no_layer() -> None:
    programs = fake.programs(4)
    results = ask(lambda _: flag(finding()), programs)
    outside = [
        result for result in results if result.program.truth and not result.program.truth.layer
    ]
    assert len(outside) == 3
    for result in outside:
        assert Credit.MODULE not in credits(result, SOURCE)


def test_a_symptom_is_no_cause() -> None:
    found = _score(fake.traceback).place
    assert (found.symptom.count, found.symptom.of) == (36, 36)
    assert found.cause.count == 0
    assert found.distance == fake.SYMPTOM - fake.CAUSE - 1


def test_a_fix_that_does_not_hold_is_no_repair() -> None:
    found = _score(lambda _: flag(finding(fix="wrong"))).repair
    assert (found.works.count, found.works.of, found.offered) == (0, 48, 48)


@pytest.mark.parametrize(
    ("broken", "fixed", "apart"),
    [
        ("got 2048, not 8192", "got 512, not 8192", False),
        ("at 0x7f00aa in /srv/one/x.py:3", "at 0x7f11bb in /srv/two/x.py:9", False),
        ("\x1b[31mBad\x1b[0m  Net", "bad net", False),
        ("{id} is bad", "{id} is bad", False),
        ("bad shape", "bad type", True),
    ],
)
def test_words_that_twins_have_in_common_tell_nothing_apart(
    broken: str,
    fixed: str,
    apart: bool,  # noqa: FBT001  (a parameter of the test)
) -> None:
    def tool(program: CorpusProgram) -> Diagnosis:
        message = broken if program.truth else fixed
        return flag(finding(message.replace("{id}", program.id)))

    found = _score(tool).twins
    assert found.told_apart.share == apart
    assert found.fixed_quiet.share == 0


def test_another_rule_or_kind_tells_twins_apart() -> None:
    for other in ({"rule": "R2"}, {"kind": "loss"}):
        found = _score(
            lambda program, other=other: flag(  # type: ignore[misc]  # mypy infers no default
                finding("no", **(other if program.truth else {}))
            )
        )
        assert found.twins.told_apart.share == 1


def test_topics_add_up() -> None:
    found = _score(fake.coin(0.5, 1))
    assert sorted(found.topics) == sorted(fake.TOPICS)
    assert sum(topic.recall.of for topic in found.topics.values()) == found.recall.all.of
    assert sum(topic.alarms.count for topic in found.topics.values()) == found.alarms.all.count
    assert found.alarms.all.of == found.alarms.fixed.of + found.alarms.control.of


def test_lists_name_every_miss_and_every_false_alarm() -> None:
    found = _score(lambda program: fake.CLEAN if program.truth else flag())
    assert len(found.missed) == found.recall.all.of
    assert "shape/case_000 (fixed)" in found.alarmed
    assert "shape/control_000 (control)" in found.alarmed
    assert len(found.alarmed) == found.alarms.all.count


def _robust(tool: fake.FakeTool) -> Score:
    return compute_score(ask(tool, fake.programs(cases=24, controls=6, variants=4)))


def test_who_learned_the_corpus_by_heart_is_not_robust() -> None:
    found = _robust(fake.learned_by_heart)
    assert found.recall.all.share == 1
    assert found.robustness is not None
    assert found.robustness.kept.share == 0
    assert found.robustness.originals.share == 1
    assert found.robustness.variants.share == 0
    assert found.robustness.same.share == pytest.approx(30 / 54)  # the healthy ones


def test_who_sees_through_variants_is_robust() -> None:
    found = _robust(fake.oracle).robustness
    assert found is not None
    assert found.same.share == found.kept.share == found.variants.share == 1
    assert found.same.of == 4 * 54
    assert found.kept.low == pytest.approx(
        compute_score(ask(fake.oracle, fake.programs(24))).recall.all.low
    )


@pytest.mark.parametrize(
    "change", [{"location": None}, {"kind": "loss"}, {"severity": Severity.WARNING}]
)
def test_another_place_or_kind_is_another_verdict(change: dict[str, object]) -> None:
    def tool(program: CorpusProgram) -> Diagnosis:
        found = fake.oracle(program)
        if not program.variant or not program.truth:
            return found
        return Diagnosis(Status.FLAGGED, [msgspec.structs.replace(found.findings[0], **change)])

    robust = _robust(tool).robustness
    assert robust is not None
    assert robust.kept.share == 0


@pytest.mark.parametrize("tool", [fake.unsupported, fake.breaks_down])
def test_who_never_answers_is_not_robust(tool: fake.FakeTool) -> None:
    found = _robust(tool).robustness
    assert found is not None
    assert found.same.share is None
    assert found.kept.share is None


def test_variants_do_not_enter_the_other_figures() -> None:
    originals, all_of_them = fake.programs(24), fake.programs(24, variants=3)
    for tool in (fake.oracle, fake.learned_by_heart):
        alone, beside = compute_score(ask(tool, originals)), compute_score(ask(tool, all_of_them))
        assert beside.robustness is not None
        assert msgspec.structs.replace(beside, robustness=None) == alone
    assert compute_score(ask(fake.oracle, originals)).robustness is None


def test_two_results_for_one_program_are_refused() -> None:
    results = ask(fake.oracle, PROGRAMS[:2])
    with pytest.raises(ValueError, match=r"two results for shape/case_000$"):
        compute_score([*results, results[0]])


def test_a_score_survives_json() -> None:
    results = ask(fake.coin(0.5, 3), fake.programs(9, controls=2, variants=1))
    found = compute_score(results, results, needs=SOURCE, tool="t", version="1")
    assert msgspec.json.decode(msgspec.json.encode(found), type=Score) == found


def test_the_order_of_results_and_findings_after_the_best_change_nothing() -> None:
    results = ask(fake.coin(0.4, 5), fake.programs(20, controls=5, variants=2))
    shuffled = random.Random(7).sample(results, len(results))  # noqa: S311  (repeatable)
    assert compute_score(shuffled, results) == compute_score(results, shuffled)


def test_more_alarms_never_help_and_more_hits_never_hurt() -> None:
    draw = random.Random(11)  # noqa: S311  (repeatable)
    for _ in range(40):
        results = ask(fake.coin(draw.random(), draw.randrange(99)), PROGRAMS)
        before = compute_score(results).headline.value
        at = draw.randrange(len(results))
        if results[at].diagnosis.status is Status.FLAGGED:
            continue
        results[at] = dataclasses.replace(results[at], diagnosis=flag())
        after = compute_score(results).headline.value
        assert before is not None
        assert after is not None
        assert (after > before) == (results[at].program.side is ProgramRole.BROKEN)


def test_thousands_of_results_take_less_than_a_second() -> None:
    results = ask(fake.oracle, fake.programs(200, variants=9))
    assert len(results) == 4_000
    start = time.process_time()
    compute_score(results, ask(fake.traceback, fake.programs(200)))
    assert time.process_time() - start < 1
