"""The daemon on paper over an exchange, put together from its settings: it reads, and sends nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from exchange.clocks import Stopped
from exchange.faults import fault
from exchange.opening import VENUES
from exchange.server import Server
from exchange.tape import Bar
from exchange.venue import KEY, SECRET, Key, Venue
from hedged import cycle, wiring
from hedged.core.record import CycleRecord, Tick
from hedged.errors import JournalForeign, SettingsError, VenueRefused, VenueUnavailable
from hedged.settings.load import load
from hedged.settings.model import Settings
from hedged.venue.opening import DIALECTS

D = Decimal
MINUTE = timedelta(minutes=1)
PLACE = {"binance": "fapiPrivatePostOrder", "bybit": "privatePostV5OrderCreate"}
FUNDING_WALLET = {"binance": "*/get-funding-asset", "bybit": "*/query-account-coins-balance"}
READ_BY_POST = ("POST /sapi/v1/asset/get-funding-asset",)
TEXT = """
[service]
state_dir = "state"
[venue]
kind = "{kind}"
endpoint = "{url}"
[paper]
collateral = 20_000
volume_share_max = 1
[hedge]
legs = [{{ symbol = "BTC/USDT:USDT" }}]
initial_ratio = 0.25
[account.paper]
[account.spot]
api_key = "{key}"
api_secret = "{secret}"
futures_wallets = {seen}
[[portfolio]]
name = "main"
account = "paper"
holdings_from = ["spot"]
holding = [{{ asset = "BTC", quantity = 0.5 }}]
[[rule]]
name = "rising"
when = "close > sma_5"
raise_to = 0.50
"""


@pytest.fixture(params=sorted(DIALECTS))
def venue(request: pytest.FixtureRequest) -> Venue:
    """Since Monday 00:00 it is 12:00; ten days of history, two ETH in the funding wallet."""
    made = VENUES[request.param](keys=(Key(rights=frozenset({"read"})),))
    made.engine.state.funding_wallet = {"ETH": D(2)}
    clock = clock_of(made)
    tape, now = made.engine.market("BTCUSDT").tapes["last"], clock()
    begins = now - timedelta(days=10, hours=12)
    tape.load(bar(begins + timedelta(days=i), 60_000 + i) for i in range(10))
    clock.step(hours=4)
    made.engine.tick()
    trade(made)
    return made


@pytest_asyncio.fixture
async def url(venue: Venue) -> AsyncIterator[str]:
    async with Server(venue) as server:
        yield server.url


def clock_of(venue: Venue) -> Stopped:
    clock = venue.engine.clock
    assert isinstance(clock, Stopped)
    return clock


def bar(at: datetime, price: int) -> Bar:
    made = D(price)
    return Bar(opens_at=at, open=made, high=made, low=made, close=made, volume=D(10))


def trade(venue: Venue) -> None:
    """Ten minutes of trading."""
    clock = clock_of(venue)
    tape = venue.engine.market("BTCUSDT").tapes["last"]
    tape.load(bar(clock() + i * MINUTE, 60_000) for i in range(10))
    clock.step(minutes=10, seconds=10)


def settings_of(folder: Path, venue: Venue, url: str, *changed: tuple[str, str]) -> Settings:
    kind = venue.engine.rules.venue
    seen = str(not DIALECTS[kind].wallets_apart).lower()  # by a key that only reads
    text = TEXT.format(kind=kind, url=url, key=KEY, secret=SECRET, seen=seen)
    for before, after in changed:
        assert before in text
        text = text.replace(before, after)
    file = folder / "hedged.toml"
    file.touch(mode=0o600)
    file.write_text(text)
    return load([file], {}).settings


async def passed(daemon: wiring.Daemon, kind: str = "guard") -> CycleRecord:
    """One pass of the only portfolio, a review being that of Monday."""
    now = daemon.clock()
    monday = now.replace(hour=0, minute=0, second=0) - timedelta(days=now.weekday())
    tick = Tick(
        kind=kind,  # type: ignore[arg-type]
        cadence="weekly" if kind == "review" else "guard",
        scheduled_at=monday if kind == "review" else now,
    )
    return await cycle.run(tick, daemon.shells[0])


def files_of(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def sent(venue: Venue) -> list[str]:
    """Every request that was more than a question."""
    asked = [f"{one.call.method} {one.call.path}" for one in venue.recorder.all]
    return [one for one in asked if not one.startswith("GET ") and one not in READ_BY_POST]


async def test_a_week_begins_on_paper_and_nothing_but_questions_reaches_the_exchange(
    venue: Venue, url: str, tmp_path: Path
) -> None:
    settings, clock = settings_of(tmp_path, venue, url), clock_of(venue)
    daemon = wiring.build(settings, clock=clock)
    reviewed = await passed(daemon, "review")
    await daemon.close()
    clock.step(hours=8)
    trade(venue)
    daemon = wiring.build(settings, clock=clock)
    guarded = await passed(daemon)
    await daemon.close()
    (outcome,) = reviewed.outcomes
    seen = guarded.inputs.snapshot

    assert (reviewed.mode, reviewed.thought.exposure.total) == ("paper", 36_000)
    assert reviewed.thought.ratio is not None
    assert reviewed.thought.ratio.target_ratio == D("0.50")  # the rule saw the last five days
    assert (outcome.status, outcome.filled) == ("filled", D("0.3"))
    assert (seen.held("BTC/USDT:USDT"), guarded.outcomes) == (D("-0.3"), ())
    assert [paid.contracts for paid in seen.funding_payments] == [D("-0.3")]
    assert guarded.thought.attribution.unexplained == 0
    assert sent(venue) == []
    assert (venue.engine.state.orders, venue.engine.state.fills) == ({}, [])


async def test_the_key_of_an_account_can_not_send_even_when_asked_to(
    venue: Venue, url: str, tmp_path: Path
) -> None:
    daemon = wiring.build(settings_of(tmp_path, venue, url), clock=clock_of(venue))
    await passed(daemon, "review")
    assert daemon.lines is not None
    wire = daemon.lines.account("spot", frozenset()).wire
    with pytest.raises(VenueRefused, match="may not be sent"):
        await wire.send(PLACE[venue.engine.rules.venue], {"symbol": "BTCUSDT"}, "hdg1")
    with pytest.raises(AssertionError):
        await wire.change(PLACE[venue.engine.rules.venue], {"symbol": "BTCUSDT"})
    await daemon.close()

    assert sent(venue) == []


async def test_to_read_writes_nothing_anywhere(venue: Venue, url: str, tmp_path: Path) -> None:
    daemon = wiring.build(settings_of(tmp_path, venue, url), read_only=True, clock=clock_of(venue))
    seen = await daemon.shells[0].venue.observe(daemon.clock(), after=0)
    await daemon.close()

    assert seen.margin.equity == 20_000
    assert files_of(tmp_path) == ["hedged.toml"]


async def test_coins_that_can_not_be_looked_for_skip_the_pass_and_nothing_is_booked(
    venue: Venue, url: str, tmp_path: Path
) -> None:
    daemon = wiring.build(settings_of(tmp_path, venue, url), clock=clock_of(venue))
    paper = daemon.shells[0].venue.venue  # type: ignore[attr-defined]
    venue.fail(fault("http_503", path=FUNDING_WALLET[venue.engine.rules.venue], count=None))
    with pytest.raises(VenueUnavailable):
        await paper.observe(daemon.clock(), after=0)
    await daemon.close()

    assert paper.account.ledger.events == []


async def test_an_exchange_that_is_gone_skips_the_pass_and_books_nothing(
    venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(_seconds: float) -> None:
        """No waiting."""

    monkeypatch.setattr("hedged.wiring.daemon.asyncio.sleep", at_once)
    settings = settings_of(tmp_path, venue, "http://127.0.0.1:1")
    daemon = wiring.build(settings, clock=clock_of(venue))
    with pytest.raises(VenueUnavailable):
        await passed(daemon, "review")
    records = daemon.journal.head()
    account = daemon.shells[0].venue.venue.account  # type: ignore[attr-defined]
    await daemon.close()

    assert account.ledger.events == []
    assert records[0] == 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (('symbol = "BTC/USDT:USDT"', 'symbol = "BTC/USDT:USDT", account = "spot"'), "on account spot"),
        ((f'api_key = "{KEY}"', ""), r"\[account.spot\] has no key"),
        (("close > sma_5", "open_interest_notional > 0"), "names open_interest_notional"),
        (("close > sma_5", "basis_annualized > 0.1"), "names basis_annualized, which needs an expiry"),
        (("close > sma_5", "days_to_expiry < 3"), "names days_to_expiry, which needs an expiry"),
        (
            ("[account.paper]", '[signal]\nbar = "7h"\n[account.paper]'),
            "signal.bar is 7h, and (binance|bybit)",
        ),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_asked(
    venue: Venue, tmp_path: Path, changed: tuple[str, str], said: str
) -> None:
    if "notional" in said and not DIALECTS[venue.engine.rules.venue].unserved:
        pytest.skip("served there")
    with pytest.raises(SettingsError, match=said):
        wiring.build(settings_of(tmp_path, venue, "http://127.0.0.1:1", changed))
    assert venue.recorder.all == []


SIGNALS = {
    "coins": """index = "basket"
