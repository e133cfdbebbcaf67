"""``hedged init``: what it writes is loaded, and checked against an exchange; it overwrites nothing."""

from __future__ import annotations

import shlex
from importlib import resources
from pathlib import Path
from typing import get_args

import pytest

from builders import bars, funding
from commands import Answer, answer
from exchange.binance_wallet import UID as BINANCE_UID
from exchange.bybit_wallet import UID as BYBIT_UID
from exchange.running import Running, running
from exchange.venue import KEY, SECRET
from hedged.cli import app, exits
from hedged.cli.check import findings
from hedged.cli.init import RULES, Use, VenueKind, text_of
from hedged.history.store import HistoryStore
from hedged.settings.load import load
from hedged.settings.model import Settings

CONFIG = Path(__file__).parent.parent.parent / "config"
SHIPPED = {"weekly": "weekly-strategic.toml", "daily": "daily-tactical.toml"}
MODES = {"weekly-unattended": "live", "paper": "paper", "alert": "alert"}
UIDS = {"binance": BINANCE_UID, "bybit": BYBIT_UID}
USES: tuple[Use, ...] = get_args(Use)
VENUES: tuple[VenueKind, ...] = get_args(VenueKind)
OWN_ACCOUNT = {
    "HEDGED__ACCOUNT__MAIN__API_KEY": KEY,
    "HEDGED__ACCOUNT__MAIN__API_SECRET": SECRET,
}
DAY_MS, MINUTE_MS = 86_400_000, 60_000


def secrets_of(use: Use, venue: VenueKind) -> dict[str, str]:
    """What a person adds to the file of *use*: nothing on paper."""
    uid = {"HEDGED__ACCOUNT__MAIN__UID": str(UIDS[venue])}
    return {} if use == "paper" else OWN_ACCOUNT | uid


def written(folder: Path, use: Use, venue: VenueKind) -> Path:
    file = folder / f"{use}.toml"
    file.write_text(text_of(use, venue, file.name))
    return file


def loaded(folder: Path, use: Use, venue: VenueKind) -> Settings:
    return load([written(folder, use, venue)], secrets_of(use, venue)).settings


def head_of(text: str) -> list[str]:
    return text.partition("[[rule]]")[0].splitlines()


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hedged(monkeypatch: pytest.MonkeyPatch, *args: object) -> Answer:
    return answer(monkeypatch, *args)


def test_the_command_and_the_templates_know_the_same_uses_and_venues() -> None:
    names = {one.name for one in (resources.files("hedged") / "init_data").iterdir()}

    assert get_args(app.Use) == USES
    assert get_args(app.VenueKind) == VENUES
    assert names == {f"{use}.toml" for use in USES} | {f"rules-{one}.toml" for one in SHIPPED}


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("use", USES)
def test_settings_are_loaded_and_mean_what_was_asked_for(
    tmp_path: Path, use: Use, venue: VenueKind
) -> None:
    settings = loaded(tmp_path, use, venue)

    assert settings.service.mode == MODES[use]
    assert settings.venue.kind == venue
    assert settings.service.state_dir.parent == tmp_path


@pytest.mark.parametrize(("use", "name"), [("paper", "paper"), ("weekly-unattended", "live")])
def test_two_files_in_config_are_what_it_writes(use: Use, name: str) -> None:
    file = f"config/{name}.toml"

    assert (CONFIG.parent / file).read_text() == text_of(use, "binance", file)


@pytest.mark.parametrize("use", USES)
def test_rules_and_hedge_are_those_of_the_shipped_matrix(tmp_path: Path, use: Use) -> None:
    ours = loaded(tmp_path, use, "binance")
    shipped = load([CONFIG / SHIPPED[RULES[use]]], {}).settings
    assert ours.hedge is not None
    assert shipped.hedge is not None

    assert ours.rule == shipped.rule
    assert ours.schedule.review == shipped.schedule.review
    assert ours.signal.ath_seed == shipped.signal.ath_seed
    assert ours.hedge.model_dump(exclude={"legs"}) == shipped.hedge.model_dump(exclude={"legs"})
    assert [leg.weight for leg in ours.hedge.legs] == [leg.weight for leg in shipped.hedge.legs]


@pytest.mark.parametrize("use", USES)
def test_what_a_person_protects_is_never_made_up_where_orders_are_sent(
    tmp_path: Path, use: Use
) -> None:
    (portfolio,) = loaded(tmp_path, use, "binance").portfolio

    assert bool(portfolio.holding) == (use == "paper")
    assert portfolio.holdings_from == (() if use == "paper" else ("main",))


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("use", USES)
def test_a_newcomer_reads_it_at_once(use: Use, venue: VenueKind) -> None:
    text = text_of(use, venue, "my file.toml")
    typed = [line for line in text.splitlines() if line.startswith("#     hedged")]

    assert len(head_of(text)) <= 75
    assert max(len(line) for line in text.splitlines()) <= 120
    assert "$" not in text
    assert typed
    assert all("-c 'my file.toml'" in line for line in typed)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("use", USES)
