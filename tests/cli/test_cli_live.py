"""``hedged run --live`` against a loopback exchange that is a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import Answer, answer, armed
from exchange.binance_wallet import UID as BINANCE_UID
from exchange.bybit_wallet import UID as BYBIT_UID
from exchange.running import Running as Exchange
from exchange.running import running
from exchange.venue import KEY, SECRET
from hedged.cli import exits
from hedged.venue.opening import DIALECTS

UIDS = {"binance": str(BINANCE_UID), "bybit": str(BYBIT_UID)}
Changed = tuple[tuple[str, str], ...]
SCHEDULE = '[schedule]\nreview = "{}"\n[venue]'


@pytest.fixture(params=sorted(DIALECTS))
def exchange(request: pytest.FixtureRequest) -> Iterator[Exchange]:
    with running(request.param, "--deposit", "50000") as found:
        yield found


def settings(folder: Path, exchange: Exchange, *, uid: str = "", changed: Changed = ()) -> Path:
    """A portfolio of one bitcoin, half hedged; *changed* texts are replaced."""
    text = f"""
[service]
mode = "live"
state_dir = "state"
[venue]
kind = "{exchange.name}"
endpoint = "{exchange.url}"
[hedge]
legs = [{{ symbol = "BTC/USDT:USDT" }}]
initial_ratio = 0.5
[account.main]
api_key = "{KEY}"
api_secret = "{SECRET}"
uid = "{uid or UIDS[exchange.name]}"
[[portfolio]]
name = "main"
account = "main"
holding = [{{ asset = "BTC", quantity = 1 }}]
"""
    for before, after in changed:
        text = text.replace(before, after)
    file = folder / "hedged.toml"
    file.touch(mode=0o600)
    file.write_text(text)
    return file


def hedged(monkeypatch: pytest.MonkeyPatch, *args: object) -> Answer:
    return answer(monkeypatch, *args)


def test_the_target_is_reached_by_a_small_order_and_the_rest_and_then_nothing_is_sent(
    tmp_path: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    for review in ("daily", "cron: 0 0 * * *"):  # each has a tick of its own, and so a pass
        file = settings(tmp_path, exchange, changed=(("[venue]", SCHEDULE.format(review)),))
        armed(monkeypatch, file)
        runs.append(hedged(monkeypatch, "run", "--once", "--live", "-c", file, "--json"))
    (position,) = exchange.control("state")["positions"]

    assert [one.code for one in runs] == [0, 0], [one.err for one in runs]
    records = [record["record"] for one in runs for record in one.json]
    filled = [[(o["status"], o["filled"]) for o in record["outcomes"]] for record in records]
    assert filled == [[("filled", "0.025")], [("filled", "0.475")], []]
    assert {record["mode"] for record in records} == {"live"}
    assert float(position["quantity"]) == -0.5
    assert exchange.orders() == 2


def test_every_command_tells_what_words_mean_and_trades_that(
    tmp_path: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (('symbol = "BTC/USDT:USDT"', 'symbol = "BTC perpetual"'),)
    file, means = settings(tmp_path, exchange, changed=words), "BTC/USDT:USDT on " + exchange.name
    armed(monkeypatch, file)
    shown, listed, checked, planned, ran = (
        hedged(monkeypatch, *args, "-c", file)
        for args in (
            ("config", "show"),
            ("config", "show", "--json"),
            ("check", "--json"),
            ("plan",),
            ("run", "--once", "--live", "--json"),
        )
    )

    assert [one.code for one in (shown, listed, checked, planned, ran)] == [0] * 5, ran.err
    key = "hedge.legs.0.symbol"
    assert f"{key} means {means}" in shown.out
    (line,) = (one for one in listed.json if one["key"] == key)
    assert (line["value"], line["means"]) == ("BTC perpetual", [means])
    assert {one["what"]: one["said"] for one in checked.json}[key] == f"BTC perpetual is {means}"
    assert f"BTC perpetual is {means}." in planned.out
    assert {order["symbol"] for order in ran.json[0]["record"]["outcomes"]} == {"BTC/USDT:USDT"}
    assert exchange.orders() > 0


def test_words_that_mean_nothing_stop_every_command_before_it_begins(
    tmp_path: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (('symbol = "BTC/USDT:USDT"', 'symbol = "BTC weekly perpetual"'),)
    file = settings(tmp_path, exchange, changed=words)
    shown, checked, planned, ran = (
        hedged(monkeypatch, *args, "-c", file)
        for args in (("config", "show"), ("check",), ("plan",), ("run", "--once", "--live"))
    )

    assert shown.code == 0
    assert "hedge.legs.0.symbol means not known" in shown.out
    assert (checked.code, planned.code, ran.code) == (exits.VERIFY, exits.SETTINGS, exits.SETTINGS)
    for one in (planned, ran):
        assert "hedge.legs.0.symbol: 'BTC weekly perpetual'" in one.err
    assert not (tmp_path / "state").exists()


def test_an_index_of_bitcoin_against_others_is_refused_by_every_command(
    tmp_path: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    leg = (("BTC/USDT:USDT", "BTCDOM/USDT:USDT"),)
    file = settings(tmp_path, exchange, changed=leg)
    checked, planned, ran = (
        hedged(monkeypatch, *args, "-c", file)
        for args in (("check",), ("plan",), ("run", "--once", "--live"))
    )

    assert (checked.code, planned.code, ran.code) == (exits.VERIFY, exits.SETTINGS, exits.SETTINGS)
    for one in (planned, ran):
        assert "BTCDOM can't be the only leg" in one.err
    assert "BTCDOM can't be" in " ".join(checked.out.split())


def test_a_plan_sends_nothing_and_writes_nothing(
    tmp_path: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = hedged(monkeypatch, "plan", "-c", settings(tmp_path, exchange))

    assert told.code == 0, told.err
    assert "nothing was sent, nothing was written" in told.out
    assert "sell" in told.out
    assert exchange.orders() == 0
    assert not (tmp_path / "state").exists()


def test_everything_is_checked_without_an_order(
    tmp_path: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = hedged(monkeypatch, "check", "-c", settings(tmp_path, exchange), "--json")
    found = {one["what"]: one["result"] for one in told.json}

    assert told.code == 0, told.out
    assert found[f"{exchange.name}: clock"] == found["portfolio main"] == "ok"
    assert exchange.orders() == 0


def test_another_account_than_the_one_meant_is_held(
    tmp_path: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = settings(tmp_path, exchange, uid="12345")
    told = hedged(monkeypatch, "run", "--once", "--live", "-c", file)

    assert told.code == exits.HELD
    assert "account.main.uid is 12345" in told.out
    assert exchange.orders() == 0


@pytest.mark.parametrize(
    ("args", "changed", "said"),
    [
        ((), (), "give --live too"),
        (
            ("--live",),
            (('mode = "live"', 'mode = "paper"'), ("[hedge]", "[paper]\ncollateral = 1\n[hedge]")),
            "--live is given",
        ),
        (("--live",), (("uid =", "# uid ="),), "needs uid, the exchange's number of the account"),
    ],
)
def test_live_needs_all_to_agree(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple[str, ...],
    changed: Changed,
    said: str,
) -> None:
    nobody = Exchange("binance", "http://127.0.0.1:1")
    told = hedged(
        monkeypatch, "run", "--once", *args, "-c", settings(tmp_path, nobody, changed=changed)
    )

    assert told.code == exits.SETTINGS
    assert said in told.err
    assert not (tmp_path / "state").exists()


def test_no_secret_is_left_anywhere(
    tmp_path: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = armed(monkeypatch, settings(tmp_path, exchange))
    exchange.control("fault", name="http_503", path="*account*", count=2)
    told = [
        hedged(monkeypatch, "run", "--once", "--live", "-c", file),
        hedged(monkeypatch, "explain", "-c", file),
        hedged(monkeypatch, "status", "-c", file),
        hedged(monkeypatch, "config", "show", "-c", file),
    ]
    left = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())

    for secret in (KEY, SECRET):
        assert not any(secret in one.out + one.err for one in told)
        assert secret.encode() not in left


def test_nothing_is_sent_until_it_was_armed_and_a_change_disarms(
    tmp_path: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each schedule gives a pass of its own; it is no part of what is armed."""

    def passed(review: str, *changed: tuple[str, str]) -> Answer:
        plain = ("[venue]", SCHEDULE.format(review))
        file = settings(tmp_path, exchange, changed=(plain, *changed))
        return hedged(monkeypatch, "run", "--once", "--live", "-c", file)

    never = passed("daily")
    shown = hedged(monkeypatch, "status", "-c", tmp_path / "hedged.toml")
    assert never.code == exits.HELD
    assert "not armed: nothing was armed yet" in " ".join(never.out.split())
    assert "hedged run --arm --live" in " ".join(shown.out.split())
    assert "stop resume" not in shown.out
    assert exchange.orders() == 0

    told = hedged(monkeypatch, "run", "--arm", "--live", "-c", tmp_path / "hedged.toml")
    assert told.code == 0, told.err
    uid = UIDS[exchange.name]
    for said in ("order_notional_max", "liquidation_distance_min", "BTC/USDT:USDT", uid):
        assert said in told.out
    assert exchange.orders() == 0
    told = hedged(monkeypatch, "status", "-c", tmp_path / "hedged.toml")
    assert "armed since" in told.out
    assert "lifts it" not in told.out

    ran = passed("cron: 0 0 * * *")
    sent = exchange.orders()
    assert ran.code == 0, ran.out + ran.err
    assert sent > 0

    limit = ("[hedge]", "[limits]\nday_notional_max = 900_000\n[hedge]")
    file = settings(tmp_path, exchange, changed=(limit, ("quantity = 1", "quantity = 2")))
    planned = hedged(monkeypatch, "plan", "-c", file)
    assert "not armed: what changed: main: limits" in " ".join(planned.out.split())
    assert exchange.orders() == sent


