"""Fills, refusals, funding and liquidation on paper, and a book that always adds up."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, ETH, MONDAY, contract, d, funding
from fakes import FakeClock
from hedged.core.account import Attribution, attribute, state_of
from hedged.core.market import Fill, FundingPayment, Instrument, MarginTier, Snapshot
from hedged.core.metrics.history import SCHEMAS
from hedged.core.record import Outcome
from hedged.errors import HedgedError, OutcomeUnknown, VenueRefused, VenueUnavailable
from hedged.history.store import HistoryStore
from hedged.venue.ledger import Ledger
from hedged.venue.paper import PaperPortfolio, PaperVenue
from hedged.venue.paper_account import PaperAccount, PaperTerms
from hedged.venue.protocol import Order
from hedged.venue.replay import ReplayMarket

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
START = MONDAY + DAY
"""The close of the first bar."""

FREE = PaperTerms(
    collateral=d(1000),
    fee_bps=d(0),
    half_spread_bps=d(0),
    slippage_bps=d(0),
    volume_share_max=d(1),
    liquidation_fee_bps=d(50),
)
TIERS = (
    MarginTier(notional_max=d(50_000), rate=d("0.004"), deduction=d(0), leverage_max=d(125)),
    MarginTier(notional_max=d(600_000), rate=d("0.005"), deduction=d(50), leverage_max=d(100)),
)
Bar = tuple[float, float, float, float]
"""Open, high, close, volume of a day."""


def flat(close: float = 100, volume: float = 1000) -> Bar:
    return (close, close, close, volume)


class Rig:
    """A paper venue over days of bars, its clock at the close of the first, its book on disk."""

    def __init__(
        self,
        folder: Path,
        days: dict[str, list[Bar]],
        rates: dict[str, pl.DataFrame] | None = None,
        *,
        instruments: tuple[Instrument, ...] | None = None,
        **terms: Any,
    ) -> None:
        self.folder = folder
        self.clock = FakeClock(START)
        self.days, self.rates = days, rates or {}
        self.instruments = instruments or tuple(contract(symbol, tiers=TIERS) for symbol in days)
        self.terms = replace(FREE, **terms)
        self.sent = 0
        self.start()

    @property
    def path(self) -> Path:
        return self.folder / "paper.sqlite"

    def start(self) -> None:
        """Everything anew, from what is on disk."""
        store = HistoryStore(self.folder / "history", read_only=True)
        for symbol, bars in self.days.items():
            assert store.append(symbol, "bars", "1d", _frame(bars)) == ()
        for symbol, frame in self.rates.items():
            assert store.append(symbol, "funding", "1d", frame) == ()
        ledger = Ledger(self.path, read_only=False)
        market = ReplayMarket(store, "1d")
        self.account = PaperAccount(market, ledger, self.terms, self.instruments)
        portfolio = PaperPortfolio(
            account="paper",
            hedges=frozenset(self.days),
            numeraire="USDT",
            quantities=(("BTC", d(10)), ("USDT", d(7)), ("DOGE", d(3))),
            price_symbols={"BTC": BTC, "DOGE": "DOGE/USDT:USDT"},
        )
        self.venue = PaperVenue(self.account, portfolio, self.clock)

    async def restart(self) -> None:
        await self.venue.close()
        self.start()

    async def look(self, after: int = 0, **later: float) -> Snapshot:
        """Step the clock, then observe."""
        self.clock.step(**later)
        return await self.venue.observe(self.clock(), after=after)

    async def send(self, side: str, contracts: str | int, symbol: str = BTC, **changed: Any) -> Outcome:
        self.sent += 1
        plain = Order(
            client_order_id=f"hdg{self.sent}",
            symbol=symbol,
            side=side,  # type: ignore[arg-type]
            contracts=d(contracts),
            limit_price=d("0.1") if side == "sell" else d(10**9),
            reduce_only=False,
        )
        return await self.venue.send(replace(plain, **changed))


def _frame(days: list[Bar]) -> pl.DataFrame:
    rows = [
        {
            "open_time": MONDAY + i * DAY,
            "open": open_price,
            "high": high,
            "low": min(open_price, close),
            "close": close,
            "volume": volume,
            "index_close": None,
        }
        for i, (open_price, high, close, volume) in enumerate(days)
    ]
    return pl.DataFrame(rows, schema=SCHEMAS["bars"])


@pytest.fixture
def rig(tmp_path: Path) -> Callable[..., Rig]:
    def made(days: list[Bar] | None = None, rates: pl.DataFrame | None = None, **changed: Any) -> Rig:
        bars = days or [flat()] * 10
        return Rig(tmp_path, {BTC: bars}, None if rates is None else {BTC: rates}, **changed)

    return made


def refuse_writes(path: Path) -> Callable[[], None]:
    """The disk refuses the account's events, as a full one would; call the answer to mend it."""

    def run(statement: str) -> None:
        connection = sqlite3.connect(path)
        connection.execute(statement)
        connection.commit()
        connection.close()

    run("CREATE TRIGGER broken BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    return lambda: run("DROP TRIGGER broken")


# Fills.


async def test_an_order_fills_at_the_next_open_after_the_judged_bar(rig: Callable[..., Rig]) -> None:
    made = rig([flat(100), (103.7, 120, 110, 1000), flat(110)])
    sold = await made.send("sell", 2)

    assert (sold.status, sold.filled, sold.fill_price, sold.fee) == ("filled", 2, d("103.7"), 0)


@pytest.mark.parametrize(
    ("side", "fill_price"),
    [("sell", "99.9"), ("buy", "100.1")],  # 99.97 and 100.03, to the tick that is worse
)
async def test_spread_and_slippage_always_make_the_price_worse(
    rig: Callable[..., Rig], side: str, fill_price: str
) -> None:
    made = rig(half_spread_bps=d(1), slippage_bps=d(2))
    outcome = await made.send(side, 1)
    made.terms = replace(made.terms, slippage_bps=d("12.1"))
    await made.restart()
    worse = await made.send(side, 1)

    assert outcome.fill_price == d(fill_price)
    assert worse.fill_price == (d("99.8") if side == "sell" else d("100.2"))


async def test_the_fee_is_a_share_of_the_filled_notional(rig: Callable[..., Rig]) -> None:
    made = rig(fee_bps=d("5.5"), instruments=(contract(contract_multiplier=d(10)),))
    sold = await made.send("sell", "0.5")
    seen = await made.look()

    assert sold.fee == d("0.275")  # 0.5 * 10 * 100 * 5.5 bps
    assert seen.margin.equity == 1000 - d("0.275")


async def test_a_fill_takes_no_more_than_a_share_of_the_bars_volume(rig: Callable[..., Rig]) -> None:
    made = rig([flat(), flat(volume=10.0199), flat()], volume_share_max=d("0.10"))
    sold = await made.send("sell", 5)
    seen = await made.look()

    assert (sold.status, sold.filled, sold.contracts) == ("partial", d("1.001"), 5)
    assert "volume" in sold.reason
    assert seen.held(BTC) == d("-1.001")


async def test_all_orders_of_a_bar_together_take_no_more_than_the_share(
    rig: Callable[..., Rig],
) -> None:
    made = rig([flat(), flat(volume=10), flat(volume=10)], volume_share_max=d("0.10"))
    fills = [(await made.send("sell", 5)).filled for _ in range(2)]
    made.clock.step(hours=12)
    fills.append((await made.send("sell", 5)).filled)
    await made.restart()
    fills.append((await made.send("sell", 5)).filled)
    made.clock.step(hours=12)
    fills.append((await made.send("sell", 5)).filled)

    assert fills == [1, 0, 0, 0, 1]


@pytest.mark.parametrize(("side", "limit"), [("sell", "100.1"), ("buy", "99.9")])
async def test_a_price_beyond_the_limit_is_left_unfilled(
    rig: Callable[..., Rig], side: str, limit: str
) -> None:
    made = rig()
    outcome = await made.send(side, 1, limit_price=d(limit))
    at_limit = await made.send(side, 1, limit_price=d(100))

    assert (outcome.status, outcome.filled, outcome.fill_price) == ("unfilled", 0, None)
    assert "beyond the limit" in outcome.reason
    assert at_limit.status == "filled"


async def test_nothing_fills_where_nothing_trades(rig: Callable[..., Rig]) -> None:
    made = rig([flat(), flat(volume=0)])
    without_volume = await made.send("sell", 1)
    made.clock.step(days=1)
    past_the_end = await made.send("sell", 1)

    assert [o.status for o in (without_volume, past_the_end)] == ["unfilled", "unfilled"]
    assert "no volume" in without_volume.reason
    assert "nothing trades" in past_the_end.reason


# What an exchange would not take.


async def test_broken_lots_and_sizes_below_the_minimum_are_refused(rig: Callable[..., Rig]) -> None:
    made = rig(instruments=(contract(lot=d("0.1"), contracts_min=d("0.2"), notional_min=d(25)),))

    for contracts, said in (
        ("0.25", "lots"),
        (0, "lots"),
        (-1, "lots"),
        ("0.1", "below"),
        ("0.2", "below"),
    ):
        with pytest.raises(VenueRefused, match=said):
            await made.send("sell", contracts)
    assert (await made.send("sell", "0.3")).status == "filled"


async def test_an_instrument_that_is_not_listed_is_refused(rig: Callable[..., Rig]) -> None:
    with pytest.raises(VenueRefused, match="not listed"):
        await rig().send("sell", 1, ETH)


async def test_reduce_only_never_opens_grows_or_turns_a_position(rig: Callable[..., Rig]) -> None:
    made = rig()

    with pytest.raises(VenueRefused, match="reduce-only"):
        await made.send("buy", 1, reduce_only=True)
    await made.send("sell", 2)
    with pytest.raises(VenueRefused, match="reduce-only"):
        await made.send("sell", 1, reduce_only=True)
    with pytest.raises(VenueRefused, match="reduce-only"):
        await made.send("buy", "2.001", reduce_only=True)
    assert (await made.send("buy", "0.5", reduce_only=True)).filled == d("0.5")
    assert (await made.look()).held(BTC) == d("-1.5")


async def test_closing_wholly_is_taken_below_the_minimum(rig: Callable[..., Rig]) -> None:
    made = rig(instruments=(contract(notional_min=d(150)),))
    await made.send("sell", 2)
    await made.send("buy", "1.8", reduce_only=True)

    with pytest.raises(VenueRefused, match="below"):
        await made.send("buy", "0.1", reduce_only=True)
    assert (await made.send("buy", "0.2", reduce_only=True)).status == "filled"
    assert (await made.look()).positions == ()


async def test_an_order_that_the_margin_does_not_cover_is_refused(rig: Callable[..., Rig]) -> None:
    made = rig(instruments=(contract(),))  # without tiers: no leverage

    with pytest.raises(VenueRefused, match="insufficient margin"):
        await made.send("sell", "10.001")
    assert (await made.send("sell", 10)).status == "filled"
    with pytest.raises(VenueRefused, match="insufficient margin"):
        await made.send("sell", "0.1")
    assert (await made.send("buy", 10, reduce_only=True)).status == "filled"


async def test_a_refused_order_leaves_nothing_behind(rig: Callable[..., Rig]) -> None:
    made = rig()
    before = await made.look()
    with pytest.raises(VenueRefused):
        await made.send("sell", "0.0001")

    assert await made.look() == before
    assert await made.venue.lookup("hdg1", BTC) is None


async def test_the_same_id_twice_fills_once_also_after_a_restart(rig: Callable[..., Rig]) -> None:
    made = rig()
    first = await made.send("sell", 2, client_order_id="hdgx")
    again = await made.send("sell", 2, client_order_id="hdgx")
    await made.restart()
    after = await made.send("sell", 2, client_order_id="hdgx")

    assert first == again == after == await made.venue.lookup("hdgx", BTC)
    assert (await made.look()).held(BTC) == -2


# Funding.


async def test_funding_is_booked_at_its_stamps_on_the_last_close_before_them(
    rig: Callable[..., Rig],
) -> None:
    made = rig(
        [flat(100), flat(200), flat(400)], funding([0.001] * 9, start=MONDAY), collateral=d(9999)
    )
    await made.send("sell", 2)
    seen = await made.look(days=1)

    assert [(p.at - START, p.mark_price, p.amount) for p in seen.funding_payments] == [
        (8 * HOUR, 100, d("0.2")),
        (16 * HOUR, 100, d("0.2")),
        (24 * HOUR, 200, d("0.4")),  # the bar closed at the very stamp
    ]
    assert seen.margin.wallet_balance == 9999 + d("0.8")


async def test_a_short_pays_when_the_rate_is_negative(rig: Callable[..., Rig]) -> None:
    made = rig(rates=funding([0.0, 0.0, 0.0, 0.0, -0.001, 0.0, 0.0]))
    await made.send("sell", 2)
    seen = await made.look(hours=8)

    assert [p.amount for p in seen.funding_payments] == [d("-0.2")]


async def test_a_fill_at_the_very_stamp_comes_after_the_funding(rig: Callable[..., Rig]) -> None:
    made = rig(rates=funding([0.001] * 9))
    await made.send("sell", 1)
    made.clock.step(hours=8)
    await made.send("sell", 3)
    await made.send("buy", 4, reduce_only=True)
    seen = await made.look(hours=8)

    assert [p.contracts for p in seen.funding_payments] == [-1]
    kinds = [type(event.value) for event in made.account.ledger.events]
    assert kinds.index(FundingPayment) < [i for i, k in enumerate(kinds) if k is Fill][1]


async def test_a_stamp_that_was_not_recorded_is_counted_and_nothing_is_booked(
    rig: Callable[..., Rig],
) -> None:
    rates = funding([0.001] * 9).filter(pl.col("at") != START + 8 * HOUR)
    made = rig(rates=rates)
    await made.look()
    await made.send("sell", 1)
    first = await made.look(hours=9)
    second = await made.look(after=first.cursor, hours=8)

    assert (first.funding_missed, first.funding_payments) == (1, ())
    assert first.margin.wallet_balance == 1000
    assert (second.funding_missed, len(second.funding_payments)) == (0, 1)


async def test_nothing_is_booked_or_missed_while_flat(rig: Callable[..., Rig]) -> None:
    rates = funding([0.001] * 9).filter(pl.col("at") != START + 8 * HOUR)
    made = rig(rates=rates)
    await made.look()
    seen = await made.look(days=2)

    assert seen.funding_payments == ()
    assert seen.funding_missed == 0


# Liquidation.


async def test_a_high_on_the_way_closes_everything_though_the_close_would_not(
    rig: Callable[..., Rig],
) -> None:
    made = rig([flat(100), flat(100), (100, 160, 101, 1000), flat(101)], collateral=d(100))
    await made.send("sell", 2)
    first = await made.look(days=1)
    after = await made.look(after=first.cursor, days=1)

    (fill,) = after.fills
    assert (fill.cause, fill.side, fill.contracts, fill.client_order_id) == (
        "liquidation",
        "buy",
        2,
        "",
    )
    assert 149 < fill.fill_price < 150  # (100 - 0.4%) / 200.8: +49.4%
    assert after.positions == ()
    assert attribute(state_of(first), after).unexplained == 0


async def test_a_high_short_of_the_tiers_maintenance_closes_nothing(rig: Callable[..., Rig]) -> None:
    made = rig([flat(100), flat(100), (100, 149, 101, 1000)], collateral=d(100))
    await made.send("sell", 2)
    seen = await made.look(days=2)

    assert seen.held(BTC) == -2


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    high=st.floats(100, 5000),
    contracts=st.decimals("0.1", 50, places=1),
    collateral=st.decimals(100, 5000, places=2),
    tiers=st.sampled_from([(), TIERS]),
    fee=st.sampled_from(["0", "50", "200"]),
)
async def test_a_liquidation_closes_everything_and_leaves_no_debt(
    tmp_path_factory: pytest.TempPathFactory,
    high: float,
    contracts: Decimal,
    collateral: Decimal,
    tiers: tuple[MarginTier, ...],
    fee: str,
) -> None:
    days = {BTC: [flat(100), flat(100), (100.0, high, 100.0, 1000.0), flat(100)], ETH: [flat(50)] * 4}
    both = (contract(BTC, tiers=tiers), contract(ETH, tiers=tiers))
    made = Rig(
        tmp_path_factory.mktemp("paper"),
        days,
        instruments=both,
        collateral=collateral,
        liquidation_fee_bps=d(fee),
    )
    try:
        for symbol in (BTC, ETH):
            await made.send("sell", str(contracts), symbol)
    except VenueRefused:
        pass
    seen = await made.look(days=2)
    await made.venue.close()

    assert seen.margin.equity >= 0
    if any(fill.cause == "liquidation" for fill in seen.fills):
        assert seen.positions == ()


