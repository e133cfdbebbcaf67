"""
What a test tells an exchange from outside: move a price, trade by hand, inject a fault, read the state.

In the same process the engine and the script can be called directly; over a socket these are
``POST /_control/{action}`` with a JSON object, numbers as text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from exchange import happenings
from exchange.clocks import Running, Stopped
from exchange.faults import fault
from exchange.state import Earn, Order, Ticket
from exchange.tape import Bar
from exchange.venue import Meter, Venue
from exchange.wire import from_millis, millis, plain

Asked = dict[str, Any]
WAIT_S = 30.0


class Control:
    """The actions, by name: each public method but `do` is one."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._engine = venue.engine

    async def do(self, action: str, asked: Asked) -> object:
        """Raises `AttributeError` for an unknown action, `KeyError` for a missing field."""
        done: Callable[[Asked], object] = getattr(self, f"do_{action}")
        result = done(asked)
        return await result if isinstance(result, Awaitable) else result

    def do_price(self, asked: Asked) -> object:
        """symbol, mark; index, last, spread, depth."""
        rest = {name: Decimal(str(v)) for name, v in asked.items() if name not in ("symbol", "mark")}
        self._engine.set_price(asked["symbol"], Decimal(str(asked["mark"])), **rest)
        return self._told()

    def do_book(self, asked: Asked) -> object:
        """symbol; bids, asks: lists of [price, quantity], best first."""
        sides = [
            [(Decimal(str(price)), Decimal(str(size))) for price, size in asked.get(side, [])]
            for side in ("bids", "asks")
        ]
        self._engine.set_book(asked["symbol"], *sides)
        return self._told()

    def do_spot(self, asked: Asked) -> object:
        """pair, price."""
        self._engine.set_spot(asked["pair"], Decimal(str(asked["price"])))
        return {}

    def do_candles(self, asked: Asked) -> object:
        """symbol; series (last, mark, index); bars: [open time ms, open, high, low, close, volume]."""
        tape = self._engine.market(asked["symbol"]).tapes[asked.get("series", "last")]
        tape.load(_bar(row) for row in asked["bars"])
        return {"bars": len(asked["bars"])}

    def do_rate(self, asked: Asked) -> object:
        """symbol, rate: the running funding rate."""
        self._engine.market(asked["symbol"]).funding_rate = Decimal(str(asked["rate"]))
        return {}

    def do_funding(self, asked: Asked) -> object:
        """symbol; rate, at_ms: settle now, stamped at *at_ms*."""
        rate = Decimal(str(asked["rate"])) if "rate" in asked else None
        at = from_millis(int(asked["at_ms"])) if "at_ms" in asked else None
        happenings.settle_funding(self._engine, asked["symbol"], rate, at)
        return self._told()

    def do_open_interest(self, asked: Asked) -> object:
        """symbol, contracts; at_ms."""
        at = from_millis(int(asked["at_ms"])) if "at_ms" in asked else None
        self._engine.set_open_interest(asked["symbol"], Decimal(str(asked["contracts"])), at)
        return {}

    def do_trade(self, asked: Asked) -> object:
        """symbol, side, quantity; price, reduce_only, slot: an order by hand."""
        price = asked.get("price")
        ticket = Ticket(
            symbol=asked["symbol"],
            side=asked["side"],
            quantity=Decimal(str(asked["quantity"])),
            kind="market" if price is None else "limit",
            price=None if price is None else Decimal(str(price)),
            reduce_only=bool(asked.get("reduce_only")),
            slot=asked.get("slot", "BOTH"),
        )
        return _order(self._engine.manual(ticket))

    def do_adl(self, asked: Asked) -> object:
        """symbol, quantity; price."""
        price = Decimal(str(asked["price"])) if "price" in asked else None
        quantity = Decimal(str(asked["quantity"]))
        return _order(happenings.adl(self._engine, asked["symbol"], quantity, price))

    def do_liquidate(self, asked: Asked) -> object:
        """symbol; quantity."""
        quantity = Decimal(str(asked["quantity"])) if "quantity" in asked else None
        happenings.liquidate(self._engine, asked["symbol"], quantity)
        return self._told()

    def do_halt(self, asked: Asked) -> object:
        """symbol; trading."""
        self._engine.halt(asked["symbol"], trading=bool(asked.get("trading")))
        return {}

    def do_relist(self, asked: Asked) -> object:
        """symbol; any number of `Contract`: lot, tick, multiplier, notional_min and so on."""
        changed = {name: Decimal(str(v)) for name, v in asked.items() if name != "symbol"}
        self._engine.relist(asked["symbol"], **changed)
        return {}

    def do_deliver(self, asked: Asked) -> object:
        """symbol; price."""
        price = Decimal(str(asked["price"])) if "price" in asked else None
        happenings.deliver(self._engine, asked["symbol"], price)
        return self._told()

    def do_deposit(self, asked: Asked) -> object:
        """coin, amount (negative: out); source: OUTSIDE, SPOT, FUNDING."""
        source = asked.get("source", "OUTSIDE")
        self._engine.transfer(asked["coin"], Decimal(str(asked["amount"])), source=source)
        return self._told()

    def do_holding(self, asked: Asked) -> object:
        """coin, amount; wallet: spot, locked, funding, earn, earn_locked, coin_margin."""
        state, coin = self._engine.state, asked["coin"]
        amount, wallet = Decimal(str(asked["amount"])), asked.get("wallet", "spot")
        if wallet.startswith("earn"):
            state.earn.append(Earn(coin=coin, amount=amount, locked=wallet == "earn_locked"))
        else:
            wallets = {
                "spot": state.spot,
                "locked": state.spot_locked,
                "funding": state.funding_wallet,
                "coin_margin": state.coin_margin,
            }
            wallets[wallet][coin] = amount
        return {}

    def do_clock(self, asked: Asked) -> object:
        """Any of `timedelta`'s keywords: move the exchange's clock."""
        clock = self._engine.clock
        assert isinstance(clock, Running | Stopped)
        clock.step(**{name: float(by) for name, by in asked.items()})
        self._engine.tick()
        return {"now_ms": millis(self._engine.now)}

    def do_fault(self, asked: Asked) -> object:
        """name of the catalogue; any field of `Fault`."""
        self._venue.fail(fault(**asked))
        return self.do_faults({})

    def do_faults(self, asked: Asked) -> object:
        """The script, with how often each fault has been met."""
        return [{k: repr(v) for k, v in told.items()} for told in self._venue.script.told()]

    def do_clear_faults(self, asked: Asked) -> object:
        self._venue.script.clear()
        return {}

    def do_limits(self, asked: Asked) -> object:
        """enforced: whether rate limits refuse."""
        self._venue.limits = bool(asked["enforced"])
        return {}

    def do_forget_used(self, asked: Asked) -> object:
        """What was asked so far no longer counts against the limits, as after some quiet minutes."""
        self._venue.meter = Meter()
        return {}

    def do_requests(self, asked: Asked) -> object:
        """method, path: what was asked, without timestamps and signatures."""
        seen = self._venue.recorder.seen(asked.get("method", "*"), asked.get("path", "*"))
        return [{"at_ms": millis(s.at), "request": s.golden, "fault": s.fault} for s in seen]

    async def do_wait(self, asked: Asked) -> object:
        """method, path, count: answers when so many such requests have been seen."""
        recorder = self._venue.recorder
        waited = recorder.wait(
            asked.get("method", "*"), asked.get("path", "*"), int(asked.get("count", 1))
        )
        seen = await asyncio.wait_for(waited, float(asked.get("timeout_s", WAIT_S)))
        return {"request": seen.golden}

    def do_state(self, asked: Asked) -> object:
        """Wallets, positions, orders, fills and ledger."""
        return self._told()

    def _told(self) -> dict[str, object]:
        state = self._engine.state
        return {
            "now_ms": millis(self._engine.now),
            "wallets": {coin: plain(amount) for coin, amount in state.wallets.items()},
            "positions": [
                {
                    "symbol": p.symbol,
                    "slot": p.slot,
                    "quantity": plain(p.quantity),
                    "entry_price": plain(p.entry_price),
                }
                for p in state.positions.values()
                if p.quantity
            ],
            "orders": [_order(order) for order in state.orders.values()],
            "fills": [
                {
                    "id": f.id,
                    "order_id": f.order_id,
                    "client_order_id": f.client_order_id,
                    "symbol": f.symbol,
                    "signed": plain(f.signed),
                    "price": plain(f.price),
                    "cause": f.cause,
                }
                for f in state.fills
            ],
            "entries": [
                {"kind": e.kind, "coin": e.coin, "amount": plain(e.amount), "symbol": e.symbol}
                for e in state.entries
            ],
        }


def _order(order: Order) -> dict[str, object]:
    ticket = order.ticket
    return {
        "id": order.id,
        "client_order_id": ticket.client_order_id,
        "symbol": ticket.symbol,
        "side": ticket.side,
        "quantity": plain(order.quantity),
        "filled": plain(order.filled),
        "status": order.status,
        "reduce_only": ticket.reduce_only,
        "cause": ticket.cause,
    }


def _bar(row: list[Any]) -> Bar:
    opened, high, low, close, volume = (Decimal(str(number)) for number in row[1:6])
    return Bar(
        opens_at=from_millis(int(row[0])),
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
    )
