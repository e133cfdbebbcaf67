"""What is put together, what is shared, and what is refused before anything runs."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from builders import BTC, bars, funding_next
from hedged import cycle, wiring
from hedged.core.arming import ArmedAccount
from hedged.core.record import Tick
from hedged.errors import JournalBroken, JournalBusy, JournalForeign, SettingsError, VenueUnavailable
from hedged.history.store import HistoryStore
from hedged.settings.load import load
from hedged.settings.model import Settings
from hedged.settings.policies import policy_of
from hedged.venue.live import LiveVenue
from hedged.venue.retry import PatientVenue

TWO = """
[service]
state_dir = "state"
[venue]
start = 2021-05-10T00:05:00Z
end = 2021-05-31T00:05:00Z
[paper]
collateral = 400_000
[signal]
ath_seed = { price = 19798.68, date = 2017-12-17 }
[hedge]
legs = [{ symbol = "BTC/USDT:USDT" }]
[[rule]]
name = "moderate risk"
when = "close < sma_50"
raise_to = 0.30
[[portfolio]]
name = "main"
account = "one"
holding = [{ asset = "BTC", quantity = 1 }]
[[portfolio]]
name = "second"
account = "one"
hedge = { legs = [{ symbol = "ETH/USDT:USDT" }] }
holding = [{ asset = "ETH", quantity = 1 }]
[[portfolio]]
name = "third"
account = "two"
[[instrument]]
symbol = "BTC/USDT:USDT"
lot = 0.001
tick = 0.1
[[instrument]]
symbol = "ETH/USDT:USDT"
lot = 0.01
tick = 0.01
"""


def settings_of(folder: Path, text: str = TWO) -> Settings:
    file = folder / "hedged.toml"
    file.touch(mode=0o600)
    file.write_text(text)
    return load([file], {}).settings


def files_of(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def bytes_of(folder: Path) -> dict[Path, bytes]:
    """All that is kept; the -shm files are SQLite's working memory."""
    kept = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".sqlite-shm")
    return {path: path.read_bytes() for path in kept}


async def test_every_portfolio_has_a_shell_and_every_account_one_book(tmp_path: Path) -> None:
    daemon = wiring.build(settings_of(tmp_path))
    names = sorted(path.name for path in (tmp_path / "state").glob("*.sqlite"))
    shells = {shell.policy.portfolio: shell for shell in daemon.shells}
    await daemon.close()

    assert list(shells) == ["main", "second", "third"]
    assert names == ["journal.sqlite", "paper-one.sqlite", "paper-two.sqlite"]
    assert {shell.mode for shell in daemon.shells} == {"paper"}
    accounts = [shell.venue.venue.account for shell in daemon.shells]  # type: ignore[attr-defined]
    assert accounts[0] is accounts[1]
    assert accounts[0] is not accounts[2]
    assert [leg.symbol for leg in shells["second"].policy.legs] == ["ETH/USDT:USDT"]


