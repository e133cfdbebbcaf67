"""
Leverage and margin mode: verified always, changed only where a person lets it, and only while flat.

Each test runs through the real ccxt on every loopback exchange.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from exchange.faults import fault
from exchange.opening import VENUES
from hedged.venue.live import LiveVenue
from hedged.venue.opening import DIALECTS
from lines import BTC, BTC_ID, ETH, ETH_ID, Line, later, linked, order, portfolio, rest, trade_by_hand

D = Decimal
CHANGES = ("/leverage", "/marginType", "/set-leverage", "/set-margin-mode", "/positionSide/dual",
           "/switch-mode", "/switch-isolated")  # fmt: skip
LEVERAGE = {"binance": "*/fapi/v1/leverage", "bybit": "*/v5/position/set-leverage"}


@pytest_asyncio.fixture(params=sorted(DIALECTS))
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    async with linked(VENUES[request.param](deposit=50_000)) as found:
        yield found


def wanting(line: Line, folder: Path, **wanted: object) -> LiveVenue:
    asked: dict[str, object] = {"leverage": D(3), "margin_mode": "isolated", "adjust": True}
    return portfolio(line, folder, **asked | wanted)  # type: ignore[arg-type]


def changes(line: Line) -> list[str]:
    """What was asked to change the account."""
    asked = (seen.call for seen in line.venue.recorder.all)
    return [call.path for call in asked if call.method == "POST" and call.path.endswith(CHANGES)]


def set_to(line: Line, symbol: str = BTC_ID) -> tuple[int, bool]:
    engine = line.venue.engine
    return engine.leverage(symbol), symbol in engine.state.isolated


async def test_without_leave_nothing_is_changed_and_the_doubt_says_both_ways(
    line: Line, tmp_path: Path
) -> None:
    live = wanting(line, tmp_path, adjust=False)
    seen = await live.observe(line.clock(), after=0)

    assert changes(line) == []
    assert [doubt.partition(";")[2] for doubt in seen.doubts] == [
        " set it at the exchange, or let hedged do so while flat (account.main.adjust = true)"
    ] * 2


async def test_a_flat_account_is_set_as_asked_read_again_and_told_once(
    line: Line, tmp_path: Path
) -> None:
    live = wanting(line, tmp_path)
    with capture_logs() as logs:
        first = await live.observe(line.clock(), after=0)
    second = await live.observe(later(line, seconds=30), after=0)

    assert set_to(line) == (3, True)
    assert first.doubts == (
        f"margin mode of {BTC} on main was cross and was set to isolated; the next pass goes on",
        f"leverage of {BTC} on main was 20 and was set to 3; the next pass goes on",
    )
    assert {log["what"] for log in logs if log["event"] == "account_changed"} == {
        "leverage", "margin_mode",
    }  # fmt: skip
    assert second.doubts == ()
    assert len(changes(line)) == 2


async def test_what_is_right_already_is_not_set_again(line: Line, tmp_path: Path) -> None:
    live = wanting(line, tmp_path, leverage=D("20.0"), margin_mode="cross")
    seen = await live.observe(line.clock(), after=0)

    assert (seen.doubts, changes(line)) == ((), [])


async def test_nothing_is_changed_under_a_position(line: Line, tmp_path: Path) -> None:
    trade_by_hand(line, "sell", "0.2")
    seen = await wanting(line, tmp_path).observe(line.clock(), after=0)

    assert changes(line) == []
    assert any("when nothing is held and ordered there" in doubt for doubt in seen.doubts)


async def test_nothing_is_changed_under_an_open_order(line: Line, tmp_path: Path) -> None:
    rest(line, "61000")
    await wanting(line, tmp_path).observe(line.clock(), after=0)

    assert changes(line) == []


async def test_an_empty_answer_about_positions_is_not_flat(line: Line, tmp_path: Path) -> None:
    plain = portfolio(line, tmp_path)
    first = await plain.observe(line.clock(), after=0)
    line.allowed.add("a1")
    later(line, seconds=5)
    await plain.send(order("a1"))
    await plain.observe(later(line, seconds=30), after=first.cursor)
    await plain.close()
    empty = [["set", "body", []]] if line.exchange.name == "binance" else [
        ["set", "body.result.list", []]
    ]  # fmt: skip
    where = {} if line.exchange.name == "binance" else {"settleCoin": "USDT"}
    path = "*/positionRisk" if line.exchange.name == "binance" else "*/v5/position/list"
    line.venue.fail(fault("mutated", path=path, where=where, count=None, edits=empty))
    seen = await wanting(line, tmp_path).observe(later(line, seconds=30), after=0)

    assert seen.positions == ()
    assert changes(line) == []


async def test_a_position_elsewhere_is_in_the_way_where_the_mode_is_the_accounts(
    line: Line, tmp_path: Path
) -> None:
    trade_by_hand(line, "buy", "1", symbol=ETH_ID)
    await wanting(line, tmp_path).observe(line.clock(), after=0)

    assert bool(changes(line)) is not line.dialect.margin_mode_of_account


async def test_an_account_that_may_not_be_the_one_meant_is_left_alone(
    line: Line, tmp_path: Path
) -> None:
    await wanting(line, tmp_path, account_uid="1").observe(line.clock(), after=0)

    assert changes(line) == []


async def test_hedge_mode_stays_a_doubt_that_a_person_ends(line: Line, tmp_path: Path) -> None:
    line.venue.engine.set_hedge_mode(True)
    seen = await wanting(line, tmp_path).observe(line.clock(), after=0)

    assert changes(line) == []
    assert any("switch it to one-way mode" in doubt for doubt in seen.doubts)


async def test_what_may_not_send_may_not_change(line: Line, tmp_path: Path) -> None:
    line.private._permit = None  # as `plan` and `check` have it
    seen = await wanting(line, tmp_path).observe(line.clock(), after=0)

    assert changes(line) == []
    assert len(seen.doubts) == 2


async def test_a_refusal_is_a_doubt_that_names_it_and_is_not_asked_at_every_pass(
    line: Line, tmp_path: Path
) -> None:
    live = wanting(line, tmp_path, leverage=D(500), margin_mode=None)
    first = await live.observe(line.clock(), after=0)
    await live.observe(later(line, minutes=1), after=0)
    asked = len(changes(line))
    await live.observe(later(line, minutes=5), after=0)

    code = {"binance": "-4028", "bybit": "110013"}[line.exchange.name]
    assert any(f"did not set the leverage of {BTC} on main" in d and code in d for d in first.doubts)
    assert any("has leverage 20, not 500" in doubt for doubt in first.doubts)
    assert (asked, len(changes(line))) == (1, 2)
    assert set_to(line) == (20, False)


@pytest.mark.parametrize("kind", ["landed_then_reset", "reset"])
async def test_an_answer_that_is_lost_is_settled_by_reading(
    line: Line, tmp_path: Path, kind: str
) -> None:
    line.venue.fail(fault(kind, method="POST", path=LEVERAGE[line.exchange.name]))
    live = wanting(line, tmp_path, margin_mode=None)
    first = await live.observe(line.clock(), after=0)
    done = set_to(line) == (3, False)
    second = await live.observe(later(line, minutes=6), after=0)
    third = await live.observe(later(line, minutes=6), after=0)

    assert done is (kind == "landed_then_reset")
    assert any("was set to 3" in doubt for doubt in (*first.doubts, *second.doubts))
    assert any("did not set the leverage" in doubt for doubt in first.doubts) is not done
    assert third.doubts == ()
    assert set_to(line) == (3, False)


async def test_nothing_is_changed_under_an_order_that_may_still_land(
    line: Line, tmp_path: Path
) -> None:
    live = wanting(line, tmp_path)
    await live.seek("never-seen", BTC, line.clock())
    first = await live.observe(line.clock(), after=0)
    before = changes(line)
    await live.observe(later(line, minutes=6), after=0)  # it was given up, and is sought no more

    assert before == []
    assert any("has leverage 20" in doubt for doubt in first.doubts)
    assert set_to(line) == (3, True)


async def test_only_the_contracts_that_hedge_are_set(line: Line, tmp_path: Path) -> None:
    live = portfolio(line, tmp_path, BTC, ETH, leverage=D(5), adjust=True)
    line.venue.engine.set_leverage(ETH_ID, 5)
    await live.observe(line.clock(), after=0)

    assert (set_to(line)[0], set_to(line, ETH_ID)[0]) == (5, 5)
    assert len(changes(line)) == 1


GOLDEN = {
    "binance": [
        "POST fapi.binance.com/fapi/v1/marginType symbol=BTCUSDT&marginType=ISOLATED&recvWindow=5000",
        "POST fapi.binance.com/fapi/v1/leverage symbol=BTCUSDT&leverage=3&recvWindow=5000",
    ],
    "bybit": [
        'POST api.bybit.com/v5/account/set-margin-mode {"setMarginMode":"ISOLATED_MARGIN"}',
        'POST api.bybit.com/v5/position/set-leverage {"category":"linear","symbol":"BTCUSDT",'
        '"buyLeverage":"3","sellLeverage":"3"}',
    ],
}


async def test_the_bytes_of_a_change(line: Line, tmp_path: Path) -> None:
    await wanting(line, tmp_path, leverage=D("3.0")).observe(line.clock(), after=0)
    seen = [one.golden for one in line.venue.recorder.all if one.call.path.endswith(CHANGES)]

    assert [one for one in seen if one.startswith("POST")] == GOLDEN[line.exchange.name]


async def test_nothing_is_changed_while_nothing_may_be_sent(line: Line, tmp_path: Path) -> None:
    may: list[bool] = []
    live = wanting(line, tmp_path, may_change=lambda: bool(may))
    held = await live.observe(line.clock(), after=0)

    assert changes(line) == []
    assert len(held.doubts) == 2
    may.append(True)
    later(line, minutes=6)
    await live.observe(line.clock(), after=0)
    assert set_to(line) == (3, True)
