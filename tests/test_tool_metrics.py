"""The metrics of tools whose score is known, including tools that try to game it."""

from __future__ import annotations

import dataclasses
import random
import time
from typing import TYPE_CHECKING

import fake_tools as fake
import msgspec
import pytest
from broken_convnets.commands.score.metrics.credit import Credit, credits_of
from broken_convnets.commands.score.metrics.detection import false_positives, recall, youden_j
from broken_convnets.commands.score.metrics.intervals import difference
from broken_convnets.commands.score.metrics.score import Score, compute_score
from broken_convnets.commands.score.metrics.scored_result import score_results
from broken_convnets.commands.score.programs.program import ProgramRole
from broken_convnets.commands.score.protocol.messages import Diagnosis, Need, Severity, Status
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
        "raising": found.recall.raising,
        "silent": found.recall.silent,
        "false positives": found.false_positives.all,
        "pairs": found.pairs.distinguished,
        "cause line": found.location.cause,
        "kind": found.kind.points,
        "repair": found.fixes.working,
        "answered": found.counts.answered,
    }
    return {name: rate.share for name, rate in rates.items()}


def test_the_oracle_has_a_perfect_score() -> None:
    found = _score(fake.oracle)
    assert found.youden_j.value == 1
    assert _shares(found) == dict.fromkeys(_shares(found), 1) | {"false positives": 0}
    assert found.location.layer.share == 1
    assert found.location.layer.of == 12  # of those that fail inside a layer
    assert found.location.distance == 0
    assert found.fixes.offered == 48
    assert not [*found.missed, *found.wrongly_flagged, *found.failed]


@pytest.mark.parametrize("tool", [fake.flags_everything, fake.flags_nothing, fake.line_one])
def test_a_constant_answer_scores_zero(tool: fake.FakeTool) -> None:
    found = _score(tool)
    assert found.youden_j.value == 0
    assert found.youden_j.low < 0 < found.youden_j.high
    assert found.recall.all.share == found.false_positives.all.share
    assert found.pairs.distinguished.share == 0
    assert found.pairs.silent_on_fixed.share == 0
    assert found.location.cause.share == found.kind.points.share == found.fixes.working.share == 0


def test_an_invented_line_earns_no_credit_and_has_a_large_distance() -> None:
    assert _score(fake.line_one).location.distance == fake.CAUSE - 1


def test_a_tool_that_always_fails_misses_every_program() -> None:
    found = _score(fake.always_fails)
    assert found.youden_j.value == found.recall.all.share == found.false_positives.all.share == 0
    assert found.counts.answered.share == 0
    assert found.counts.errors == len(found.failed) == len(PROGRAMS)
    assert found.seconds is not None


def test_a_tool_that_declines_every_program_has_no_rates() -> None:
    found = _score(fake.declines_everything)
    assert found.youden_j.value is None
    assert (found.youden_j.low, found.youden_j.high) == (-1, 1)
    assert _shares(found) == dict.fromkeys(_shares(found)) | {"answered": 0}
    assert found.recall.with_declined.share == 0
    assert found.vs_baseline is not None
    assert found.vs_baseline.programs == 0
    assert found.counts.unsupported == len(PROGRAMS)


def test_without_results_there_are_no_rates() -> None:
    found = compute_score([])
    assert found.youden_j.value is None
    assert found.seconds is None


def _share_with_zero(tools: list[fake.FakeTool], asked: list[CorpusProgram]) -> float:
    """Return the share of tools whose interval contains 0."""
    found = [youden_j(list(score_results(ask(tool, asked), SOURCE).values())) for tool in tools]
    return sum(one.low <= 0 <= one.high for one in found) / len(found)


def test_the_interval_of_random_answers_contains_zero() -> None:
    coins = [fake.coin(chance, seed) for seed in range(100) for chance in (0.1, 0.5, 0.9)]
    assert 0.92 <= _share_with_zero(coins, PROGRAMS) <= 0.99


@pytest.mark.parametrize("controls", [0, 24])
def test_the_interval_of_guesses_within_pairs_contains_zero(controls: int) -> None:
    guesses = [fake.guesses_one_of_pair(seed) for seed in range(200)]
    assert 0.91 <= _share_with_zero(guesses, fake.programs(48, controls)) <= 0.99


