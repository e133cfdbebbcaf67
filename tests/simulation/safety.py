"""
The second half of the checker: whether the account, the contract and the machine were fit for an order.

Enters what was served, sent and recorded; leaves violations of 19, 20, 22, 25, 27, 28, 29, 35 and 41.
What the daemon can't know it is not blamed for: each figure is the true one of the instant at which the
exchange last told it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from exchange.state import Ticket
from simulation.clock import Time
from simulation.evidence import Sent
from simulation.people import ADL_RANK_TOP
from simulation.world import HOUR, LEVERAGE, World

D = Decimal
ZERO = D(0)
LOOKED_AGAIN = timedelta(minutes=62)
"""How old a look at rights and modes may be: an hour, and the pass that looks again."""
DISTANCE_MIN = D("0.15")
MARGIN_RATIO_MAX = D("0.60")
RECONCILED_BY = ("positions", "open_orders")
FUNDING_MAX, FUNDINGS_A_YEAR = D("0.25"), D(3 * 365)
HEDGED = "in hedge mode"
CLOCK_MAX = timedelta(seconds=5)
EQUAL = 1e-6


class Safety:
    """Watches one day beside the `Checker`."""

    def __init__(
        self,
        time: Time,
        world: World,
        violate: Callable[[str, str], None],
        stepped_at: Callable[[], datetime],
    ) -> None:
        self.time, self.world, self.violate = time, world, violate
        self._stepped_at = stepped_at
        self.served_at: dict[str, datetime] = {}
        self.unfit: dict[str, str] = {}
        self.foreign = False
        self.halted: set[str] = set()
        self.held: dict[str, Decimal] = {}
        self.marks: dict[str, Decimal] = {}
        self.equity = ZERO
        self.booked = False
        self.lost: set[str] = set()
        self.legs: tuple[str, ...] = ()

    # ---- what is told

    def started(self, *, booked: bool) -> None:
        """A process starts; *booked*: on a book that knows of earlier lives."""
        self.served_at.clear()
        self.booked = booked

    def restored(self, lost: Iterable[str]) -> None:
        """An older journal and book were put back, which do not know the *lost* orders that filled."""
        self.lost = set(lost)

    def served(self, endpoint: str) -> None:
        """The exchange answers: what is true now is what the daemon may know."""
        engine = self.world.engine
        self.served_at[endpoint] = self.time()
        if endpoint == "margin":
            self.equity = engine.account("USDT").equity
        elif endpoint == "positions":
            self.held = {s: engine.position(s).quantity for s in self.world.symbols()}
        elif endpoint == "quotes":
            self.marks = {s: self.world.mark(s) for s in self.world.symbols()}
        elif endpoint == "listings":
            self.halted = {s for s in self.world.symbols() if not engine.market(s).trading}
        elif endpoint == "mode":
            self.unfit = {s: why for s in self.world.symbols() if (why := self._why_unfit(s))}
        elif endpoint == "account_mode":  # through the real dialect hedge mode is told here
            for symbol in self.world.symbols():
                if engine.hedged(symbol):
                    self.unfit[symbol] = HEDGED
                elif self.unfit.get(symbol) == HEDGED:
                    del self.unfit[symbol]
        elif endpoint == "rights":
            self.foreign = False

    def _why_unfit(self, symbol: str) -> str:
        engine = self.world.engine
        if engine.hedged(symbol):
            return HEDGED
        if symbol in engine.state.isolated:
            return "isolated"
        leverage = engine.leverage(symbol)
        return f"at leverage {leverage}" if leverage != LEVERAGE else ""

    def happened(self, what: str, about: dict[str, Any]) -> None:
        """An answer was a lie, or the daemon changes how the account trades."""
        if what == "lie" and about["name"] == "other_account":
            self.foreign = True
        elif what == "adjust":
            symbol = about["symbol"]
            if self.held.get(symbol) and self.world.engine.position(symbol).quantity:
                self.violate("19", f"{symbol} is changed with {self.held[symbol]} held")

    # ---- orders

    def posted(self, order: Sent) -> None:
        """An order leaves the daemon."""
        self._check_account(order)
        self._check_reconciled(order)
        if order.symbol in self.halted:
            self.violate("29", f"{order.id} on {order.symbol}, which was told not to trade")
        if order.side == "sell":
            self._check_margin(order)

    def filled(self, order: Sent, signed: Decimal) -> None:
        """An order of the plan in hand filled: what follows in it is reckoned from there."""
        if order.looked == self.served_at.get("positions"):
            self.held[order.symbol] = self.held.get(order.symbol, ZERO) + signed

    def _check_account(self, order: Sent) -> None:
        """19: one-way mode, margin mode, leverage and owner are as they should be, and seen lately."""
        now = self.time()
        stepped = now - self._stepped_at() < 3 * HOUR
        most = LOOKED_AGAIN + (HOUR if stepped else timedelta(0))
        for endpoint in ("mode", "rights"):
            seen = self.served_at.get(endpoint)
            if seen is None or now - seen > most:
                self.violate("19", f"{order.id}, and {endpoint} was last looked at {seen}")
        if order.symbol in self.unfit:
            self.violate("19", f"{order.id} on {order.symbol}, seen {self.unfit[order.symbol]}")
        if self.foreign:
            self.violate("19", f"{order.id} on an account whose number is another")

    def _check_reconciled(self, order: Sent) -> None:
        """35, 41: all was read in this life, and orders that a copy does not know were noticed."""
        asked = (*RECONCILED_BY, "fills") if self.booked else RECONCILED_BY
        missing = [endpoint for endpoint in asked if endpoint not in self.served_at]
        if missing:
            self.violate("35", f"{order.id} before {', '.join(missing)} was read in this life")
        if self.lost:
            self.violate("41", f"{order.id}, and {sorted(self.lost)} were not noticed")

    def _check_margin(self, order: Sent) -> None:
        """20: a short that grows keeps its distance to liquidation, as of the last look."""
        after = dict(self.held)
        after[order.symbol] = after.get(order.symbol, ZERO) - order.quantity
        if after[order.symbol] >= 0:
            return
        short, now = self._needed(after, ZERO)
        _, risen = self._needed(after, DISTANCE_MIN)
        if self.equity - short * DISTANCE_MIN - risen <= 0:
            self.violate("20", f"{order.id}: {short:.0f} short on an equity of {self.equity:.0f}")
        elif now > MARGIN_RATIO_MAX * self.equity:
            self.violate("20", f"{order.id}: {now:.0f} of {self.equity:.0f} is maintenance margin")

    def _needed(self, positions: dict[str, Decimal], rise: Decimal) -> tuple[Decimal, Decimal]:
        """What is short at the marks of the last look, and its maintenance margin after a rise."""
        short = needed = ZERO
        for symbol, quantity in positions.items():
            contract = self.world.engine.contract(symbol)
            value = -quantity * contract.multiplier * self.marks.get(symbol, self.world.mark(symbol))
            if value <= 0:
                continue
            risen = value * (1 + rise)
            tier = next(t for t in contract.tiers if risen <= t.notional_max)
            short, needed = short + value, needed + risen * tier.rate - tier.deduction
        return short, needed

    def arrived(self, ticket: Ticket, own: Iterable[str]) -> None:
        """22: an order never meets one of our own that rests."""
        mine = set(own)
        for other in self.world.engine.open_orders(ticket.symbol):
            if other.ticket.client_order_id not in mine or other.ticket.side == ticket.side:
                continue
            buys, sells = (
                (ticket.price, other.ticket.price)
                if ticket.side == "buy"
                else (other.ticket.price, ticket.price)
            )
            if buys is None or sells is None or buys >= sells:
                self.violate("22", f"{ticket.client_order_id} meets {other.ticket.client_order_id}")

    # ---- records

    def recorded(self, record: dict[str, Any]) -> None:
        """A full record of a pass."""
        inputs = record["inputs"]
        self.lost -= set(inputs["strays"])
        if inputs["metrics"] is not None:
            self._check_bar(inputs["metrics"])
        told = {alarm["guard"] for alarm in record["thought"]["alarms"]}
        rank = self.world.rank_told
        if rank >= ADL_RANK_TOP and "ADL" not in told and self._is_short(inputs["snapshot"]):
            self.violate("28", f"a position of ADL rank {rank} is not told of")
        self._check_funding(inputs["snapshot"], record["thought"], "funding" in told)

    def _is_short(self, snapshot: dict[str, Any]) -> bool:
        """Whether a contract that hedges is held: of others nobody is told."""
        positions = (one for one in snapshot["positions"] if one["symbol"] in self.legs)
        return any(D(position["contracts"]) for position in positions)

    def _check_funding(self, snapshot: dict[str, Any], thought: dict[str, Any], told: bool) -> None:
        """27: a short that pays more than `FUNDING_MAX` a year is told of, and no other."""
        after = {one["symbol"]: D(one["contracts"]) for one in snapshot["positions"]}
        for step in thought["plan"]["steps"]:
            signed = D(step["contracts"]) * (1 if step["side"] == "buy" else -1)
            after[step["symbol"]] = after.get(step["symbol"], ZERO) + signed
        pays = [
            quote["symbol"]
            for quote in snapshot["quotes"]
            if quote["funding_hours"] is not None
            and after.get(quote["symbol"], ZERO) < 0
            and D(quote["funding_rate_next"]) * FUNDINGS_A_YEAR < -FUNDING_MAX
        ]
        if bool(pays) != told:
            self.violate("27", f"funding of {pays or 'no short'}, and an alarm: {told}")

    def _check_bar(self, metrics: dict[str, Any]) -> None:
        """25: the bar that was judged had closed, and it is the bar as it closed."""
        closed = metrics["bar_close"]
        if closed is None:
            return
        at = datetime.fromisoformat(closed)
        if at > self.time() + CLOCK_MAX:
            self.violate("25", f"a review judged the bar of {at}, which had not closed")
            return
        symbol = metrics["symbol"].split(":")[0].replace("/", "")
        closes = self.world.closes(symbol, at)
        for name, value in metrics["values"].items():
            bars = {"close": 1}.get(name) or (int(name[4:]) if name.startswith("sma_") else 0)
            # What a bar is missing from is judged on others, or on nothing.
            if not bars or value is None or metrics["bars_missing"]:
                continue
            true = sum(closes[-bars:]) / bars
            # A bar ends at the last trade, half a spread from the mark that the world goes by.
            spread = float(self.world.engine.contract(symbol).tick)
            if abs(value - true) > EQUAL * true + spread:
                self.violate("25", f"{name} at {at} was judged as {value}, and was {true}")