async def test_a_closed_daemon_lets_the_next_one_in_and_an_open_one_does_not(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    first = wiring.build(settings)
    with pytest.raises(JournalBusy):
        wiring.build(settings)
    await first.close()

    second = wiring.build(settings)
    await second.close()


async def test_to_read_writes_nothing_anywhere(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    daemon = wiring.build(settings, read_only=True)
    for shell in daemon.shells:
        await shell.venue.observe(shell.clock(), after=0)
    await daemon.close()

    assert files_of(tmp_path) == ["hedged.toml"]


async def test_to_read_beside_a_writer_changes_no_byte_of_what_is_kept(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    writer = wiring.build(settings)
    for shell in writer.shells:
        await shell.venue.observe(shell.clock(), after=0)
    kept = bytes_of(tmp_path)
    reader = wiring.build(settings, read_only=True)
    for shell in reader.shells:
        await shell.venue.observe(shell.clock(), after=0)
    await reader.close()

    assert bytes_of(tmp_path) == kept
    await writer.close()


async def test_a_replay_goes_on_where_its_journal_ends(tmp_path: Path) -> None:
    settings, later = settings_of(tmp_path), datetime(2021, 5, 13, 0, 5, tzinfo=UTC)
    daemon = wiring.build(settings)
    assert daemon.replay_clock is not None
    started = daemon.clock()
    daemon.replay_clock.set(later)
    await cycle.run(Tick(kind="guard", cadence="guard", scheduled_at=later), daemon.shells[0])
    await daemon.close()
    again = wiring.build(settings)
    resumed = again.clock()
    await again.close()

    assert started == datetime(2021, 5, 10, 0, 5, tzinfo=UTC)
    assert resumed == later


async def test_on_the_wall_clock_there_is_no_clock_to_set(tmp_path: Path) -> None:
    daemon = wiring.build(settings_of(tmp_path, TWO.replace("[venue]", '[venue]\nclock = "wall"')))
    now = daemon.clock()
    await daemon.close()

    assert daemon.replay_clock is None
    assert now.tzinfo is UTC


async def test_a_metric_the_venue_never_serves_is_a_settings_error(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, TWO.replace("close < sma_50", "close > 0 and basis > 0"))

    with pytest.raises(SettingsError, match="'moderate risk' names basis, which needs index of BTC"):
        wiring.build(settings)
    assert not (settings.service.state_dir).exists()


async def test_what_is_served_is_looked_up_for_each_portfolios_own_signal(tmp_path: Path) -> None:
    text = TWO.replace("close < sma_50", "open_interest > 0")

    with pytest.raises(SettingsError, match="needs open_interest of ETH/USDT:USDT"):
        wiring.build(settings_of(tmp_path, text))
    named = text.replace("[signal]", '[signal]\nsymbol = "BTC/USDT:USDT"')
    await wiring.build(settings_of(tmp_path, named)).close()


ONE = TWO.partition('[[portfolio]]\nname = "second"')[0] + TWO[TWO.index("[[instrument]]") :]


async def test_a_running_rate_is_served_where_a_recorder_kept_it(tmp_path: Path) -> None:
    text = ONE.replace("close < sma_50", "funding_rate_next_8h > 0.0005")
    with pytest.raises(SettingsError, match=r"which needs funding_next of BTC/USDT:USDT; .* has none"):
        wiring.build(settings_of(tmp_path, text))
    recorder = HistoryStore(tmp_path / "data", read_only=False)
    recorder.append(BTC, "bars", "1d", bars([100.0, 101.0]))
    recorder.append(BTC, "funding_next", "1d", funding_next([0.0001]))
    kept = text.replace("[venue]", '[venue]\ndata = "data"')
    await wiring.build(settings_of(tmp_path, kept)).close()
    loaded = settings_of(tmp_path, kept)
    (portfolio,) = loaded.portfolio
    market, asked = wiring.recorded_market(loaded), policy_of(loaded, portfolio)
    recorded, notes = wiring.recorded_signal(market, asked, ())

    assert recorded.funding_next.equals(funding_next([0.0001]))
    assert notes == ()


@pytest.mark.parametrize("name", ["basis_annualized", "days_to_expiry"])
async def test_what_needs_an_expiry_is_refused_for_a_perpetual(tmp_path: Path, name: str) -> None:
    text = ONE.replace("close < sma_50", f"{name} < 7")
    with pytest.raises(SettingsError, match=f"names {name}, which needs an expiry, and BTC/USDT:USDT"):
        wiring.build(settings_of(tmp_path, text))


async def test_what_needs_an_expiry_is_served_for_a_dated_contract(tmp_path: Path) -> None:
    june = "BTC/USDT:USDT-240628"
    recorder = HistoryStore(tmp_path / "data", read_only=False)
    recorder.append(june, "bars", "1d", bars([100.0, 101.0]))
    signal = f'[signal]\nsymbol = "{june}"'
    text = ONE.replace("[venue]", '[venue]\ndata = "data"').replace("[signal]", signal)
    days = text.replace("close < sma_50", "days_to_expiry < 7")
    await wiring.build(settings_of(tmp_path, days)).close()

    with pytest.raises(SettingsError, match="names basis_annualized, which needs index of BTC"):
        wiring.build(settings_of(tmp_path, text.replace("close < sma_50", "basis_annualized < 0")))


def test_recorded_history_that_is_not_there_is_a_settings_error(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, TWO.replace("[venue]", '[venue]\ndata = "nowhere"'))

    with pytest.raises(SettingsError, match="nowhere"):
        wiring.build(settings)


async def test_a_journal_of_other_accounts_is_refused_and_freed(tmp_path: Path) -> None:
    await wiring.build(settings_of(tmp_path)).close()
    other = settings_of(tmp_path, TWO.replace('account = "two"', 'account = "three"'))

    with pytest.raises(JournalForeign):
        wiring.build(other)
    await wiring.build(settings_of(tmp_path)).close()


async def traded(settings: Settings) -> tuple[set[str], datetime | None]:
    """
    The first review of the first portfolio, and a guard pass, for what a lost journal does not know
    of holds the review: the order ids that they used, and the writer's epoch.
    """
    daemon = wiring.build(settings)
    at = datetime(2021, 5, 10, tzinfo=UTC)
    for shell in daemon.shells[:1]:
        await cycle.run(Tick(kind="review", cadence="weekly", scheduled_at=at), shell)
        await cycle.run(Tick(kind="guard", cadence="guard", scheduled_at=at), shell)
    ids = {intent.client_order_id for intent in daemon.journal.intents("main")}
    epoch = daemon.journal.epoch
    await daemon.close()
    return ids, epoch


RATIO = TWO.replace("[hedge]", "[limits]\nprice_age_s_max = 3600\n[hedge]\ninitial_ratio = 0.5")


async def test_a_journal_that_was_lost_repeats_no_order_id(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, RATIO)
    first, epoch = await traded(settings)
    for file in (tmp_path / "state").glob("journal.sqlite*"):
        file.unlink()
    (tmp_path / "hedged.toml").write_text(RATIO.replace("0.5", "0.9"))
    second, later = await traded(load([tmp_path / "hedged.toml"], {}).settings)

    assert first
    assert second
    assert first.isdisjoint(second)
    assert epoch is not None
    assert later is not None
    assert later > epoch


async def test_an_account_older_than_its_journal_is_not_gone_on_from(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, RATIO)
    await traded(settings)
    daemon = wiring.build(settings)
    cursor = daemon.journal.memory("main").cursor
    await daemon.close()
    for file in (tmp_path / "state").glob("paper-one.sqlite*"):
        file.unlink()
    daemon = wiring.build(settings)
    with pytest.raises(VenueUnavailable, match="restore both"):
        await daemon.shells[0].venue.observe(daemon.clock(), after=cursor)
    await daemon.close()


async def test_a_contract_that_was_traded_keeps_its_multiplier(tmp_path: Path) -> None:
    await traded(settings_of(tmp_path, RATIO))
    other = RATIO.replace("lot = 0.001", "lot = 1\ncontract_multiplier = 0.001")

    with pytest.raises(SettingsError, match="contract_multiplier of 1"):
        wiring.build(settings_of(tmp_path, other))


async def test_an_altered_record_is_not_traded_on(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, RATIO)
    await traded(settings)
    connection = sqlite3.connect(tmp_path / "state" / "journal.sqlite")
    connection.execute("DROP TRIGGER record_no_update")
    connection.execute("UPDATE record SET body = replace(body, '0.5', '0.1')")
    connection.commit()
    connection.close()
    daemon = wiring.build(settings)
    at = datetime(2021, 5, 11, tzinfo=UTC)
    with pytest.raises(JournalBroken, match="was altered"):
        await cycle.run(Tick(kind="guard", cadence="guard", scheduled_at=at), daemon.shells[0])
    await daemon.close()


INDEX = """index = "basket"
basket = { constituents = [{ symbol = "BTC/USDT:USDT", weight = 1 }, { symbol = "%s", weight = 1 }] }
"""


def with_index(symbol: str, when: str) -> str:
    rule = f'[[rule]]\nname = "one"\nwhen = "{when}"\nraise_to = 0.3\n'
    return RATIO.replace("[signal]\n", f"[signal]\n{INDEX % symbol}", 1).replace(
        "[hedge]", f"{rule}[hedge]", 1
    )


@pytest.mark.parametrize(
    ("symbol", "when", "lacking"),
    [
        ("XYZ/USDT:USDT", "close < sma_50", "needs bars of XYZ/USDT:USDT"),
        ("ETH/USDT:USDT", "basis > 0", "an index price, and an index of coins has none"),
    ],
)
def test_an_index_that_is_not_recorded_is_a_settings_error(
    tmp_path: Path, symbol: str, when: str, lacking: str
) -> None:
    with pytest.raises(SettingsError, match=lacking):
        wiring.build(settings_of(tmp_path, with_index(symbol, when)))


async def test_a_review_estimates_betas_that_the_next_guard_pass_still_uses(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, RATIO.replace("[hedge]", '[beta]\nmethod = "ols"\n[hedge]', 1))
    daemon = wiring.build(settings)
    monday = datetime(2021, 5, 10, tzinfo=UTC)
    review = Tick(kind="review", cadence="weekly", scheduled_at=monday)
    guard = Tick(kind="guard", cadence="guard", scheduled_at=monday)
    reviewed = await cycle.run(review, daemon.shells[0])
    guarded = await cycle.run(guard, daemon.shells[0])
    await daemon.close()

    assert reviewed.inputs.betas is not None
    assert guarded.inputs.betas is None
    betas = [{line.asset: line.beta for line in r.thought.exposure.lines} for r in (reviewed, guarded)]
    assert betas[0] == betas[1]
    assert guarded.memory.betas == reviewed.inputs.betas


ALERT = """
[service]
mode = "alert"
state_dir = "state"
[venue]
kind = "bybit"
[hedge]
legs = [{ symbol = "BTC/USDT:USDT" }]
[account.main]
api_key = "k"
api_secret = "s"
uid = "1"
adjust = true
leverage = 2
[[portfolio]]
name = "main"
account = "main"
holding = [{ asset = "BTC", quantity = 1 }]
"""


@pytest.mark.parametrize("endpoint", ["", 'endpoint = "http://127.0.0.1:9"\n'])
@pytest.mark.parametrize(
    ("mode", "read_only", "may_send"),
    [("live", False, True), ("live", True, False), ("alert", False, True), ("paper", False, False)],
)
async def test_orders_may_leave_where_the_mode_sends_any_and_nobody_only_looks(
    tmp_path: Path, endpoint: str, mode: str, read_only: bool, may_send: bool
) -> None:
    text = ALERT.replace('"alert"', f'"{mode}"').replace('"bybit"\n', f'"bybit"\n{endpoint}')
    text = text if mode != "paper" else f"{text}[paper]\ncollateral = 1000\n"
    daemon = wiring.build(settings_of(tmp_path, text), read_only=read_only)
    wire = daemon.lines.account("main", frozenset()).wire if daemon.lines else None
    await daemon.close()

    assert wire is not None
    assert wire.may_send is may_send
    assert wire._endpoint == (endpoint.split('"')[1] if endpoint else None)


async def test_in_alert_mode_a_key_may_be_one_that_only_reads(tmp_path: Path) -> None:
    daemon = wiring.build(settings_of(tmp_path, ALERT))
    (shell,) = daemon.shells
    venue = cast(LiveVenue, cast(PatientVenue, shell.venue).venue)
    (account,) = venue.hedges
    await daemon.close()

    assert account.wanted.may_only_read
    assert not account.wanted.adjust


AT = 'endpoint = "http://127.0.0.1:9"\n'


@pytest.mark.parametrize("mode", ["alert", "live"])
@pytest.mark.parametrize(
    ("before", "after"),
    [(AT, ""), ('uid = "1"', 'uid = "2"'), ('kind = "bybit"', 'kind = "binance"')],
    ids=["no loopback", "another number", "another venue"],
)
async def test_what_was_armed_or_approved_for_an_account_is_for_no_other(
    tmp_path: Path, mode: str, before: str, after: str
) -> None:
    text = ALERT.replace('"alert"', f'"{mode}"').replace('"bybit"\n', f'"bybit"\n{AT}')
    first = wiring.build(settings_of(tmp_path, text))
    await first.close()

    with pytest.raises(JournalForeign, match=r'accounts \["main on bybit on loopback, 1"\]'):
        wiring.build(settings_of(tmp_path, text.replace(before, after)))


def test_an_account_is_armed_with_how_it_trades_and_where(tmp_path: Path) -> None:
    text = ALERT.replace('"bybit"\n', f'"bybit"\n{AT}')
    armed = wiring.armed_accounts(settings_of(tmp_path, text))

    assert armed == {
        "main": ArmedAccount(venue="bybit", uid="1", loopback=True, leverage=Decimal(2), adjust=True)
    }