@pytest.mark.parametrize(("controls", "thinned"), [(0, 1.0), (24, (48 / 72) ** 0.5)])
def test_programs_without_a_pair_reduce_the_correlation_of_recall_and_false_positives(
    controls: int, thinned: float
) -> None:
    answers = score_results(ask(fake.guesses_one_of_pair(1), fake.programs(48, controls)), SOURCE)
    found = youden_j(list(answers.values()))
    rates = recall(list(answers.values())).all, false_positives(list(answers.values())).all
    opposite = -1.0  # exactly one side of each pair is flagged
    expected = difference(*rates, opposite * thinned)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.high - found.low > 0.3


def test_warnings_are_counted_separately_from_alarms() -> None:
    found = _score(fake.warns)
    assert found.recall.all.share == found.false_positives.all.share == 0
    assert found.with_warnings.recall.share == found.with_warnings.false_positives.share == 1
    assert found.kind.points.share == 0
    noted = [finding(severity=Severity.NOTE)]
    assert _score(lambda _: Diagnosis(Status.CLEAN, noted)).with_warnings.recall.share == 0


def test_the_traceback_gains_nothing_over_itself() -> None:
    found = _score(fake.traceback).vs_baseline
    assert found is not None
    assert not [*found.detected.gained, *found.located.gained, *found.classified.gained]
    assert not [*found.detected.lost, *found.located.lost, *found.classified.lost]


def test_the_comparison_lists_gained_and_lost_programs() -> None:
    def silent_only(program: CorpusProgram) -> Diagnosis:
        known = program.truth
        return fake.oracle(program) if known and known.silent else fake.CLEAN

    found = _score(silent_only).vs_baseline
    assert found is not None
    assert (found.programs, found.detected.net) == (48, 12 - 36)
    assert found.detected.gained == found.located.gained == found.classified.gained
    assert "none/case_002" in found.detected.gained
    assert "shape/case_000" in found.detected.lost
    assert not found.located.lost  # the traceback names no line to change


def test_declined_programs_are_not_compared_with_the_baseline() -> None:
    found = compute_score(
        ask(fake.flags_nothing, PROGRAMS), ask(fake.declines_everything, PROGRAMS)
    ).vs_baseline
    assert found is not None
    assert (found.programs, found.detected.lost) == (0, [])
    assert compute_score(ask(fake.flags_nothing, PROGRAMS)).vs_baseline is None


def test_declined_programs_are_excluded_from_the_rates() -> None:
    def loud_only(program: CorpusProgram) -> Diagnosis:
        known = program.truth
        return fake.DECLINED if known and known.silent else fake.oracle(program)

    found = _score(loud_only)
    assert found.recall.silent.of == 0
    assert (found.recall.all.count, found.recall.all.of) == (36, 36)
    assert (found.recall.with_declined.count, found.recall.with_declined.of) == (36, 48)
    assert found.pairs.distinguished.of == 36
    assert found.counts.answered.share == pytest.approx(1 - 12 / len(PROGRAMS))


def test_a_tool_that_fails_on_fixed_programs_distinguishes_no_pair() -> None:
    found = _score(lambda program: fake.oracle(program) if program.truth else fake.FAILED)
    assert found.false_positives.all.share == 0
    assert found.pairs.distinguished.share == found.pairs.silent_on_fixed.share == 0


def test_a_program_that_fails_before_the_tool_runs_earns_no_credit() -> None:
    found = _score(fake.oracle, MODEL)
    assert found.counts.unreachable == 12
    assert (found.recall.all.count, found.recall.all.of) == (36, 48)
    assert found.location.cause.count == found.kind.points.count == found.fixes.working.count == 36
    assert found.with_warnings.recall.count == 36
    assert found.fixes.offered == 36
    for other in Need:
        if other is not Need.MODEL:
            assert _score(fake.oracle, MODEL | {other}).counts.unreachable == 0


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
def test_early_detection_depends_on_the_needs_of_the_tool(needs: set[Need], of: int | None) -> None:
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
def test_the_kind_earns_one_point_and_the_topic_half(kind: str, points: float) -> None:
    (broken, _) = fake.programs(1)
    found = compute_score(ask(lambda _: flag(finding("shape/kind", kind=kind)), [broken])).kind
    assert (found.points.count, found.points.of) == (points, 1)
    assert found.exact.count == (points == 1)
    assert found.topic.count == (points > 0)