# The book, the disk and the clock.


async def test_the_account_begins_with_its_collateral_once(rig: Callable[..., Rig]) -> None:
    made = rig()
    first = await made.look()
    await made.restart()
    second = await made.look(after=first.cursor, hours=1)

    assert [flow.amount for flow in first.flows] == [1000]
    assert second.flows == ()
    assert second.margin.equity == 1000


async def test_a_restart_from_disk_gives_the_same_account(rig: Callable[..., Rig]) -> None:
    made = rig(rates=funding([0.001] * 30), fee_bps=d(5), slippage_bps=d(7))
    await made.send("sell", 3)
    await made.look(days=1)
    await made.send("buy", 1, reduce_only=True)
    await made.send("sell", "0.123", limit_price=d(10**6))
    before = await made.look(hours=5)
    await made.restart()

    assert await made.look() == before
    assert made.account.outcomes.keys() == {"hdg1", "hdg2", "hdg3"}


async def test_a_clock_that_steps_back_changes_nothing(rig: Callable[..., Rig]) -> None:
    made = rig(rates=funding([0.001] * 30))
    await made.send("sell", 1)
    before = await made.look(days=1)
    made.clock.step(hours=-20)
    back = await made.look()
    made.clock.step(hours=20)

    assert (back.margin.wallet_balance, back.cursor) == (before.margin.wallet_balance, before.cursor)
    assert await made.look() == before


