"""Legs of a live daemon: named by words, refused as a hedge, or held and left out of the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from exchange.binance_wallet import UID
from exchange.bybit_wallet import UID as BYBIT_UID
from exchange.clocks import Stopped
from exchange.instruments import QUARTER
from exchange.opening import binance_venue, bybit_venue
from exchange.server import Server
from exchange.venue import KEY, SECRET, Key, Venue
from hedged import cycle, wiring
from hedged.core.encoding import encode
from hedged.core.plan import Step
from hedged.core.record import CycleRecord, Outcome, Tick
from hedged.errors import SettingsError, VenueUnavailable
from hedged.settings.load import load
from hedged.settings.model import Settings

D = Decimal
JUNE, SEPTEMBER = "BTC/USDT:USDT-260626", "BTC/USDT:USDT-260925"
TEXT = f"""
[service]
mode = "live"
state_dir = "state"
[venue]
kind = "binance"
endpoint = "URL"
[hedge]
legs = [{{ symbol = "BTC front quarter" }}]
initial_ratio = 0.5
[account.main]
api_key = "{KEY}"
api_secret = "{SECRET}"
uid = "{UID}"
[account.second]
venue = "bybit"
api_key = "second-key"
api_secret = "{SECRET}"
uid = "{BYBIT_UID}"
[[portfolio]]
name = "main"
account = "main"
holding = [{{ asset = "BTC", quantity = 0.2 }}]
"""


@pytest.fixture
def clock() -> Stopped:
    return Stopped()


@pytest.fixture
def venue(clock: Stopped) -> Venue:
    return binance_venue(clock, deposit=50_000)


@pytest_asyncio.fixture
async def url(venue: Venue, clock: Stopped) -> AsyncIterator[str]:
    second = bybit_venue(clock, deposit=50_000, keys=(Key(name="second-key"),))
    async with Server(venue, beside={"second": second}) as server:
        yield server.url


def settings_of(folder: Path, url: str, *changed: tuple[str, str], text: str = TEXT) -> Settings:
    for before, after in changed:
        assert before in text
        text = text.replace(before, after)
    file = folder / "hedged.toml"
    file.touch(mode=0o600)
    file.write_text(text.replace("URL", url))
    return load([file], {}).settings


def files_of(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def legs(*written: str) -> tuple[str, str]:
    """The change of `TEXT` to these legs."""
    return 'legs = [{ symbol = "BTC front quarter" }]', f"legs = [{', '.join(written)}]"


async def started(settings: Settings, clock: Stopped) -> wiring.Daemon:
    """The daemon, armed for whatever its settings say."""
    daemon = await wiring.put_together(settings, clock=clock)
    if daemon.journal.terms is not None:
        daemon.journal.arm(daemon.journal.terms, clock())
    return daemon


async def passed(daemon: wiring.Daemon, kind: str = "review") -> CycleRecord:
    now = daemon.clock()
    tick = Tick(kind=kind, cadence=kind, scheduled_at=now)  # type: ignore[arg-type]
    return await cycle.run(tick, daemon.shells[0])


async def hedge(settings: Settings, clock: Stopped) -> CycleRecord:
    """A first review, which sells toward half of 0.2 bitcoin; the daemon is stopped after it."""
    daemon = await started(settings, clock)
    record = await passed(daemon)
    await daemon.close()
    assert [outcome.status for outcome in record.outcomes] == ["filled"]
    return record


# ---- words


async def test_policies_hold_symbols_whatever_was_written(
    url: str, clock: Stopped, tmp_path: Path
) -> None:
    written = (
        legs('{ symbol = "BTC front quarter" }', '{ symbol = "btc perpetual", account = "second" }'),
        ("[hedge]", '[signal]\nsymbol = "ALL index perpetual"\n[hedge]'),
        ("quantity = 0.2", 'quantity = 0.2, price_symbol = "BTC next quarter"'),
    )
    daemon = await started(settings_of(tmp_path, url, *written), clock)
    policy = daemon.shells[0].policy
    seen = await daemon.shells[0].venue.observe(clock(), after=0)
    await daemon.close()

    assert [leg.symbol for leg in policy.legs] == [JUNE, "BTC/USDT:USDT@second"]
    assert policy.signal.symbol == "ALL/USDT:USDT"
    assert [holding.price_symbol for holding in seen.holdings if holding.asset == "BTC"] == [SEPTEMBER]
    assert [(one.words.key, str(one)) for one in daemon.meanings] == [
        ("hedge.legs.0.symbol", f"BTC front quarter is {JUNE} on binance"),
        ("hedge.legs.1.symbol", "btc perpetual is BTC/USDT:USDT on bybit"),
        ("signal.symbol", "ALL index perpetual is ALL/USDT:USDT on binance"),
        ("portfolio.0.holding.0.price_symbol", f"BTC next quarter is {SEPTEMBER} on binance"),
    ]


async def test_on_paper_every_leg_is_of_the_exchange_that_is_watched(
    url: str, clock: Stopped, tmp_path: Path
) -> None:
    paper = ('mode = "live"', 'mode = "paper"'), ("[hedge]", "[paper]\ncollateral = 1000\n[hedge]")
    daemon = await started(settings_of(tmp_path, url, *paper), clock)
    await daemon.close()

    assert [leg.symbol for leg in daemon.shells[0].policy.legs] == [JUNE]


async def test_a_record_knows_the_symbol_only(url: str, clock: Stopped, tmp_path: Path) -> None:
    record = await hedge(settings_of(tmp_path, url), clock)

    assert record.outcomes[0].symbol == JUNE
    assert b"front" not in encode(record)


async def test_all_words_that_mean_nothing_are_told_at_once_and_nothing_is_written(
    url: str, clock: Stopped, tmp_path: Path
) -> None:
    signal = '[signal]\nsymbol = "BTC front week"\n[hedge]'
    written = (legs('{ symbol = "BTX perpetual" }'), ("[hedge]", signal))
    with pytest.raises(SettingsError) as error:
        await started(settings_of(tmp_path, url, *written), clock)
    first, second = str(error.value).splitlines()

    assert first.startswith("hedge.legs.0.symbol: nothing that trades here is 'BTX perpetual'")
    assert second.startswith("signal.symbol: 'BTC front week': 'front week' says no sort of contract")
    assert files_of(tmp_path) == ["hedged.toml"]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            ('{ symbol = "BTC perpetual" }', '{ symbol = "BTC/USDT:USDT" }'),
            "each symbol may be one leg only on each account ('BTC perpetual' is BTC/USDT:USDT)",
        ),
        (
            ('{ symbol = "BTC USDC perpetual" }',),
            "leg BTC/USDC:USDC of main is not in its numeraire USDT ('BTC USDC perpetual' is",
        ),
    ],
)
async def test_what_does_not_fit_together_is_told_with_the_words(
    url: str, clock: Stopped, tmp_path: Path, written: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SettingsError) as error:
        await started(settings_of(tmp_path, url, legs(*written)), clock)

    assert said in str(error.value)


async def test_an_exchange_that_is_asked_for_a_meaning_is_asked_again(
    venue: Venue, clock: Stopped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def at_once(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("hedged.wiring.words.asyncio.sleep", at_once)
    with pytest.raises(VenueUnavailable):
        await started(settings_of(tmp_path, "http://127.0.0.1:1"), clock)

    assert waited[:3] == [1, 2, 4]


async def test_symbols_ask_nobody_at_the_start(clock: Stopped, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "http://127.0.0.1:1", legs('{ symbol = "BTC/USDT:USDT" }'))
    daemon = await started(settings, clock)
    await daemon.close()

    assert daemon.meanings == ()


def test_words_that_were_not_looked_up_never_become_a_policy(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "http://127.0.0.1:1")

    with pytest.raises(
        SettingsError, match=r"hedge\.legs\.0\.symbol is 'BTC front quarter', and words"
    ):
        wiring.build(settings)


# ---- an index of one coin against others


@pytest.mark.parametrize("beside", [(), ('{ symbol = "BTC/USDT:USDT", weight = 0 }',)])
async def test_bitcoin_against_the_others_can_not_be_all_that_hedges(
    url: str, clock: Stopped, tmp_path: Path, beside: tuple[str, ...]
) -> None:
    settings = settings_of(tmp_path, url, legs('{ symbol = "BTCDOM/USDT:USDT" }', *beside))

    with pytest.raises(SettingsError, match="of portfolio main: BTCDOM can't be the only leg"):
        await started(settings, clock)


async def test_beside_a_leg_of_some_weight_it_may_stand(
    url: str, clock: Stopped, tmp_path: Path
) -> None:
    two = legs('{ symbol = "BTCDOM/USDT:USDT" }', '{ symbol = "BTC/USDT:USDT" }')

    await (await started(settings_of(tmp_path, url, two), clock)).close()


# ---- positions that would be left behind


async def test_a_quarter_that_is_not_the_front_any_more_is_not_left_behind(
    url: str, clock: Stopped, venue: Venue, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, url)
    (sold,) = (await hedge(settings, clock)).outcomes
    clock.now = QUARTER - timedelta(hours=12)
    venue.engine.tick()
    for read_only in (False, True):
        with pytest.raises(SettingsError) as error:
            await wiring.put_together(settings, read_only=read_only, clock=clock)
        assert str(error.value) == (
            f"hedge.legs of portfolio main: account main holds {JUNE}, which is no leg any more "
            f"(-{sold.filled} contracts at the last pass; BTC front quarter is {SEPTEMBER} on binance "
            f'now). Add {{ symbol = "{JUNE}", weight = 0 }} to the legs, which closes it'
        )

    fix = legs('{ symbol = "BTC front quarter" }', f'{{ symbol = "{JUNE}", weight = 0 }}')
    daemon = await started(settings_of(tmp_path, url, fix), clock)
    record = await passed(daemon, "guard")
    await daemon.close()

    assert {leg.symbol: leg.contracts for leg in record.thought.wanted.legs} == {  # type: ignore[union-attr]
        SEPTEMBER: D("-0.1"),
        JUNE: 0,
    }


async def test_a_quarter_that_was_delivered_is_not_held_any_more(
    url: str, clock: Stopped, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, url)
    await hedge(settings, clock)
    clock.now = QUARTER + timedelta(hours=1)
    daemon = await started(settings, clock)
    await daemon.close()

    assert [leg.symbol for leg in daemon.shells[0].policy.legs] == [SEPTEMBER]


PERPETUAL = legs('{ symbol = "BTC/USDT:USDT" }')
ETHER = legs('{ symbol = "ETH/USDT:USDT" }')
SECOND = """[[portfolio]]
name = "second"
account = "main"
hedge = { legs = [{ symbol = "BTC/USDT:USDT" }] }
"""


async def test_a_leg_that_is_held_is_not_simply_left_out(
    url: str, clock: Stopped, tmp_path: Path
) -> None:
    await hedge(settings_of(tmp_path, url, PERPETUAL), clock)

    with pytest.raises(
        SettingsError, match="account main holds BTC/USDT:USDT, which is no leg any more"
    ):
        await started(settings_of(tmp_path, url, ETHER), clock)
    kept = legs('{ symbol = "ETH/USDT:USDT" }', '{ symbol = "BTC/USDT:USDT", weight = 0 }')
    await (await started(settings_of(tmp_path, url, kept), clock)).close()


async def test_a_leg_on_another_account_is_named_with_it(
    url: str, clock: Stopped, tmp_path: Path
) -> None:
    both = legs('{ symbol = "ETH/USDT:USDT" }', '{ symbol = "BTC/USDT:USDT", account = "second" }')
    daemon = await started(settings_of(tmp_path, url, both), clock)
    await passed(daemon)
    await daemon.close()
    left = legs('{ symbol = "BTC/USDT:USDT" }', '{ symbol = "ETH/USDT:USDT", account = "second" }')

    with pytest.raises(SettingsError, match='USDT:USDT", weight = 0, account = "second"') as error:
        await started(settings_of(tmp_path, url, left), clock)
    assert "account second holds BTC/USDT:USDT" in str(error.value)


async def test_a_leg_that_another_portfolio_took_over_is_not_left_behind(
    url: str, clock: Stopped, tmp_path: Path
) -> None:
    await hedge(settings_of(tmp_path, url, PERPETUAL), clock)
    daemon = await started(settings_of(tmp_path, url, ETHER, text=TEXT + SECOND), clock)
    await daemon.close()

    assert [shell.policy.portfolio for shell in daemon.shells] == ["main", "second"]


async def test_a_portfolio_that_holds_something_is_not_simply_left_out(
    url: str, clock: Stopped, tmp_path: Path
) -> None:
    await hedge(settings_of(tmp_path, url, PERPETUAL), clock)
    renamed = settings_of(tmp_path, url, ETHER, ('name = "main"', 'name = "other"'))

    with pytest.raises(SettingsError, match="there is no portfolio main any more: put it back first"):
        await started(renamed, clock)


async def test_a_leg_that_is_flat_may_go(url: str, clock: Stopped, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, url, PERPETUAL, ("initial_ratio = 0.5", "initial_ratio = 0"))
    daemon = await started(settings, clock)
    await passed(daemon)
    await daemon.close()

    await (await started(settings_of(tmp_path, url, ETHER), clock)).close()


@pytest.mark.parametrize("resolved", [True, False])
@pytest.mark.parametrize("recorded", [True, False])
async def test_an_order_of_a_pass_that_was_cut_off_counts_too(
    url: str, clock: Stopped, tmp_path: Path, resolved: bool, recorded: bool
) -> None:
    """It was sent, and the record that would tell of it was never written."""
    flat = settings_of(tmp_path, url, PERPETUAL, ("initial_ratio = 0.5", "initial_ratio = 0"))
    daemon = await started(flat, clock)
    if recorded:
        await passed(daemon)
    step = Step(
        symbol="BTC/USDT:USDT",
        side="sell",
        contracts=D("0.1"),
        limit_price=D(59_900),
        reduce_only=False,
        notional=D(6000),
    )
    clock.step(minutes=5)
    tick = Tick(kind="guard", cadence="guard", scheduled_at=clock())
    intent = daemon.journal.open_intent(daemon.shells[0].policy, tick, step)
    if resolved:
        outcome = Outcome(
            client_order_id=intent.client_order_id,
            symbol=step.symbol,
            side="sell",
            contracts=step.contracts,
            filled=step.contracts,
            fill_price=D(59_990),
            fee=D(0),
            status="filled",
        )
        daemon.journal.resolve_intent(intent, outcome)
    await daemon.close()

    amount = "-0.1 contracts" if resolved else "an order of unknown outcome"
    with pytest.raises(SettingsError, match=rf"no leg any more \({amount} at the last pass\)"):
        await started(settings_of(tmp_path, url, ETHER), clock)