def test_a_check_finds_no_fault_but_the_missing_key_and_number(
    tmp_path: Path, use: Use, venue: VenueKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, use, venue)
    with running(venue, "--deposit", "50000") as exchange:
        _bars(exchange, monkeypatch)
        monkeypatch.setenv("HEDGED__VENUE__ENDPOINT", exchange.url)
        bare = hedged(monkeypatch, "check", "-c", file, "--json")
        for name, value in secrets_of(use, venue).items():
            monkeypatch.setenv(name, value)
        whole = hedged(monkeypatch, "check", "-c", file, "--json")
        orders = exchange.orders()

    if use == "paper":
        assert bare.code == exits.DONE
    else:
        assert bare.code == exits.SETTINGS
        assert "[account.main] needs api_key, api_secret and uid" in bare.err
        assert "HEDGED__ACCOUNT__MAIN__API_KEY_FILE" in bare.err
        assert len(bare.err.splitlines()) == 1
    assert whole.out, whole.err
    assert [one for one in whole.json if one["result"] == "FAILED"] == []
    hints = [one["said"] for one in whole.json if one["result"] == "warning"]
    assert any("leverage 20, not 3; hedged sets it" in one for one in hints) == (
        use == "weekly-unattended"
    )
    assert whole.code == exits.DONE
    assert orders == 0