async def test_a_pass_that_could_not_be_written_books_nothing_twice(rig: Callable[..., Rig]) -> None:
    made = rig(rates=funding([0.001] * 30))
    await made.send("sell", 1)
    mend = refuse_writes(made.path)
    for _ in range(2):  # a read is tried again at the same instant
        with pytest.raises(VenueUnavailable):
            await made.look(hours=8)
        with pytest.raises(VenueUnavailable):
            await made.look()
    mend()
    seen = await made.look(hours=8)
    await made.restart()

    assert [p.at - START for p in seen.funding_payments] == [8 * HOUR, 16 * HOUR, 24 * HOUR]
    assert seen.margin.wallet_balance == 1000 + 3 * d("0.1")
    assert await made.look() == seen


async def test_an_account_whose_first_write_failed_begins_with_its_collateral_once(
    rig: Callable[..., Rig],
) -> None:
    made = rig()
    mend = refuse_writes(made.path)
    for _ in range(2):
        with pytest.raises(VenueUnavailable):
            await made.look()
    mend()

    assert (await made.look()).margin.equity == 1000


async def test_what_can_not_be_written_is_never_shown(rig: Callable[..., Rig]) -> None:
    made = rig(rates=funding([0.001] * 30))
    await made.send("sell", 1)
    before = await made.look()
    refuse_writes(made.path)
    with pytest.raises(OutcomeUnknown):
        await made.send("sell", 1)

    assert await made.look() == before
    await made.restart()
    assert await made.look() == before


