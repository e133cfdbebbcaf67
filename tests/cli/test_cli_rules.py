"""``rules test``, ``rules lint`` and ``rules scenario`` as a person or a script meets them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from builders import BTC
from commands import DATA, Hedged, rule
from hedged.cli import exits
from hedged.core.scenario import account_of
from hedged.errors import SettingsError
from hedged.history.store import HistoryStore
from hedged.settings.scenario import load_scenario

ROOT = Path(__file__).parent.parent.parent
ALEX = ROOT / "config" / "scenarios" / "alex.toml"


# rules test


def test_a_date_is_judged_on_the_bar_that_closed_by_its_midnight(
    hedged: Hedged, config: Callable[..., Path]
) -> None:
    (found,) = hedged("test", "--at", "2022-06-13", "-c", config(), "--json").json
    past = HistoryStore(DATA / "history", read_only=True).history(BTC, "1d")
    closes = dict(zip(past.bars["open_time"].to_list(), past.bars["close"].to_list(), strict=True))
    sunday = datetime(2022, 6, 12, tzinfo=UTC)
    fifty = [close for at, close in closes.items() if at <= sunday][-50:]

    assert found["bar_close"].startswith("2022-06-13T00:00")
    assert [line["value"] for line in found["rules"]] == [False, True, False, False, False]
    moderate = found["rules"][1]
    assert moderate["figures"]["close"] == closes[sunday] == 26567.5
    assert moderate["figures"]["sma_50"] == pytest.approx(sum(fifty) / 50)
    # What each would make of the demo's initial 20%.
    assert [line["would_set"] for line in found["rules"]] == ["0.75", "0.30", "0", "0.10", "0.10"]


def test_a_goal_can_be_given_and_is_kept_within_its_bounds(
    hedged: Hedged, config: Callable[..., Path]
) -> None:
    path = config(
        rule("more", "close > 0", "raise_by = 0.30"), rule("less", "close > 0", "lower_by = 0.9")
    )

    (found,) = hedged("test", "--at", "2022-06-13", "-c", path, "--goal", "0.80", "--json").json

    assert found["goal_ratio"] == "0.80"
    assert [Decimal(line["would_set"]) for line in found["rules"]] == [1, 0]


@pytest.mark.parametrize(
    ("changed", "args", "goal_from", "said"),
    [
        ({}, (), "initial_ratio", "for a goal of 20% (initial_ratio; give another with --goal)"),
        ({}, ("--goal", "0.5"), "--goal", "for a goal of 50% (--goal)"),
        ({"initial_ratio = 0.20": ""}, (), "nothing held", "for a goal of 0% (nothing held, for"),
    ],
)
def test_it_is_said_where_the_goal_comes_from(
    hedged: Hedged,
    config: Callable[..., Path],
    changed: dict[str, str],
    args: tuple[str, ...],
    goal_from: str,
    said: str,
) -> None:
    path = config()
    for old, new in changed.items():
        path.write_text(path.read_text().replace(old, new))
    asked = ("test", "--at", "2022-06-13", "-c", path, *args)

    assert said in " ".join(hedged(*asked).out.split())
    assert hedged(*asked, "--json").json[0]["goal_from"] == goal_from


def test_the_verdicts_are_told_with_figures_and_what_they_would_do(
    hedged: Hedged, config: Callable[..., Path]
) -> None:
    found = hedged("test", "--at", "2022-06-13", "-c", config())

    assert found.code == exits.DONE
    assert "on Monday 2022-06-13" in found.out
    assert "2. moderate risk: true" in found.out
    assert "raise_to 0.30, would set 30%" in found.out
    assert "close = 26,567.50" in found.out


def test_the_first_and_the_last_date_of_the_history_are_in_it(
    hedged: Hedged, config: Callable[..., Path]
) -> None:
    path = config()
    codes = [
        hedged("test", "--at", day, "-c", path).code
        for day in ("2020-11-15", "2020-11-16", "2023-01-01", "2023-01-02")
    ]

    assert codes == [exits.VENUE, exits.DONE, exits.DONE, exits.VENUE]
    outside = hedged("test", "--at", "2023-01-02", "-c", path)
    assert "outside the recorded history of BTC/USDT:USDT" in outside.err
    assert "to 2023-01-01 00:00 UTC" in outside.err


@pytest.mark.parametrize("at", ["yesterday", "2022-02-30", "2022-6-13", "20220613", "2022-06-13T00:00"])
def test_what_is_no_date_is_a_wrong_argument(
    hedged: Hedged, config: Callable[..., Path], at: str
) -> None:
    found = hedged("test", "--at", at, "-c", config())

    assert found.code == exits.USAGE
    assert "is not a date; write it as 2022-06-13" in found.err


@pytest.mark.parametrize("goal", ["30%", "1.5", "nan"])
def test_what_is_no_goal_is_a_wrong_argument(
    hedged: Hedged, config: Callable[..., Path], goal: str
) -> None:
    found = hedged("test", "--at", "2022-06-13", "--goal", goal, "-c", config())

    assert found.code == exits.USAGE
    assert "is no goal" in found.err


@pytest.mark.parametrize("command", [("test", "--at", "2022-06-13"), ("lint",)])
def test_a_portfolio_can_be_named_and_an_unknown_one_is_refused(
    hedged: Hedged, config: Callable[..., Path], command: tuple[str, ...]
) -> None:
    path = config()

    assert hedged(*command, "-c", path, "--portfolio", "demo").code == exits.DONE
    refused = hedged(*command, "-c", path, "--portfolio", "demon")
    assert refused.code == exits.SETTINGS
    assert "there is no portfolio 'demon'" in refused.err


@pytest.mark.parametrize("command", [("test", "--at", "2022-06-13"), ("lint",)])
def test_a_metric_that_is_not_recorded_is_a_settings_error(
    hedged: Hedged, config: Callable[..., Path], command: tuple[str, ...]
) -> None:
    found = hedged(*command, "-c", config(rule("basis", "basis < 0", "raise_to = 0.3")))

    assert found.code == exits.SETTINGS
    assert "needs index" in found.err


@pytest.mark.parametrize("command", [("test", "--at", "2022-06-13"), ("lint",)])
def test_nothing_is_written(
    hedged: Hedged, config: Callable[..., Path], command: tuple[str, ...]
) -> None:
    path = config()

    def digests() -> dict[str, str]:
        found = [p for folder in (path.parent, DATA) for p in folder.rglob("*") if p.is_file()]
        return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}

    before = digests()
    hedged(*command, "-c", path)

    assert digests() == before


def test_a_refused_bar_is_told_and_its_figures_are_unknown(
    hedged: Hedged, config: Callable[..., Path], tmp_path: Path
) -> None:
    bars = HistoryStore(DATA / "history", read_only=True).read(BTC, "bars", "1d")
    row = bars["open_time"].to_list().index(datetime(2022, 6, 12, tzinfo=UTC))
    broken = bars.with_columns(low=bars["low"].scatter(row, 1e9))
    for frame, year in ((broken, 2022), (bars, 2021)):
        file = tmp_path / "own" / "data" / "BTC-USDT_USDT" / "bars-1d" / f"{year}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        frame.filter(frame["open_time"].dt.year() == year).write_parquet(file)
    path = config(rule("low", "close < sma_50", "raise_to = 0.3"), data='"data"')

    (found,) = hedged("test", "--at", "2022-06-13", "-c", path, "--json").json

    assert found["rules"][0]["value"] is None
    assert any("has a high below" in note for note in found["notes"])
    assert any("is missing" in note for note in found["notes"])


@pytest.mark.parametrize("command", ["test", "chart"])
def test_an_index_that_one_coin_leaves_unknown_is_told_of_and_not_outside_of_the_history(
    command: str, hedged: Hedged, config: Callable[..., Path], tmp_path: Path
) -> None:
    shutil.copytree(DATA / "history", tmp_path / "own" / "data")
    file = tmp_path / "own" / "data" / "LINK-USDT_USDT" / "bars-1d" / "2021.parquet"
    link, gone = pl.read_parquet(file), datetime(2021, 6, 6, tzinfo=UTC)
    link.filter(link["open_time"] != gone).write_parquet(file)
    path = config(
        rule("low", "close < sma_50", "raise_to = 0.3"), data='"data"', bar='"1d"\nindex = "holdings"'
    )

    found = hedged(command, "--at", "2021-06-07", "-c", path, "--json")

    assert found.code == exits.DONE
    notes = (found.json[0] if command == "test" else found.json)["notes"]
    assert any(
        "the index is unknown on 2021-06-07: LINK/USDT:USDT has no bar" in note for note in notes
    )


# rules lint


def test_the_demos_matrix_is_linted_on_every_weekly_review_of_its_history(
    hedged: Hedged, config: Callable[..., Path]
) -> None:
    found = hedged("lint", "-c", config(), "--json")
    (matrix,) = found.json

    assert found.code == exits.DONE
    assert (matrix["reviews"], matrix["cadence"]) == (111, "weekly")
    assert matrix["first_review"].startswith("2020-11-16")
    kinds = {finding["kind"] for finding in matrix["findings"]}
    assert kinds == {"churn", "reduces_while_higher_holds"}
    assert all(finding["severity"] != "error" for finding in matrix["findings"])


def test_an_error_has_an_exit_code_of_its_own(hedged: Hedged, config: Callable[..., Path]) -> None:
    typo = config(rule("typo", "funding_rate_8h > 0.05", "raise_to = 0.3"))

    found = hedged("lint", "-c", typo)

    assert found.code == exits.VERIFY
    assert "error  typo  (units)" in found.out
    assert "written 0.0005" in found.out


def test_rules_without_a_doubt_leave_with_zero(hedged: Hedged, config: Callable[..., Path]) -> None:
    found = hedged("lint", "-c", config(rule("low", "close < sma_50", "raise_to = 0.3")))

    assert found.code == exits.DONE
    assert "nothing doubtful was found" in found.out


def test_a_rule_that_is_always_blocked_is_found_on_real_history(
    hedged: Hedged, config: Callable[..., Path]
) -> None:
    path = config(
        rule("bear", "close < sma_200", "raise_to = 0.30"),
        rule("bullish confirmation", "breaks_ath_volume_7", "set_to = 0"),
    )

    ((found,),) = [matrix["findings"] for matrix in hedged("lint", "-c", path, "--json").json]

    assert (found["kind"], found["rules"]) == ("never_fires", ["bullish confirmation", "bear"])
    assert found["evidence"].startswith(
        "true at 3 of 111 reviews: blocked by an unknown rule above at 3"
    )


def test_the_reviews_are_those_of_the_schedule(hedged: Hedged, config: Callable[..., Path]) -> None:
    (daily,) = hedged("lint", "-c", config(review='"daily"'), "--json").json

    assert daily["reviews"] == 777
    assert "never_fires" not in {finding["kind"] for finding in daily["findings"]}


# rules scenario


def test_alex_is_counted_through_from_the_shipped_file(hedged: Hedged) -> None:
    found = hedged("scenario", ALEX, "--json")
    ours, (told,) = found.json["account"]["ours"], found.json["account"]["told"]

    assert found.code == exits.DONE
    assert [Decimal(o["notional_at_entry"]) for o in ours] == [200_000, 500_000, 500_000, 350_000]
    assert (Decimal(ours[2]["spot_pnl"]), Decimal(ours[2]["short_pnl"])) == (-125_000, 125_000)
    assert (Decimal(ours[3]["contracts"]), Decimal(ours[3]["notional_at_market"])) == (
        Decimal("1.75"), 262_500,
    )  # fmt: skip
    assert Decimal(told["told"]["notional_at_market"]) == 225_000


def test_alex_is_told_both_ways_and_the_claim_is_an_error(hedged: Hedged) -> None:
    lines = [" ".join(line.split()) for line in hedged("scenario", ALEX).out.splitlines()]

    assert "2 resistance 50% 2.5 500,000 500,000 50% 0 0" in lines
    assert "3 correction 50% 2.5 500,000 375,000 42.86% -125,000 125,000" in lines
    assert "ours, at the market 1.75 350,000 262,500 30.0%" in lines
    assert "the article's, at entry 1.5 300,000 225,000 25.7%" in lines
    assert any(line.startswith("error in the article: it claims that 10%") for line in lines)
    assert "2 resistance 500,000 250,000 0 0 0" in lines


def test_the_shipped_figures_follow_the_file(tmp_path: Path) -> None:
    """Nothing of Alex is hard-coded: another portfolio has other figures."""
    path = tmp_path / "half.toml"
    path.write_text(
        ALEX.read_text().replace("portfolio_value = 1_000_000", "portfolio_value = 500_000")
    )

    ours = account_of(load_scenario(path)).ours

    assert [o.notional_at_entry for o in ours] == [100_000, 250_000, 250_000, 175_000]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("portfolio_value = 1_000_000", "", "portfolio_value: is missing"),
        ("sizing_beta = 1\n", "sizing_betta = 1\n", "sizing_betta: unknown key"),
        ("raise_to = 0.20", "raise_to = 20", "phase.0.raise_to"),
        ("raise_to = 0.20", "raise_to = 0.20\nset_to = 0", "at most one action"),
        ("index_change = -0.25", "index_change = -1", "phase.2.index_change"),
        ("\nrealised_beta = 0.5", "\nrealised_beta = 4", "lose more than all of itself"),
        ('name = "Alex"', "name = Alex", "is not TOML"),
        ("index_price = 2_000", "index_price = true", "index_price"),
        ("index_change = -0.25", "index_change = true", "phase.2.index_change"),
    ],
)
def test_a_faulty_scenario_is_refused_with_its_key(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    assert before in ALEX.read_text()
    path = tmp_path / "faulty.toml"
    path.write_text(ALEX.read_text().replace(before, after, 1))

    with pytest.raises(SettingsError) as refused:
        load_scenario(path)

    assert said in str(refused.value)
    assert "faulty.toml" in str(refused.value)


def test_a_scenario_that_is_not_there_leaves_with_the_code_of_settings(
    hedged: Hedged, tmp_path: Path
) -> None:
    assert hedged("scenario", tmp_path / "none.toml").code == exits.SETTINGS


@pytest.mark.parametrize("file", sorted(ALEX.parent.glob("*.toml")), ids=lambda file: file.stem)
def test_every_shipped_scenario_loads(file: Path) -> None:
    assert account_of(load_scenario(file)).ours