def _bars(exchange: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Flat days and minutes of both contracts and a settled funding, as any exchange has them, and the
    high before them.
    """
    monkeypatch.setenv("HEDGED__SIGNAL__ATH_SEED", '{"price": 69000, "date": "2021-11-10"}')
    now = exchange.control("state")["now_ms"]
    today, minute = now // DAY_MS * DAY_MS, now // MINUTE_MS * MINUTE_MS
    opened = [today - i * DAY_MS for i in range(12, 0, -1)]
    opened += [minute - i * MINUTE_MS for i in range(6, 0, -1)]
    for symbol, price in (("BTCUSDT", "60000"), ("ETHUSDT", "3000")):
        bars = [[at, price, price, price, price, "100"] for at in opened]
        exchange.control("candles", symbol=symbol, bars=bars)
        exchange.control("funding", symbol=symbol, rate="0.0001", at_ms=minute)


def test_a_check_tells_a_seed_that_the_history_of_an_exchange_begins_above(
    init: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running("binance") as exchange:
        _bars(exchange, monkeypatch)
        monkeypatch.setenv("HEDGED__VENUE__ENDPOINT", exchange.url)
        written(init, "paper", "binance")
        sound = hedged(monkeypatch, "check", "-c", "paper.toml", "--json")
        monkeypatch.delenv("HEDGED__SIGNAL__ATH_SEED")
        told = hedged(monkeypatch, "check", "-c", "paper.toml", "--json")

    (fits,) = [one for one in sound.json if one["what"] == "ath_seed of main"]
    (low,) = [one for one in told.json if one["what"] == "ath_seed of main"]
    assert fits["result"] == "ok"
    assert fits["said"].startswith("69,000 must be the highest price before 20")
    assert (told.code, low["result"]) == (exits.VERIFY, "FAILED")
    assert low["said"].startswith("signal.ath_seed is 19,798.68 of 2017-12-17, but the history begins")


def test_rules_for_an_exchange_are_tried_on_the_shipped_history_then_on_what_is_kept(
    init: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running("binance") as exchange:
        _bars(exchange, monkeypatch)
        monkeypatch.setenv("HEDGED__VENUE__ENDPOINT", exchange.url)
        monkeypatch.setenv("HEDGED__SIGNAL__ATH_SEED", '{"price": 19798.68, "date": "2017-12-17"}')
        written(init, "weekly-unattended", "binance").rename(init / "hedged.toml")
        for name, value in secrets_of("weekly-unattended", "binance").items():
            monkeypatch.setenv(name, value)
        linted = hedged(monkeypatch, "rules", "lint")
        tested = hedged(monkeypatch, "rules", "test", "--at", "2022-06-13")
        monkeypatch.setenv("HEDGED__SIGNAL__ATH_SEED", '{"price": 69000, "date": "2021-11-10"}')
        store = HistoryStore(init / "hedged-live" / "history", read_only=False)
        for symbol in ("BTC/USDT:USDT", "ETH/USDT:USDT"):
            store.append(symbol, "bars", "1d", bars([100.0] * 90))
            store.append(symbol, "funding", "1d", funding([0.0001] * 270))
        kept = hedged(monkeypatch, "rules", "lint")

    assert (linted.code, tested.code, kept.code) == (0, 0, 0), linted.err + tested.err + kept.err
    assert linted.out.startswith("on the shipped history, for ")
    assert tested.out.startswith("on the shipped history, for ")
    assert "The rules of main on Monday 2022-06-13" in tested.out
    assert " ".join(kept.out.split()).startswith("on the history kept in hedged-live/history ")


def test_a_check_refuses_a_key_that_may_not_trade_what_it_also_protects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, "weekly-unattended", "bybit")
    with running("bybit", "--rights", "read") as exchange:
        _bars(exchange, monkeypatch)
        monkeypatch.setenv("HEDGED__VENUE__ENDPOINT", exchange.url)
        for name, value in secrets_of("weekly-unattended", "bybit").items():
            monkeypatch.setenv(name, value)
        told = hedged(monkeypatch, "check", "-c", file, "--json")
    faults = {(one["what"], one["said"]) for one in told.json if one["result"] == "FAILED"}

    assert told.code == exits.VERIFY
    assert ("key of main", "the key of main may not trade futures") in faults


def test_a_check_says_that_live_sends_orders(tmp_path: Path) -> None:
    file = written(tmp_path, "weekly-unattended", "binance")
    found = findings(load([file], secrets_of("weekly-unattended", "binance")))
    live = next(one for one in found if one.what == "live")  # before anything is asked

    assert live.result == "ok"
    assert "orders are sent" in live.said
    assert "It sends orders with your money." in file.read_text()


@pytest.mark.parametrize("use", USES)
def test_it_writes_one_file_and_tells_commands_that_exist(
    init: Path, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = hedged(monkeypatch, "init", "--use", use, "--venue", "bybit", "--json")
    plain = hedged(monkeypatch, "init", "--use", use, "--out", "my other.toml")
    (init / "my other.toml").unlink()

    assert (told.code, plain.code) == (exits.DONE, exits.DONE), told.err + plain.err
    assert [one.name for one in init.iterdir()] == ["hedged.toml"]
    assert (init / "hedged.toml").read_text() == text_of(use, "bybit", "hedged.toml")
    assert (told.json["use"], told.json["venue"], told.json["file"]) == (use, "bybit", "hedged.toml")
    assert bool(told.json["variables"]) == (use != "paper")
    for step in told.json["steps"]:
        _, command, *_rest = shlex.split(step["command"])
        assert hedged(monkeypatch, command, "--help").code == 0
        assert step["command"].replace("hedged.toml", "'my other.toml'") in plain.out
    for variable in told.json["variables"]:
        assert f"export {variable['name']}=" in plain.out


def test_a_run_on_paper_needs_nothing_but_the_file(init: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running("binance") as exchange:
        _bars(exchange, monkeypatch)
        monkeypatch.setenv("HEDGED__VENUE__ENDPOINT", exchange.url)
        began = hedged(monkeypatch, "init", "--use", "paper")
        planned = hedged(monkeypatch, "plan")
        ran = hedged(monkeypatch, "run", "--once", "--json")

    assert (began.code, planned.code, ran.code) == (0, 0, 0), planned.err + ran.err
    assert "BTC perpetual is BTC/USDT:USDT on binance" in planned.out
    (record,) = ran.json
    assert {one["symbol"] for one in record["record"]["outcomes"]} == {"BTC/USDT:USDT", "ETH/USDT:USDT"}


def test_nothing_is_ever_overwritten(init: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, link = init / "hedged.toml", init / "link.toml"
    mine.write_text("mine")
    link.symlink_to(init / "nowhere.toml")
    told = [hedged(monkeypatch, "init", "--use", "paper", "--out", one) for one in (mine, link, init)]

    assert [one.code for one in told] == [exits.SETTINGS] * 3
    assert all("overwrites nothing" in one.err for one in told)
    assert mine.read_text() == "mine"
    assert not (init / "nowhere.toml").exists()


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--use", "monthly"), exits.USAGE, "--use"),
        ((), exits.USAGE, "--use"),
        (("--use", "paper", "--venue", "nasdaq"), exits.USAGE, "--venue"),
        (
            ("--use", "paper", "--out", "no/where.toml"),
            exits.SETTINGS,
            "no/where.toml can't be written",
        ),
        (("--use", "paper", "--out", "a\nb.toml"), exits.USAGE, "--out"),
    ],
)
def test_what_it_can_not_do_it_says(
    init: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], code: int, said: str
) -> None:
    told = hedged(monkeypatch, "init", *args)

    assert told.code == code
    assert said in told.err
    assert list(init.iterdir()) == []
