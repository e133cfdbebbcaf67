"""What is doubtful about rules: each finding in a case built for it, and its absence beside it."""

from __future__ import annotations

from datetime import timedelta
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, MONDAY, d, funding, history, rule, signal
from hedged.core.comparisons import thresholds
from hedged.core.lint import Finding, lint, protects
from hedged.core.metrics import History, measure, vocabulary
from hedged.core.rehearsal import rehearse
from hedged.core.rules import Rule, parse
from hedged.core.target import RatioPolicy
from hedged.history.store import HistoryStore

DEMO = Path(str(resources.files("hedged") / "demo_data" / "history"))


def linted(
    *rules: Rule, closes: list[float | None] | None = None, past: History | None = None, days: int = 7
) -> dict[str, Finding]:
    """The first finding of each kind, with a review every so many days."""
    found = every(*rules, closes=closes, past=past, days=days)
    return {finding.kind: finding for finding in reversed(found)}


def every(
    *rules: Rule, closes: list[float | None] | None = None, past: History | None = None, days: int = 7
) -> tuple[Finding, ...]:
    """Every finding, in order."""
    past = past or history(closes or WAVES)
    first = past.bars["open_time"][0]
    end = past.bars["open_time"][-1] + timedelta(days=1)
    names = {name for one in rules for name in parse(one.when).names}
    frame = measure(past, names, signal(), end)
    ticks = [first + timedelta(days=i) for i in range(days, (end - first).days + 1, days)]
    return lint(rehearse(rules, frame, "1d", ticks, RatioPolicy(initial_ratio=d("0.20"))))


def weekly(*states: float) -> list[float | None]:
    """Days of which every seventh closes at the state given, the others at 100."""
    return [close for state in states for close in [100.0] * 6 + [state]]


WAVES = weekly(99, 101, 99, 101, 100, 100, 100, 100, 99)
LOW = rule("low", "close < 100", raise_to="0.30")
HIGH = rule("high", "close > 100", lower_to="0.10")


def test_rules_that_are_sound_have_no_finding() -> None:
    sound = (rule("low", "close < 99.5", raise_to="0.30"), rule("high", "close > 103", lower_to="0.10"))
    slow = weekly(99, 100, 100, 100, 104, 100, 100, 100, 100, 99, 100)

    assert linted(*sound, closes=slow) == {}


def test_churn_counts_what_was_undone_within_three_reviews_in_both_directions() -> None:
    found = linted(LOW, HIGH)["churn"]

    # Goals: 0.20, low 0.30, high 0.10, low 0.30, high 0.10, and five reviews later low 0.30.
    assert found.rules == ("low", "high")
    assert (found.severity, found.count) == ("warning", 3)
    assert "low then high 2, the other way round 1" in found.evidence
    assert "50% of the exposure" in found.evidence
    assert found.first_dates == ("2024-01-15", "2024-01-22", "2024-01-29")


def test_a_goal_that_is_undone_a_month_later_is_no_churn() -> None:
    assert "churn" not in linted(LOW, HIGH, closes=weekly(99, 100, 100, 100, 101))
    assert linted(LOW, HIGH, closes=weekly(99, 100, 100, 101))["churn"].severity == "note"


def test_a_rule_whose_every_entry_is_used_up_is_shadowed() -> None:
    upper = rule("upper", "close < 100", raise_to="0.30")
    lower = rule("lower", "close < 99.5", raise_to="0.75")
    found = linted(upper, lower)["shadowed"]

    assert found.rules == ("lower", "upper")
    # At its first known verdict (true) it may fire, and upper decides; so at each of three entries.
    assert found.count == 3
    assert "upper 3 times" in found.evidence
    # Once 99.8 lets the milder rule decide, it is no longer shadowed.
    assert "shadowed" in linted(lower, upper)
    assert "shadowed" not in linted(lower, upper, closes=weekly(99, 101, 99.8, 101))