async def test_an_order_whose_outcome_is_not_on_disk_is_never_vouched_for(
    rig: Callable[..., Rig],
) -> None:
    """Else the journal would keep a fill that the account forgets at a crash."""
    made = rig()
    await made.look()
    refuse_writes(made.path)
    with pytest.raises(OutcomeUnknown):
        await made.send("sell", 1)
    told: Outcome | None
    try:
        told = await made.venue.lookup("hdg1", BTC)
    except VenueUnavailable:
        told = None
    await made.restart()

    assert told is None
    assert await made.venue.lookup("hdg1", BTC) is None


async def test_nothing_rests_on_paper(rig: Callable[..., Rig]) -> None:
    made = rig()
    await made.look()
    with pytest.raises(VenueRefused, match="on paper nothing rests"):
        await made.send("sell", 1, post_only=True)
    await made.venue.cancel("hdg1", BTC)

    assert await made.venue.lookup("hdg1", BTC) is None
    assert (await made.look()).positions == ()


async def test_a_commit_that_fails_loses_no_fill(rig: Callable[..., Rig]) -> None:
    made = rig()
    mend = refuse_writes(made.path)
    mend()
    await made.look()
    mend = refuse_writes(made.path)
    with pytest.raises(OutcomeUnknown):
        await made.send("sell", 1)
    mend()
    seen = await made.look(hours=1)
    found = await made.venue.lookup("hdg1", BTC)
    await made.restart()
    again = await made.look()

    assert (found is not None) == (seen.held(BTC) == -1)
    assert found == await made.venue.lookup("hdg1", BTC)
    assert again == seen