def test_arming_needs_live_and_its_own_journal(
    tmp_path: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = settings(tmp_path, exchange)
    asked = hedged(monkeypatch, "run", "--arm", "-c", file)
    armed(monkeypatch, file)
    renamed = (("[account.main]", "[account.other]"), ('account = "main"', 'account = "other"'))
    other = settings(tmp_path, exchange, changed=renamed)
    foreign = hedged(monkeypatch, "run", "--arm", "--live", "-c", other)

    assert asked.code == exits.SETTINGS
    assert "give --live too" in asked.err
    assert foreign.code == exits.JOURNAL
    assert exchange.orders() == 0


def test_leverage_is_set_once_it_is_armed_and_under_no_stop(
    tmp_path: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    adjusts = (("[[portfolio]]", "leverage = 3\nadjust = true\n[[portfolio]]"),)
    file = settings(tmp_path, exchange, changed=adjusts)

    def sets() -> int:
        asked = [one["request"] for one in exchange.control("requests", method="POST")]
        return sum("leverage" in one for one in asked)

    def once(review: str) -> int:
        monkeypatch.setenv("HEDGED__SCHEDULE__REVIEW", review)  # each has a tick of its own
        hedged(monkeypatch, "run", "--once", "--live", "-c", file)
        return sets()

    unarmed = once("weekly")
    armed(monkeypatch, file)
    hedged(monkeypatch, "stop", "halt", "all", "--why", "a test", "-c", file)
    halted = once("daily")
    hedged(monkeypatch, "stop", "resume", "all", "-c", file)

    assert (unarmed, halted, once("cron: 0 0 * * *")) == (0, 0, 1)