def test_a_rule_that_is_never_fires_at_a_review_says_on_how_many_bars_it_was() -> None:
    midweek = [100.0] * 3 + [120.0] + [100.0] * 17
    spike = rule("spike", "close > 110", set_to=0)

    found = linted(spike, closes=midweek)["never_fires"]
    assert found.severity == "warning"
    assert "true at 0 of 3 reviews, on 1 of 21 bars (first 2024-01-05)" in found.evidence
    assert "window" in found.fix

    quiet = linted(spike, closes=weekly(99, 100))["never_fires"]
    assert (quiet.count, quiet.first_dates) == (0, ())
    assert "never_fires" not in linted(spike, closes=midweek, days=1)


def test_a_rule_without_any_figure_is_told_as_unknown() -> None:
    found = linted(rule("funded", "funding_rate < 0", raise_to="0.30"))["never_fires"]

    assert "unknown at all 9" in found.evidence


def test_a_rule_that_an_unknown_one_above_always_blocks_never_fires() -> None:
    unknown = rule("bear", "close < sma_200", raise_to="0.90")
    found = linted(unknown, rule("high", "close > 100", lower_to="0.10"))

    held = found["never_fires"]
    assert (held.severity, held.rules, held.count) == ("warning", ("bear",), 0)  # no sma_200 at all
    assert "true at 0 of 9 reviews; unknown at all 9" in held.evidence
    (high,) = [one for one in every(unknown, HIGH) if one.rules[0] == "high"]
    assert (high.kind, high.rules, high.count) == ("never_fires", ("high", "bear"), 2)
    assert high.evidence.startswith("true at 2 of 9 reviews: blocked by an unknown rule above at 2")
    assert high.first_dates == ("2024-01-15", "2024-01-29")
    assert "which metric of bear has no value" in high.fix
    # A rule that may raise is not blocked, and one that is unknown but can't raise blocks nothing.
    assert not [one for one in every(unknown, LOW) if one.rules[0] == "low"]
    tame = rule("bear", "close < sma_200", lower_to="0")
    assert not [one for one in every(tame, HIGH) if one.rules[0] == "high"]


def test_a_rule_that_is_blocked_once_and_used_up_once_never_fires() -> None:
    """Neither alone accounts for every entry: blocked while sma_15 is unknown, then used up."""
    upper = rule("upper", "close > sma_15", raise_to="0.90")
    lower = rule("lower", "close > 100", lower_to="0.10")
    found = linted(upper, lower, closes=weekly(100, 101, 100, 101))

    assert "shadowed" not in found
    assert found["never_fires"].rules == ("lower", "upper")
    told = "blocked by an unknown rule above at 1, used up by a rule above at 1"
    assert told in found["never_fires"].evidence


def test_a_rule_that_was_true_when_first_seen_and_never_again_never_fires() -> None:
    found = linted(HIGH, closes=weekly(101, 99, 100, 99))["never_fires"]

    assert "true at 1 of 4 reviews: true when first seen at 1 (first 2024-01-08)" in found.evidence
    assert found.rules == ("high",)
    assert linted(HIGH, closes=weekly(101, 99, 101, 99)) == {}


def test_a_rule_that_is_always_true_says_nothing() -> None:
    found = linted(rule("always", "close > 1", raise_to="0.30"))["always_true"]

    assert (found.count, found.first_dates[0]) == (9, "2024-01-08")


def test_a_constant_condition_is_judged_like_any_other() -> None:
    assert "always_true" in linted(rule("true", "true", raise_to="0.30"))
    assert "never_fires" in linted(rule("false", "1 > 2", raise_to="0.30"))


def test_a_lower_rule_that_reduces_while_a_higher_one_holds_is_a_note() -> None:
    deep = rule("deep", "close < 105", raise_to="0.75")
    tests = rule("tests", "close > 100.5", lower_by="0.10")

    # It reduces twice, at 101 and at 106; only at 101 is the higher one true.
    states = weekly(110, 100, 101, 100, 106)
    found = linted(deep, tests, closes=states)["reduces_while_higher_holds"]
    assert (found.severity, found.rules, found.count) == ("note", ("tests", "deep"), 1)
    assert found.first_dates == ("2024-01-22",)
    assert "both are true on 1 of 35 bars" in found.evidence
    assert "reduces_while_higher_holds" not in linted(tests, deep)


