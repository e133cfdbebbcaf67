"""
The independent checker: its own ledger, its own eyes on the journal's file, no code of the daemon.

Enters every event of the exchange, every order on the wire, every pass; leaves violations. The numbers
are those of the invariants in RELIABILITY: each is looked at as soon as it can be broken.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter, deque
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from exchange.state import Fill, Ticket
from simulation.clock import Time, Wall
from simulation.evidence import JournalFile, Sent, Violation
from simulation.safety import Safety
from simulation.world import BTC, ETH, World

D = Decimal
ZERO = D(0)
OWN = ("order",)
SYMBOLS = {"BTC/USDT:USDT": BTC, "ETH/USDT:USDT": ETH}
PRICE_GAP_MAX = D("0.035")
POSITION_AGE_MAX = 20.0
PRICE_AGE_MAX = 35.0
SIZE_GAP_MAX = D("0.04")
ORDERS_A_TICK_MAX = 2
ORDERS_AN_HOUR_MAX = 12
ORDERS_A_DAY_MAX = 60
ORDERS_AN_HOUR_CEILING, ORDERS_A_DAY_CEILING = 60, 500
SKEW_MAX = 3.0
UNEXPLAINED_AGAIN = timedelta(seconds=45)
QUARANTINE = timedelta(seconds=335)
RESTS = timedelta(minutes=20)
LAST = 30
PENDING: dict[str, str] = {}
"""Invariants that the daemon does not keep yet, and why: counted, not violated."""
SEPARATORS = (",", ":")


class Checker:
    """Watches one day."""

    def __init__(self, time: Time, wall: Wall, world: World, folder: Path) -> None:
        self.time, self.wall, self.world = time, wall, world
        self.journal = JournalFile(folder / "journal.sqlite")
        self.book_path = folder / "book-main.sqlite"
        self.events = 0
        self.hash = hashlib.sha256()
        self.last: deque[str] = deque(maxlen=LAST)
        self.violations: list[Violation] = []
        self.counts: Counter[str] = Counter()
        self.sent: dict[str, Sent] = {}
        self.forgotten: set[str] = set()
        self.lifted_at = time.start
        self.position: dict[str, Decimal] = {BTC: ZERO, ETH: ZERO}
        self.multiplier = self._sizes()
        self.served_at: dict[str, datetime] = {}
        self.coins: dict[str, Decimal] = {}
        self.life = 0
        self.left_at: datetime | None = None
        self.last_external: dict[str, datetime] = {}
        self.seen_external: dict[str, datetime] = {}
        self.offset_since = time.start
        self.safety = Safety(time, world, self.violate, lambda: self.offset_since)
        self._base = dict(self.position)
        self._goal: dict[str, Decimal] = dict(self.position)
        self._rows = 0
        self._head = "0" * 64
        self._sent_in_pass: list[Sent] = []

    # ---- telling

    def note(self, line: str) -> None:
        """One line of the trace."""
        self.events += 1
        text = f"{self.events} {self.time.micros} {line}"
        self.last.append(text)
        self.hash.update(text.encode())

    def violate(self, invariant: str, what: str) -> None:
        """Keep that *invariant* does not hold."""
        if invariant in PENDING:
            self.counts[f"pending {invariant}"] += 1
            return
        self.note(f"VIOLATION {invariant} {what}")
        if len(self.violations) < 20:
            self.violations.append(
                Violation(event=self.events, at=self.time().isoformat(), invariant=invariant, what=what)
            )

    def happened(self, what: str, **about: object) -> None:
        """Something else that belongs to the trace."""
        self.note(f"{what} {sorted(about.items())}")
        self.safety.happened(what, about)
        if what in ("fault", "lie", "disk"):
            return
        self.counts[what] += 1
        if what == "clock":
            self.offset_since = self.time()
        if what == "cancel" and str(about["client_order_id"]) not in self.sent:
            self.violate("38", f"a foreign order was cancelled: {about}")

    def served(self, endpoint: str) -> None:
        """The exchange answers a request at this instant."""
        self.served_at[endpoint] = self.time()
        self.safety.served(endpoint)
        if endpoint == "balances":
            self.coins = self.world.coins()
        if endpoint == "listings" and not self._has_booked("contract"):
            self.multiplier = self._sizes()  # what a contract is at first sight, it is to stay
        if endpoint in ("positions", "fills"):
            if not self._rows:  # what was traded before the first record is where it starts from
                self.last_external.clear()
            for symbol, at in self.last_external.items():
                if self.seen_external.get(symbol, self.time.start) < at:
                    self.seen_external[symbol] = self.time()

    # ---- orders

    def posted(self, params: Any, signed_at: datetime) -> None:
        """An order leaves the daemon, whether it arrives or not."""
        named, symbol = params["client_order_id"], params["market_id"]
        self.counts["orders"] += 1
        self.note(f"post {named} {symbol} {params['side']} {params['quantity']} {params['price']}")
        if named in self.sent:
            self.violate("04", f"{named} was sent twice")
            return
        order = Sent(
            id=named,
            symbol=symbol,
            side=params["side"],
            quantity=params["quantity"],
            at=self.time(),
            looked=self.served_at.get("positions"),
            held=self.position[symbol],
        )
        self.sent[named] = order
        self._sent_in_pass.append(order)
        self._check_intent(order, params)
        self._check_market(order, params)
        self._check_pace(order)
        self.safety.posted(order)
        if self.left_at is not None:
            self.violate("39", f"{named} was sent after the daemon had left")

    def _check_intent(self, order: Sent, params: Any) -> None:
        """01, 03: what the journal's file says, read by another connection."""
        rows = self.journal.ask(
            "SELECT client_order_id, symbol, mode, body, sent_at, outcome FROM intent WHERE "
            "client_order_id = ? OR outcome IS NULL",
            order.id,
        )
        own = [row for row in rows if row[0] == order.id]
        if not own:
            self.violate("01", f"{order.id} has no committed row in the journal")
            return
        _, symbol, mode, body, sent_at, outcome = own[0]
        step = json.loads(body)
        same = (
            SYMBOLS[symbol] == order.symbol
            and step["side"] == order.side
            and D(step["contracts"]) == order.quantity
            and bool(step["reduce_only"]) == params["reduce_only"]
            and D(step["limit_price"]) == params["price"]
        )
        if mode != self.mode or not same or sent_at is None or outcome is not None:
            self.violate("01", f"{order.id} is not the order of its row: {own[0]}")
        others = [row[0] for row in rows if row[0] != order.id and row[1] == symbol and row[5] is None]
        if others:
            self.violate("03", f"{order.id} was sent while {others} were unresolved on {symbol}")

    def _check_market(self, order: Sent, params: Any) -> None:
        """12, 14, 21, 23, 24, 26."""
        engine, now = self.world.engine, self.time()
        contract, mark = engine.contract(order.symbol), self.world.mark(order.symbol)
        if (order.side == "buy") != params["reduce_only"]:
            self.violate("12", f"{order.id} {order.side} with reduce_only {params['reduce_only']}")
        if contract.multiplier != self.multiplier[order.symbol]:
            self.violate("14", f"{order.id} on {order.symbol} whose contract size has changed")
        if order.quantity <= 0:
            self.violate("21", f"{order.id} asks for {order.quantity}")
        gap = abs(params["price"] / mark - 1)
        # At the very first look nobody can tell a price that is wrong all over; its order is small.
        if self._rows and gap > PRICE_GAP_MAX and not self._moved(order.symbol, gap):
            self.violate("23", f"{order.id} at {params['price']}, the mark is {mark}")
        for endpoint, most in (("positions", POSITION_AGE_MAX), ("quotes", PRICE_AGE_MAX)):
            seen = self.served_at.get(endpoint)
            if seen is None or (now - seen).total_seconds() > most:
                self.violate("24", f"{order.id} on {endpoint} of {seen}")
        seen = self.seen_external.get(order.symbol)
        if seen is not None and now - seen < UNEXPLAINED_AGAIN:
            self.violate("17", f"{order.id} {now - seen} after another hand's trade was first seen")
        off = abs(self.wall.offset.total_seconds())
        if off > SKEW_MAX and (now - self.offset_since).total_seconds() > 400:
            self.violate("26", f"{order.id} while the clock is {off} s off")

    def _moved(self, symbol: str, gap: Decimal) -> bool:
        """Whether the market itself moved as much within the last minutes."""
        recent = [mark for (s, _), (mark, _) in list(self.world.marks.items())[-8:] if s == symbol]
        return bool(recent) and max(recent) / min(recent) - 1 > gap / 2

    def _check_pace(self, order: Sent) -> None:
        """13: how many orders there may be."""
        # An older journal that was put back does not know how many there were.
        known = (one for one in self.sent.values() if one.id not in self.forgotten)
        times = [one.at for one in known if one.symbol == order.symbol]
        since = [at for at in times if at > self.lifted_at]  # who lifts a breaker begins anew
        for counted, an_hour, a_day in (
            (since, ORDERS_AN_HOUR_MAX, ORDERS_A_DAY_MAX),
            (times, ORDERS_AN_HOUR_CEILING, ORDERS_A_DAY_CEILING),
        ):
            hour = sum(order.at - at <= timedelta(hours=1) for at in counted)
            if hour > an_hour:
                self.violate("13", f"{hour} orders on {order.symbol} within an hour")
            day = sum(order.at - at <= timedelta(days=1) for at in counted)
            if day > a_day:
                self.violate("13", f"{day} orders on {order.symbol} within a day")

    def replied(self, client_order_id: str, what: str) -> None:
        """What the daemon heard of its order."""
        self.note(f"heard {client_order_id} {what}")
        order = self.sent[client_order_id]
        order.heard, order.heard_at = what, self.time()
        if what not in ("answered", "400 margin"):
            self.counts["no clear answer"] += 1

    def arrived(self, ticket: Ticket) -> None:
        """An order is at the matching engine."""
        self.note(f"arrive {ticket.client_order_id} {ticket.symbol} {ticket.side} {ticket.quantity}")
        if ticket.cause != "order":
            return
        order = self.sent.get(ticket.client_order_id)
        if order is None:
            self.violate("01", f"{ticket.client_order_id} arrived and was never sent")
            return
        order.arrivals += 1
        self.safety.arrived(ticket, self.sent)
        if order.arrivals > 1:
            self.violate("02", f"{order.id} arrived {order.arrivals} times")
        found = self.journal.ask("SELECT outcome FROM intent WHERE client_order_id = ?", order.id)
        if found and found[0][0] is not None:
            self.violate("06", f"{order.id} lands, and was resolved already: {found[0][0]}")
        held = self.position[order.symbol]
        self._base[order.symbol], self._goal[order.symbol] = held, held + order.signed

    def filled(self, fill: Fill) -> None:
        """The account traded: the checker's own position."""
        self.note(f"fill {fill.client_order_id} {fill.symbol} {fill.side} {fill.quantity} {fill.price}")
        before = self.position[fill.symbol]
        after = self.position[fill.symbol] = before + fill.signed
        self.world.remember(fill.symbol)
        if after != self.world.engine.position(fill.symbol).quantity:
            self.violate("08", f"{fill.symbol}: {after} by all fills, the exchange has another figure")
        if fill.cause not in OWN:
            self.counts[f"fill by {fill.cause}"] += 1
            self.last_external[fill.symbol] = self.time()
            self._base[fill.symbol] += fill.signed
            self._goal[fill.symbol] += fill.signed
            return
        order = self.sent[fill.client_order_id]
        self.safety.filled(order, fill.signed)
        order.filled += fill.quantity
        if order.filled > order.quantity:
            self.violate("10", f"{order.id} filled {order.filled} of {order.quantity}")
        goal, base = self._goal[fill.symbol], self._base[fill.symbol]
        lot = self.world.engine.contract(fill.symbol).lot
        if abs(after) > max(abs(goal), abs(base)) + lot or after > max(base, goal, ZERO):
            self.violate("11", f"{fill.symbol} is {after}, from {base} on the way to {goal}")

    # ---- passes

    def lifted(self) -> None:
        """A person lifts what a breaker has set."""
        self.lifted_at = self.time()
        self.happened("lifted")

    def started(self, life: int) -> None:
        """A process starts."""
        self.note(f"start {life}")
        self.life, self.left_at = life, None
        self.safety.started(booked=self._has_booked("fill", "outcome"))
        self.journal.forget()

    def restored(self, copied_at: datetime) -> None:
        """Journal and book are those of *copied_at* again."""
        self.journal.forget()
        rows = self.journal.ask("SELECT id, hash FROM record ORDER BY id DESC LIMIT 1")
        self._rows, self._head = rows[0] if rows else (0, "0" * 64)
        known = {row[0] for row in self.journal.ask("SELECT client_order_id FROM intent")}
        self.forgotten = self.sent.keys() - known
        filled = (one for one in self.sent.values() if one.filled and one.at >= copied_at)
        self.safety.restored(one.id for one in filled if one.id not in known)
        self.happened("restored", record=self._rows, lost=len(self.safety.lost))

    def _has_booked(self, *kinds: str) -> bool:
        if not self.book_path.exists():
            return False
        book = sqlite3.connect(self.book_path)
        told = {row[0] for row in book.execute("SELECT DISTINCT kind FROM event")}
        book.close()
        return not told.isdisjoint(kinds)

    def _sizes(self) -> dict[str, Decimal]:
        return {s: self.world.engine.contract(s).multiplier for s in (BTC, ETH)}

    def ended(self, how: str) -> None:
        """A process is gone."""
        self.note(f"end {how}")
        self.counts[how] += 1
        self.left_at = self.time()
        self.journal.forget()
        for row in self._new_rows():  # a pass may have died between its record and telling of it
            self._check_record(row)
        self._sent_in_pass.clear()

    def passed(self) -> None:
        """A pass is over; look at what it left in the journal."""
        rows = self._new_rows()
        if not rows:
            self.violate("61", "a pass left no record")
        for row in rows:
            self._check_sizes(self._check_record(row))
        self._check_outcomes()
        self._sent_in_pass.clear()

    def _new_rows(self) -> list[Any]:
        return self.journal.ask(
            "SELECT id, portfolio, tick_id, kind, at, body, prev_hash, hash FROM record "
            "WHERE id > ? ORDER BY id",
            self._rows,
        )

    def _check_record(self, row: Any) -> Any:
        """61: the record is the next link of the chain; its body."""
        number, portfolio, tick_id, kind, at, body, before, linked = row
        self.note(f"record {number} {tick_id} {linked}")
        self.counts[kind] += 1
        text = json.dumps(
            [before, number, portfolio, tick_id, kind, at, body],
            ensure_ascii=False,
            separators=SEPARATORS,
        )
        chained = hashlib.sha256(text.encode()).hexdigest()
        if (number, before, chained) != (self._rows + 1, self._head, linked):
            self.violate("61", f"record {number} does not follow record {self._rows} in the chain")
        self._rows, self._head = number, linked
        told = json.loads(body)
        if "base" in told:  # a quiet pass, told as what changed
            self.counts["quiet"] += 1
            return told
        self.safety.recorded(told)
        if told["thought"]["review"]["reasons"]:
            self.counts["refused or held"] += 1
        return told

    def _check_sizes(self, record: Any) -> None:
        """11, 16, 18: what the orders of this pass were reckoned from, against the truth."""
        # Orders of a pass that failed before its record were sent on an earlier look.
        look = self.served_at.get("positions")
        first = {one.symbol: one.held for one in reversed(self._sent_in_pass) if one.looked == look}
        if not first:
            return
        if "base" in record:
            self.violate("61", "a pass is told as quiet, and sent orders")
            return
        wanted = record["thought"]["wanted"]
        if wanted is None:
            self.violate("11", "orders were sent, and nothing was wanted")
            return
        ratio, exposure = D(wanted["target_ratio"]), self.world.exposure(self.coins)
        seen = {p["symbol"]: D(p["contracts"]) for p in record["inputs"]["snapshot"]["positions"]}
        looked = self.served_at["positions"] - timedelta(seconds=1)
        for leg in wanted["legs"]:
            symbol = SYMBOLS[leg["symbol"]]
            if symbol not in first:
                continue
            held, believed = first[symbol], seen.get(leg["symbol"], ZERO)
            outside = self.last_external.get(symbol, self.time.start) >= looked
            if held != believed and not outside:
                self.violate("16", f"{symbol}: {believed} was believed to be held, and {held} was")
            lot, mark = self.world.engine.contract(symbol).lot, self.world.mark(symbol)
            goal = abs(D(leg["contracts"]))
            most = ratio * exposure * self.weights[symbol] / mark
            if goal * self.multiplier[symbol] > most * (1 + SIZE_GAP_MAX) + lot and not self._moved(
                symbol, SIZE_GAP_MAX
            ):
                self.violate("11", f"{symbol}: {goal} wanted, {ratio} of {exposure} makes {most:.4f}")
            if abs(self.position[symbol]) > max(goal, abs(held)) + lot and not outside:
                self.violate(
                    "11", f"{symbol}: {self.position[symbol]} is held after the pass, wanted {goal}"
                )

    weights: dict[str, Decimal]
    mode = "live"

    def _check_outcomes(self) -> None:
        """05, 06, 09: what the journal says became of the orders is what became of them."""
        rows = self.journal.ask(
            "SELECT client_order_id, outcome, resolved_at FROM intent WHERE outcome IS NOT NULL "
            "AND client_order_id IN (SELECT client_order_id FROM intent ORDER BY id DESC LIMIT 12)"
        )
        for named, outcome, _ in rows:
            order = self.sent.get(named)
            told = json.loads(outcome)
            if order is None:
                continue
            if D(told["filled"]) != order.filled:
                self.violate(
                    "09", f"{named}: {told['filled']} filled by the journal, {order.filled} did"
                )
            sure = order.heard in ("answered",) or order.heard.startswith("400 ")
            if told["status"] == "refused" and not sure and order.arrivals == 0:
                self.counts["resolved as never landed"] += order.heard != "resolved"
                if self.time() < order.at + QUARANTINE and order.heard != "resolved":
                    self.violate(
                        "06", f"{named} was given up {self.time() - order.at} after it was sent"
                    )
                order.heard = "resolved"

    # ---- the end

    def finish(self) -> None:
        """What holds for the whole day: 08, 47, 61."""
        self.journal.forget()
        ids = self.journal.ask(
            "SELECT tick_id, COUNT(*) FROM record GROUP BY tick_id HAVING COUNT(*) > 1"
        )
        if ids:
            self.violate("47", f"ticks with more than one record: {ids}")
        twice = self.journal.ask("SELECT COUNT(*), COUNT(DISTINCT client_order_id) FROM intent")
        if twice and twice[0][0] != twice[0][1]:
            self.violate("02", "client order ids are not unique")
        self._check_book()
        self.journal.forget()

    def _check_book(self) -> None:
        """08: every fill in the book is one of the exchange's, once, as it was."""
        if not self.book_path.exists():
            return
        book = sqlite3.connect(self.book_path)
        rows = book.execute("SELECT key, body FROM event WHERE kind = 'fill'").fetchall()
        book.close()
        truth = {f"main:trade:{f.symbol}:{f.id}": f for f in self.world.engine.state.fills}
        if len({key for key, _ in rows}) != len(rows):
            self.violate("08", "a fill is in the book twice")
        for key, body in rows:
            fill, told = truth.get(key), json.loads(body)
            if fill is None or D(told["contracts"]) != fill.quantity or told["side"] != fill.side:
                self.violate("08", f"{key} is not as the exchange has it")

    def unresolved(self) -> list[str]:
        """The ids of orders that nobody knows the outcome of, but for one that may rest until now."""
        rows = self.journal.ask("SELECT client_order_id FROM intent WHERE outcome IS NULL")
        lately = self.time() - RESTS
        return [row[0] for row in rows if row[0] not in self.sent or self.sent[row[0]].at < lately]

    def restrictions(self) -> list[dict[str, Any]]:
        """What restricts the daemon now; some restrictions end by themselves."""
        rows = self.journal.ask("SELECT body FROM restriction WHERE lifted_at IS NULL")
        told, now = [json.loads(row[0]) for row in rows], self.time()
        return [one for one in told if not one["until"] or datetime.fromisoformat(one["until"]) > now]
