"""
The same day through the real thing: ccxt, its signatures and the Binance dialect, without sockets.

A share of the seeds goes this way, for it takes several times as long. Faults are drawn by the same
`Network`, and become what `exchange.session.InProcess` raises as aiohttp would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from exchange.binance import Binance
from exchange.desk import Refused
from exchange.faults import HTML
from exchange.session import InProcess
from exchange.tape import Bar as TapeBar
from exchange.venue import KEY, SECRET, Key, Venue
from exchange.wire import Call, Delivery, Reply, from_millis
from hedged.venue.exchange import Exchange
from hedged.venue.opening import DIALECTS
from hedged.venue.wire import Credentials, Wire
from hedged.wiring.live import Lines
from simulation.network import Fate, Network
from simulation.world import World

ENDPOINTS = {
    "fapi/v3/account": "margin",
    "fapi/v3/positionRisk": "positions",
    "fapi/v1/premiumIndex": "quotes",
    "fapi/v1/userTrades": "fills",
    "fapi/v1/openOrders": "open_orders",
    "fapi/v1/exchangeInfo": "listings",
    "fapi/v1/symbolConfig": "mode",
    "account/apiRestrictions": "rights",
    "/api/v3/account": "balances",
    "fapi/v1/accountConfig": "account_mode",
}
HIDDEN = Reply(status=503, body=HTML, content_type="text/html")
SAID = ("", "order_rejected", "order_said_duplicate", "order_past_window")
"""What may strike an order whose answer arrives, and says what became of it."""
REFUSALS = {"rate_limited": ("rate_limited", "30"), "banned": ("banned", "120")}


class Faulty(Venue):
    """The loopback Binance behind a bad network."""

    def __init__(self, world: World, network: Network, served: Callable[[str], None]) -> None:
        super().__init__(world.engine, Binance((Key(),)))
        self.world = world
        self.network = network
        self.served = served
        for symbol, bars in world.bars.items():
            for name in ("last", "mark", "index"):
                world.engine.market(symbol).tapes[name].load(_taped(bar) for bar in bars)

    async def respond(self, call: Call) -> Delivery:
        order = call.method == "POST" and call.path.endswith("/fapi/v1/order")
        fate = self.network.fate("order" if order else "read")
        self.network.carried += 1
        named = call.params.get("newClientOrderId", "") if order else ""
        if order:
            self.network.seen.posted(_native(call), from_millis(int(call.params["timestamp"])))
        if fate.fault:
            self.network.seen.happened("fault", name=fate.fault, endpoint=call.path)
        await asyncio.sleep(fate.out_s)
        delivery = self._answered(call, fate, order=order)
        if delivery.manner == "whole":
            if fate.back_s < 9:
                await asyncio.sleep(fate.back_s)
                if named and fate.fault in SAID:
                    status = delivery.reply.status
                    heard = "answered" if status < 400 else f"{status} {delivery.reply.refused}"
                    self.network.seen.replied(named, heard)
            else:
                await asyncio.sleep(fate.back_s)
        return delivery

    def _answered(self, call: Call, fate: Fate, *, order: bool) -> Delivery:
        fault = fate.fault
        if fault in ("order_lost", "read_lost"):
            return Delivery(reply=Reply(), manner="none")
        if fault in ("maintenance", "order_http_503", "read_http_503", "read_html"):
            return Delivery(reply=HIDDEN)
        if fault in REFUSALS:
            word, wait = REFUSALS[fault]
            told = self.dialect.refuse(Refused(word), self.engine)
            return Delivery(
                reply=Reply(status=told.status, body=told.body, headers={"Retry-After": wait})
            )
        if fault == "order_rejected":
            return Delivery(reply=self.dialect.refuse(Refused("margin"), self.engine))
        if fate.late_s:
            asyncio.get_running_loop().call_later(fate.late_s, self._land, call)
            unknown = self.dialect.refuse(Refused("unknown_status"), self.engine)
            return Delivery(reply=unknown, manner="none" if fault == "order_late" else "whole")
        self.engine.tick()
        self.served(next((name for path, name in ENDPOINTS.items() if path in call.path), "other"))
        reply = self._said(call)
        return self._spoiled(reply, fault)

    def _land(self, call: Call) -> None:
        self.network.seen.happened("lands_late", client_order_id=call.params["newClientOrderId"])
        self.dialect.answer(call, self.engine, late=True)

    def _said(self, call: Call) -> Reply:
        try:
            return self.dialect.answer(call, self.engine)
        except Refused as refused:
            return self.dialect.refuse(refused, self.engine)

    def _spoiled(self, reply: Reply, fault: str) -> Delivery:
        if fault == "order_reply_lost":
            return Delivery(reply=reply, manner="none")
        if fault in ("order_truncated", "read_truncated"):
            return Delivery(reply=reply, manner="truncated")
        if fault in ("order_landed_503", "order_html"):
            return Delivery(reply=HIDDEN)
        if fault == "order_timeout_1007":
            return Delivery(reply=self.dialect.refuse(Refused("unknown_status"), self.engine))
        if fault == "order_said_duplicate" and reply.status == 200:
            return Delivery(reply=self.dialect.refuse(Refused("client_id_known"), self.engine))
        return Delivery(reply=reply)


class RealWire(Wire):
    """The wire as it is, on a session that leads to no socket."""

    venue: Faulty
    visit: Callable[[str], None]

    async def _open(self) -> None:
        self._exchange.session = InProcess(self.venue)

    async def _ask(self, entry: Any, *args: Any, **given: Any) -> Any:
        self.visit(f"before {entry.path}")
        found = await super()._ask(entry, *args, **given)
        self.visit(f"after {entry.path}")
        return found

    async def close(self) -> None:
        self.forget()

    def forget(self) -> None:
        """There is nothing to close; ccxt wants to hear of it."""
        self._exchange.session = None


class RealLines(Lines):
    """The lines as they are, with such wires."""

    venue_behind: Faulty
    visit: Callable[[str], None]
    made: list[RealWire]

    def exchange(self, name: str) -> Exchange:
        if name not in self._exchanges:
            dialect = DIALECTS[name]
            self._exchanges[name] = Exchange(name, dialect, self._wire(dialect), self._clock)
        return self._exchanges[name]

    def _wire(self, dialect: Any, credentials: Any = None) -> Wire:
        wire = RealWire(
            dialect.speech,
            self._budgets,
            self._clock,
            credentials=Credentials(api_key=KEY, api_secret=SECRET) if credentials else None,
            permit=self._permit if credentials else None,
        )
        wire.venue, wire.visit = self.venue_behind, self.visit
        self.made.append(wire)
        return wire


def _native(call: Call) -> dict[str, Any]:
    params = call.params
    return {
        "client_order_id": params["newClientOrderId"],
        "market_id": params["symbol"],
        "side": params["side"].lower(),
        "quantity": Decimal(params["quantity"]),
        "price": Decimal(params["price"]),
        "reduce_only": params.get("reduceOnly", "false") == "true",
    }


def _taped(bar: Any) -> TapeBar:
    """A bar of the world as the tape has it; hours before the start are no minutes."""
    opens_at: datetime = bar.open_time
    values = {
        name: Decimal(str(round(getattr(bar, name), 2))) for name in ("open", "high", "low", "close")
    }
    return TapeBar(opens_at=opens_at, volume=Decimal(str(bar.volume)), **values)