async def test_a_send_on_a_broken_disk_raises_only_what_the_protocol_allows(
    rig: Callable[..., Rig],
) -> None:
    made = rig(rates=funding([0.001] * 30))
    await made.send("sell", 1)
    refuse_writes(made.path)
    made.clock.step(hours=9)

    with pytest.raises((VenueRefused, OutcomeUnknown)):
        await made.send("sell", 1)


# Snapshots.


async def test_a_snapshot_shows_holdings_and_both_sides_of_the_spread(rig: Callable[..., Rig]) -> None:
    seen = await rig(half_spread_bps=d(10)).look()

    assert [(h.asset, h.mark_price) for h in seen.holdings] == [
        ("BTC", 100),
        ("USDT", 1),
        ("DOGE", None),
    ]
    quote = seen.quote(BTC)
    assert (quote.bid_price, quote.mark_price, quote.ask_price) == (d("99.9"), 100, d("100.1"))


async def test_a_snapshot_without_a_fresh_price_is_not_built(rig: Callable[..., Rig]) -> None:
    made = rig([flat(), flat()])

    with pytest.raises(VenueUnavailable, match="fresh"):
        await made.look(days=4)


async def test_events_are_told_once_by_their_cursor(rig: Callable[..., Rig]) -> None:
    made = rig()
    first = await made.look()
    await made.send("sell", 1)
    second = await made.look(after=first.cursor)
    third = await made.look(after=second.cursor)

    assert (len(second.fills), len(third.fills)) == (1, 0)
    assert second.flows == ()