@pytest.mark.parametrize(
    ("when", "wrong", "fix"),
    [
        ("funding_rate_8h >= 0.05", "5% in 8 hours", "0.0005"),
        ("funding_rate <= -0.01", "-1% an interval", "-0.0001"),
        ("funding_rate_next_8h >= 0.05", "5% in 8 hours", "0.0005"),
        ("basis_annualized > 10", "1000% a year", "0.1"),
        ("drawdown < -20", "-2000%", "-0.2"),
        ("20 < drawdown", "2000%", "0.2"),
        ("not (open_interest_change_7 <= 10)", "1000%", "0.1"),
        ("volatility_20 > 80", "8000% a year", "0.8"),
        ("volume_ratio_20 > 150", "15000%", "1.5"),
        ("basis_ratio > 2", "200%", "0.02"),
        ("basis_ratio > 0.5", "50%", "0.005"),
        ("resistance_distance < 0.5", "50%", "0.005"),
        ("support_distance < 2", "200%", "0.02"),
        ("trendline_ascending_distance < 0.5", "50%", "0.005"),
        ("slope_50 > 2", "200% a bar", "0.02"),
        ("sma_slope_50 < -5", "-500%", "-0.05"),
        ("portfolio_beta_60 > 120", "12000%", "1.2"),
        ("portfolio_correlation_60 < 60", "6000%", "0.6"),
        # However it is written, one metric is compared with one number.
        ("funding_rate * 1 > 0.05", "5% an interval", "0.0005"),
        ("funding_rate_8h * 3 > 0.15", "5% in 8 hours", "0.0005"),
        ("0.15 < 3 * funding_rate_8h", "5% in 8 hours", "0.0005"),
        ("-funding_rate_8h < -0.05", "5% in 8 hours", "0.0005"),
        ("2 - drawdown > 22", "-2000%", "-0.2"),
        ("2 * (drawdown + 1) - drawdown < -18", "-2000%", "-0.2"),
        ("not (close > sma_5 or funding_rate - 0.05 <= 0)", "5% an interval", "0.0005"),
    ],
)
def test_a_percentage_where_a_ratio_is_meant_is_an_error(when: str, wrong: str, fix: str) -> None:
    found = linted(rule("typo", when, raise_to="0.30"))["units"]

    assert found.severity == "error"
    assert wrong in found.wrong
    assert found.fix.endswith(f"is written {fix}")


@pytest.mark.parametrize(
    "when",
    ["funding_rate_8h >= 0.0005", "funding_rate_next < 0.0005", "basis_annualized > 0.1",
     "drawdown < -0.2", "drawdown > -1", "volume_ratio_20 > 1.5",
     "volatility_20 > 1.2", "close > 20000", "open_interest > 5", "close > 1.5 * sma_5",
     "funding_interval > 4", "basis_ratio < -0.2", "resistance_distance < 0.02", "slope_50 > 0.002",
     "funding_rate_8h * 1095 > 0.5", "10000 * funding_rate > 5", "funding_rate * funding_rate > 1",
     "funding_rate - funding_rate_next > 0.05", "funding_rate - funding_rate > -1",
     "0 * funding_rate < 1", "funding_zscore_90 > 2", "portfolio_beta_60 > 1.3",
     "close * 1e308 > 1e308"],
)  # fmt: skip
def test_a_plausible_threshold_is_left_alone(when: str) -> None:
    assert "units" not in linted(rule("plausible", when, raise_to="0.30"))


def test_what_was_recorded_is_no_wrong_unit() -> None:
    wild = history(WAVES, funding=funding([0.0001, 0.03] * 100))

    assert "units" not in linted(rule("wild", "funding_rate > 0.02", raise_to="0.30"), past=wild)
    assert "units" in linted(rule("wild", "funding_rate > 0.04", raise_to="0.30"), past=wild)


@pytest.mark.parametrize(
    ("when", "severity", "evidence"),
    [
        # Of 590 bars with a resistance above, it was half a price away on 34.
        ("resistance_distance < 0.5", "warning", "and as far out on 34 of them only"),
        ("0.5 > 1 * resistance_distance", "warning", "and as far out on 34 of them only"),
        ("resistance_distance < 2", "error", "recorded: 0.000"),
        ("support_distance > 2", "error", "recorded"),
        ("drawdown > -20", "error", "recorded: -0.77"),
    ],
)
def test_a_rare_figure_is_no_unit_that_says_anything_on_real_history(
    when: str, severity: str, evidence: str
) -> None:
    past = HistoryStore(DEMO, read_only=True).history(BTC, "1d")
    found = linted(rule("near", when, raise_to="0.30"), past=past)["units"]

    assert found.severity == severity
    assert evidence in found.evidence