def test_only_the_best_finding_counts() -> None:
    (broken, _) = fake.programs(1)
    shotgun = [finding(line=line, kind="loss", module="fc") for line in range(1, 40)]
    right = finding(line=fake.CAUSE, kind="shape/kind", module="conv")
    found = compute_score(ask(lambda _: flag(*shotgun, right), [broken]))
    assert found.location.cause.count == found.location.layer.count == found.kind.points.count == 0
    warning = finding(line=1, kind="loss", severity=Severity.WARNING)
    found = compute_score(ask(lambda _: flag(warning, finding(), right), [broken]))
    assert found.location.cause.count == found.location.layer.count == 1
    assert found.kind.points.count == 0  # the best alarm names no kind


def test_naming_no_layer_earns_no_credit_if_the_failure_is_outside_of_layers() -> None:
    programs = fake.programs(4)
    results = ask(lambda _: flag(finding()), programs)
    outside = [
        result for result in results if result.program.truth and not result.program.truth.layer
    ]
    assert len(outside) == 3
    for result in outside:
        assert Credit.LAYER_NAMED not in credits_of(result, SOURCE)


def test_a_symptom_line_is_not_a_cause_line() -> None:
    found = _score(fake.traceback).location
    assert (found.symptom.count, found.symptom.of) == (36, 36)
    assert found.cause.count == 0
    assert found.distance == fake.SYMPTOM - fake.CAUSE - 1


def test_a_fix_that_does_not_work_earns_no_credit() -> None:
    found = _score(lambda _: flag(finding(fix="wrong"))).fixes
    assert (found.working.count, found.working.of, found.offered) == (0, 48, 48)


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
def test_the_same_message_does_not_distinguish_a_pair(
    broken: str,
    fixed: str,
    apart: bool,  # noqa: FBT001  (a parameter of the test)
) -> None:
    def tool(program: CorpusProgram) -> Diagnosis:
        message = broken if program.truth else fixed
        return flag(finding(message.replace("{id}", program.id)))

    found = _score(tool).pairs
    assert found.distinguished.share == apart
    assert found.silent_on_fixed.share == 0


def test_another_rule_or_kind_distinguishes_a_pair() -> None:
    for other in ({"rule": "R2"}, {"kind": "loss"}):
        found = _score(
            lambda program, other=other: flag(  # type: ignore[misc]  # mypy infers no default
                finding("no", **(other if program.truth else {}))
            )
        )
        assert found.pairs.distinguished.share == 1


def test_the_topics_add_up_to_the_totals() -> None:
    found = _score(fake.coin(0.5, 1))
    assert sorted(found.topics) == sorted(fake.TOPICS)
    assert sum(topic.recall.of for topic in found.topics.values()) == found.recall.all.of
    assert (
        sum(topic.false_positives.count for topic in found.topics.values())
        == found.false_positives.all.count
    )
    assert (
        found.false_positives.all.of
        == found.false_positives.fixed.of + found.false_positives.control.of
    )


def test_the_lists_name_every_miss_and_every_false_positive() -> None:
    found = _score(lambda program: fake.CLEAN if program.truth else flag())
    assert len(found.missed) == found.recall.all.of
    assert "shape/case_000 (fixed)" in found.wrongly_flagged
    assert "shape/control_000 (control)" in found.wrongly_flagged
    assert len(found.wrongly_flagged) == found.false_positives.all.count


def _robust(tool: fake.FakeTool) -> Score:
    return compute_score(ask(tool, fake.programs(cases=24, controls=6, variants=4)))


def test_a_tool_that_memorized_the_corpus_is_not_robust() -> None:
    found = _robust(fake.memorized)
    assert found.recall.all.share == 1
    assert found.robustness is not None
    assert found.robustness.same_verdict_if_detected.share == 0
    assert found.robustness.original_recall.share == 1
    assert found.robustness.variant_recall.share == 0
    assert found.robustness.same_verdict.share == pytest.approx(30 / 54)  # the healthy ones


def test_a_tool_that_recognizes_variants_is_robust() -> None:
    found = _robust(fake.oracle).robustness
    assert found is not None
    assert (
        found.same_verdict.share
        == found.same_verdict_if_detected.share
        == found.variant_recall.share
        == 1
    )
    assert found.same_verdict.of == 4 * 54
    assert found.same_verdict_if_detected.low == pytest.approx(
        compute_score(ask(fake.oracle, fake.programs(24))).recall.all.low
    )