PRICES = st.lists(st.floats(60, 160).map(lambda p: round(p, 2)), min_size=6, max_size=6)
ORDERS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from([BTC, ETH]),
        st.sampled_from(["sell", "buy"]),
        st.decimals("0.01", 8, places=2),
        st.booleans(),
    ),
    max_size=12,
)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    closes=st.tuples(PRICES, PRICES),
    rates=st.lists(st.floats(-0.003, 0.003), min_size=22, max_size=22),
    orders=ORDERS,
    collateral=st.sampled_from([150, 5000]),
)
async def test_over_any_walk_of_orders_the_account_identity_is_exact(
    tmp_path_factory: pytest.TempPathFactory,
    closes: tuple[list[float], list[float]],
    rates: list[float],
    orders: list[tuple[int, str, str, Decimal, bool]],
    collateral: int,
) -> None:
    days = {
        symbol: [
            (open_price, max(open_price, close) * 1.02, close, 50.0)
            for open_price, close in zip([prices[0], *prices], prices, strict=False)
        ]
        for symbol, prices in zip((BTC, ETH), closes, strict=True)
    }
    made = Rig(
        tmp_path_factory.mktemp("paper"),
        days,
        {BTC: funding(rates), ETH: funding(rates[::-1])},
        collateral=d(collateral),
        fee_bps=d("5.5"),
        half_spread_bps=d(1),
        slippage_bps=d(2),
        volume_share_max=d("0.05"),
    )
    seen = await made.look()
    first, total, state = seen.margin.equity, Attribution(), state_of(seen)
    for hours in range(0, 120, 20):
        for _, symbol, side, contracts, reduce_only in (o for o in orders if o[0] == hours // 20):
            try:
                await made.send(side, str(contracts), symbol, reduce_only=reduce_only)
            except HedgedError as error:
                assert isinstance(error, VenueRefused)  # noqa: PT017 - any other is a failure
        if hours == 60:
            await made.restart()
        seen = await made.look(after=seen.cursor, hours=20)
        step = attribute(state, seen)
        total, state = total + step, state_of(seen)

        assert abs(step.unexplained) < d("1e-9")
    await made.venue.close()

    assert abs(total.equity_change - (seen.margin.equity - first)) < d("1e-9")
    assert abs(total.unexplained) < d("1e-9")


def test_paper_and_replay_time_is_the_clocks_alone() -> None:
    """The fixtures' own sanity: the first bar closes where the clock starts."""
    assert _frame([flat()])["open_time"].to_list() == [START - DAY]
    assert isinstance(START, datetime)