@pytest.mark.parametrize(
    "when",
    [
        "resistance_distance > 0.5",
        "return_50 > 1.1",
        "trendline_descending_distance < 0.35 and close < sma_50",
    ],
)
def test_to_wait_for_a_rare_figure_is_no_wrong_unit(when: str) -> None:
    past = HistoryStore(DEMO, read_only=True).history(BTC, "1d")

    assert "units" not in linted(rule("far", when, raise_to="0.30"), past=past)


def test_every_metric_that_is_a_ratio_says_how_large_a_threshold_may_be() -> None:
    for family in vocabulary():
        is_ratio = "ratio" in family.unit or "share" in family.unit
        assert (family.threshold_max is not None) == is_ratio, family.name


@given(
    factor=st.floats(-100, 100).filter(lambda f: abs(f) > 1e-3),
    added=st.floats(-100, 100),
    number=st.floats(-100, 100),
    sign=st.sampled_from(["<", "<=", ">", ">="]),
    turned=st.booleans(),
)
@settings(deadline=None, derandomize=True)
def test_a_scaled_and_shifted_metric_is_compared_with_the_number_it_comes_down_to(
    factor: float, added: float, number: float, sign: str, turned: bool
) -> None:
    scaled = f"{factor:.6f} * drawdown + {added:.6f}"
    (found,) = thresholds(
        f"{number:.6f} {sign} {scaled}" if turned else f"{scaled} {sign} {number:.6f}"
    )

    assert found.metric == "drawdown"
    assert found.number == pytest.approx((number - added) / factor, rel=1e-2, abs=1e-2)
    assert found.below == (("<" in sign) ^ turned ^ (factor < 0))


def test_a_cooldown_on_a_rule_that_raises_is_told_with_the_reviews_it_kept_waiting() -> None:
    cooled = rule("low", "close < 100", raise_to="0.30", cooldown=timedelta(weeks=4))
    found = linted(cooled, HIGH)["cooldown_delays_protection"]

    # It decides on 01-08, turns true again on 01-22, and waits: over at 02-05, it is false by then.
    assert (found.severity, found.count, found.first_dates) == ("warning", 1, ("2024-01-22",))
    steps = rule("low", "close < 100", raise_by="0.30", cooldown=timedelta(weeks=4))
    assert linted(steps)["cooldown_delays_protection"].severity == "note"
    lowers = rule("high", "close > 100", lower_to="0.10", cooldown=timedelta(weeks=4))
    assert "cooldown_delays_protection" not in linted(LOW, lowers)


def test_a_while_rule_above_enter_rules_is_told_with_what_it_used_up() -> None:
    repeated = rule("repeated", "close > 90", raise_to="0.30", fires="while")
    found = linted(repeated, HIGH)["while_spends_entries"]

    assert found.rules == ("repeated", "high")
    assert found.count == 2
    assert "while_spends_entries" not in linted(HIGH, repeated)


def test_two_states_that_meet_flap_and_the_flaps_are_counted() -> None:
    found = linted(LOW, HIGH)["no_dead_zone"]

    # close < 100 at reviews 1..9: true false true false false false false false true.
    assert found.severity == "warning"
    assert "changed 4 times in 9 reviews, 2 of them within 3 weeks" in found.evidence
    assert found.first_dates == ("2024-01-22", "2024-01-29")