def test_repair_is_measured_on_variants_too() -> None:
    oracle = _robust(fake.oracle).robustness
    assert oracle is not None
    assert oracle.original_fixes == compute_score(ask(fake.oracle, fake.programs(24))).fixes.working
    assert oracle.variant_fixes is not None
    assert (oracle.variant_fixes.count, oracle.variant_fixes.of) == (96, 96)
    memorized = _robust(fake.memorized).robustness
    assert memorized is not None
    assert memorized.original_fixes is not None
    assert memorized.variant_fixes is not None
    assert memorized.original_fixes.count == 24
    assert memorized.variant_fixes.count == 0


def test_a_tool_without_fixes_has_no_rate_of_repair_on_variants() -> None:
    found = _robust(fake.flags_everything).robustness
    assert found is not None
    assert found.original_fixes is found.variant_fixes is None


@pytest.mark.parametrize(
    "change", [{"location": None}, {"kind": "loss"}, {"severity": Severity.WARNING}]
)
def test_another_location_or_kind_is_another_verdict(change: dict[str, object]) -> None:
    def tool(program: CorpusProgram) -> Diagnosis:
        found = fake.oracle(program)
        if not program.variant or not program.truth:
            return found
        return Diagnosis(Status.FLAGGED, [msgspec.structs.replace(found.findings[0], **change)])

    robust = _robust(tool).robustness
    assert robust is not None
    assert robust.same_verdict_if_detected.share == 0


@pytest.mark.parametrize("tool", [fake.declines_everything, fake.always_fails])
def test_a_tool_that_never_answers_has_no_robustness(tool: fake.FakeTool) -> None:
    found = _robust(tool).robustness
    assert found is not None
    assert found.same_verdict.share is None
    assert found.same_verdict_if_detected.share is None


def test_variants_do_not_change_the_other_metrics() -> None:
    originals, all_of_them = fake.programs(24), fake.programs(24, variants=3)
    for tool in (fake.oracle, fake.memorized):
        alone, beside = compute_score(ask(tool, originals)), compute_score(ask(tool, all_of_them))
        assert beside.robustness is not None
        assert msgspec.structs.replace(beside, robustness=None) == alone
    assert compute_score(ask(fake.oracle, originals)).robustness is None


def test_two_results_for_one_program_are_rejected() -> None:
    results = ask(fake.oracle, PROGRAMS[:2])
    with pytest.raises(ValueError, match=r"two results for shape/case_000$"):
        compute_score([*results, results[0]])


def test_a_score_survives_a_json_round_trip() -> None:
    results = ask(fake.coin(0.5, 3), fake.programs(9, controls=2, variants=1))
    found = compute_score(results, results, needs=SOURCE, tool="t", version="1")
    assert msgspec.json.decode(msgspec.json.encode(found), type=Score) == found


def test_the_order_of_the_results_does_not_matter() -> None:
    results = ask(fake.coin(0.4, 5), fake.programs(20, controls=5, variants=2))
    shuffled = random.Random(7).sample(results, len(results))  # noqa: S311  (repeatable)
    assert compute_score(shuffled, results) == compute_score(results, shuffled)


def test_more_false_positives_lower_youden_j_and_more_hits_raise_it() -> None:
    draw = random.Random(11)  # noqa: S311  (repeatable)
    for _ in range(40):
        results = ask(fake.coin(draw.random(), draw.randrange(99)), PROGRAMS)
        before = compute_score(results).youden_j.value
        at = draw.randrange(len(results))
        if results[at].diagnosis.status is Status.FLAGGED:
            continue
        results[at] = dataclasses.replace(results[at], diagnosis=flag())
        after = compute_score(results).youden_j.value
        assert before is not None
        assert after is not None
        assert (after > before) == (results[at].program.role is ProgramRole.BROKEN)


def test_the_metrics_of_thousands_of_results_are_fast() -> None:
    results = ask(fake.oracle, fake.programs(200, variants=9))
    assert len(results) == 4_000
    start = time.process_time()
    compute_score(results, ask(fake.traceback, fake.programs(200)))
    assert time.process_time() - start < 5