basket = { constituents = [{ symbol = "BTC/USDT:USDT", weight = 1 }] }""",
    "dated": 'symbol = "BTC/USDT:USDT-261225"',
    "inverse": 'symbol = "BTC/USD:BTC"',
}


@pytest.mark.parametrize(
    ("signal", "when", "said"),
    [
        ("coins", "basis_ratio < 0", "an index price, and an index of coins has none of its own"),
        ("dated", "funding_turns_negative_7", "funding, and BTC/USDT:USDT-261225 is dated"),
        ("dated", "funding_rate_next < 0", "funding, and BTC/USDT:USDT-261225 is dated"),
        ("inverse", "open_interest_change_1 > 0.1", "open_interest; bybit does not serve it"),
    ],
)
def test_rules_are_refused_that_what_is_watched_can_not_feed(
    venue: Venue, tmp_path: Path, signal: str, when: str, said: str
) -> None:
    if signal == "inverse" and not DIALECTS[venue.engine.rules.venue].unserved_inverse:
        pytest.skip("none is listed there")
    changed = ("[account.paper]", f"[signal]\n{SIGNALS[signal]}\n[account.paper]")
    with pytest.raises(SettingsError, match=said):
        wiring.build(
            settings_of(tmp_path, venue, "http://127.0.0.1:1", changed, ("close > sma_5", when))
        )
    assert venue.recorder.all == []


async def test_a_rule_may_name_the_running_funding_which_every_pass_keeps(
    venue: Venue, url: str, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, venue, url, ("close > sma_5", "funding_rate_next > 0.0003"))
    clock = clock_of(venue)
    venue.engine.market("BTCUSDT").funding_rate = D("0.0004")
    daemon = wiring.build(settings, clock=clock)
    await passed(daemon)
    await daemon.close()
    clock.step(hours=11, minutes=30)
    trade(venue)
    venue.engine.market("BTCUSDT").funding_rate = D("0.0001")
    daemon = wiring.build(settings, clock=clock)  # the rate was kept on disk
    tuesday = clock().replace(hour=0, minute=0, second=0)
    reviewed = await cycle.run(
        Tick(kind="review", cadence="daily", scheduled_at=tuesday), daemon.shells[0]
    )
    await daemon.close()

    assert reviewed.inputs.metrics is not None
    assert reviewed.inputs.metrics.values["funding_rate_next"] == 0.0004
    assert reviewed.thought.ratio is not None
    assert reviewed.thought.ratio.target_ratio == D("0.50")


async def test_an_account_does_not_go_on_in_recorded_history(
    venue: Venue, url: str, tmp_path: Path
) -> None:
    await wiring.build(settings_of(tmp_path, venue, url), clock=clock_of(venue)).close()
    kind = f'kind = "{venue.engine.rules.venue}"\nendpoint = "{url}"'
    span = "start = 2021-05-10T00:05:00Z\nend = 2021-05-31T00:05:00Z"
    instrument = '[[instrument]]\nsymbol = "BTC/USDT:USDT"\nlot = 0.001\ntick = 0.1\n[[portfolio]]'
    recorded = settings_of(tmp_path, venue, url, (kind, span), ("[[portfolio]]", instrument))

    with pytest.raises(JournalForeign, match="another folder"):
        wiring.build(recorded)


async def test_a_leg_that_is_held_is_not_simply_left_out(
    venue: Venue, url: str, tmp_path: Path
) -> None:
    daemon = wiring.build(settings_of(tmp_path, venue, url), clock=clock_of(venue))
    await passed(daemon, "review")
    await daemon.close()
    other = settings_of(tmp_path, venue, url, ("BTC/USDT:USDT", "ETH/USDT:USDT"))

    with pytest.raises(SettingsError, match="holds BTC/USDT:USDT, which is no leg any more"):
        wiring.build(other, clock=clock_of(venue))