@pytest.mark.parametrize(
    ("below", "above"),
    [
        ("close < sma_5", "close > sma_5"),
        ("close < sma_5", "sma_5 <= close"),
        ("close < sma_5 and volume > 1", "volume > 1 and not (close <= sma_5)"),
        ("funding_rate < 0.0002", "funding_rate > 0.0001"),
        ("90 < sma_5 < close", "close < sma_5"),
        ("close < 1.03 * sma_5", "close > sma_5"),  # they even overlap
        ("close < sma_5", "close > 1.0 * sma_5"),
        ("close < sma_5", "sma_5 - close < 0"),
        ("-2 * close > -2 * sma_5", "close > sma_5"),
        ("2 * funding_rate < 0.0002", "funding_rate - 0.0001 > 0"),
        ("close * volume < 5", "close * volume > 5"),
        ("breaks_below_sma_5_7", "not breaks_below_sma_5_7"),
    ],
)
def test_a_dead_zone_is_missed_however_it_is_written(below: str, above: str) -> None:
    rules = rule("a", below, raise_to="0.30"), rule("b", above, lower_to="0.10")

    assert "no_dead_zone" in linted(*rules)


@pytest.mark.parametrize(
    ("below", "above"),
    [
        ("close < sma_5", "close > 1.03 * sma_5"),
        ("close < sma_5", "close > sma_20"),
        ("funding_rate < 0", "funding_rate > 0.0001"),
        ("close < sma_5", "close < sma_5"),
        ("1.03 * close < sma_5", "close > sma_5"),
        ("close < sma_5 - 1", "close > sma_5 + 1"),
        ("breaks_below_sma_5_7", "breaks_below_sma_5_7"),
        ("breaks_below_sma_5_7", "close > 1 and not breaks_below_sma_5_7"),
        ("close * volume < 5", "volume * close < 5"),
    ],
)
def test_a_dead_zone_is_seen(below: str, above: str) -> None:
    rules = rule("a", below, raise_to="0.30"), rule("b", above, lower_to="0.10")

    assert "no_dead_zone" not in linted(*rules)


def test_two_rules_that_both_raise_need_no_dead_zone() -> None:
    rules = LOW, rule("also", "close > 100", raise_to="0.50")

    assert "no_dead_zone" not in linted(*rules)


def test_an_error_comes_first_and_a_note_last() -> None:
    typo = rule("typo", "drawdown < -20", raise_to="0.30")
    deep = rule("deep", "close < 105", raise_to="0.75")
    tests = rule("tests", "close > 100.5", lower_by="0.10")
    found = linted(deep, tests, typo, closes=weekly(110, 100, 101, 110))

    severities = [f.severity for f in reversed(found.values())]
    assert severities[0] == "error"
    assert severities[-1] == "note"
    assert severities == sorted(severities, key=["error", "warning", "note"].index)


@pytest.mark.parametrize(
    ("action", "expected"),
    [({"raise_to": "0.3"}, True), ({"raise_by": "0.3"}, True), ({"set_to": "0.3"}, True),
     ({"scale_by": "0.3"}, True), ({"set_to": 0}, False), ({"scale_by": "-0.4"}, False),
     ({"lower_to": "0.3"}, False), ({"lower_by": "0.3"}, False)],
)  # fmt: skip
def test_a_rule_protects_when_it_can_raise(action: dict[str, str | int], expected: bool) -> None:
    assert protects(rule(**action)) is expected


def test_the_average_of_fifty_days_flaps_on_real_history() -> None:
    past = HistoryStore(DEMO, read_only=True).history(BTC, "1d")
    found = linted(
        rule("below", "close < sma_50", raise_to="0.30"),
        rule("above", "close > sma_50", lower_to="0.10"),
        past=past,
    )

    assert set(found) == {"churn", "no_dead_zone"}
    # Counted apart from this code: reviews every 7 days from the first bar, a Sunday.
    closes = past.bars["close"].to_list()
    states = [closes[i] < sum(closes[i - 49 : i + 1]) / 50 for i in range(6, len(closes), 7) if i >= 49]
    changes = [i for i in range(1, len(states)) if states[i] != states[i - 1]]
    near = [b for a, b in pairwise(changes) if b - a <= 3]
    assert f"changed {len(changes)} times" in found["no_dead_zone"].evidence
    assert found["no_dead_zone"].count == len(near) > 0
    assert found["churn"].count >= len(near) - 1


def test_a_gap_is_unknown_and_no_change_of_state() -> None:
    closes = weekly(99, 100, 99)
    closes[13] = None

    found = linted(LOW, HIGH, closes=closes)

    assert "changed 0 times in 3 reviews" in found["no_dead_zone"].evidence
    assert found["no_dead_zone"].severity == "note"
    assert MONDAY.weekday() == 0
