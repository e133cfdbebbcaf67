"""``hedged stop settle``: a person ends an order that nobody can tell of, and only then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from builders import BTC, MONDAY, contract, inputs, policy, position, review_tick
from commands import Answer, answer
from fakes import FakeClock
from hedged.cli import exits
from hedged.core.record import record_of
from hedged.cycle import deliberate
from hedged.errors import JournalError
from hedged.journal.store import Journal
from hedged.venue.book import Book
from hedged.venue.ledger import Ledger
from hedged.wiring import wall_clock

D = Decimal
SETTINGS = f"""
[service]
mode = "live"
state_dir = "state"
[venue]
kind = "binance"
endpoint = "http://127.0.0.1:9"
[hedge]
legs = [{{ symbol = "{BTC}" }}]
initial_ratio = 0.5
[account.main]
api_key = "key"
api_secret = "secret"
uid = "1"
[[portfolio]]
name = "main"
account = "main"
holding = [{{ asset = "BTC", quantity = 1 }}]
"""
BOUND = "main on binance on loopback, 1"
Settle = Callable[..., Answer]


class State:
    """What a live daemon left behind: one order of 2 contracts, and what a pass said of it."""

    def __init__(self, folder: Path, made_at: datetime = MONDAY) -> None:
        self.config = folder / "hedged.toml"
        self.config.touch(mode=0o600)
        self.config.write_text(SETTINGS)
        (folder / "state").mkdir()
        self.path, self.clock = folder / "state", FakeClock(made_at)
        thought = deliberate(inputs(), policy())
        (self.step,) = thought.plan.steps
        with self.journal() as journal:
            intent = journal.open_intent(replace(policy(), account="main"), review_tick(), self.step)
        self.id = intent.client_order_id

    def journal(self) -> Journal:
        return Journal.open_for(self.path / "journal.sqlite", "live", (BOUND,), self.clock)

    def sent(self) -> None:
        with self.journal() as journal:
            assert journal.claim(self.id, self.clock())

    def looked(self, seconds: float, *unresolved: str) -> None:
        """A pass, so many seconds after the order was made."""
        tick = replace(review_tick(), cadence=f"at {seconds}")  # every pass has one of its own
        seen = inputs(now=MONDAY + timedelta(seconds=seconds), tick=tick, unresolved=unresolved)
        thought = deliberate(seen, policy())
        made = record_of(seen, thought, (), policy=policy(), mode="live", approved_by="live")
        with self.journal() as journal:
            journal.append(made, policy())

    def book(self) -> Book:
        return Book(Ledger(self.path / "book-main.sqlite", read_only=False))

    def open_orders(self) -> int:
        with self.journal() as journal:
            return len(journal.unresolved("main"))


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path)


@pytest.fixture
def settle(state: State, monkeypatch: pytest.MonkeyPatch) -> Settle:
    def run(*args: str, order: str = "", why: str = "its page says so") -> Answer:
        given = ("stop", "settle", order or state.id, *args, "--why", why, "--by", "ann")
        return answer(monkeypatch, *given, "-c", state.config, "--json")

    return run


def missing(state: State) -> str:
    return f"{BTC} ({state.id}): it can't be looked for now, {BTC} is not listed (any more)"


@pytest.mark.parametrize(
    ("said", "status", "filled"),
    [
        (("--filled", "2"), "filled", "2"),
        (("--filled", "0.5"), "partial", "0.5"),
        (("--absent",), "unfilled", "0"),
    ],
)
def test_what_a_person_knows_ends_the_order_and_is_kept_with_who_and_why(
    state: State, settle: Settle, said: tuple[str, ...], status: str, filled: str
) -> None:
    state.sent()
    state.looked(400, missing(state))
    told = settle(*said)

    assert told.code == 0, told.err
    with state.journal() as journal:
        (intent,) = journal.intents("main")
    assert intent.outcome is not None
    assert (intent.outcome.status, intent.outcome.filled) == (status, D(filled))
    assert intent.outcome.reason == "settled by ann: its page says so"
    assert told.json["reason"] == intent.outcome.reason
    assert settle(*said).code == exits.REFUSED  # once


def test_the_position_must_be_what_was_said(state: State, settle: Settle) -> None:
    """Or the pass that reads it doubts it, and sends nothing."""
    state.sent()
    state.looked(400, missing(state))
    book, listed = state.book(), contract()
    assert list(book.doubts([listed], [position(-1)], MONDAY)) == []
    book.close_page(MONDAY)
    book.ledger.close()
    assert settle("--filled", "2").code == 0
    again = state.book()

    assert again.expected(BTC) == -3
    assert list(again.doubts([listed], [position(-3)], MONDAY)) == []
    assert "-3 by all fills" in next(iter(again.doubts([listed], [position(-1)], MONDAY)))
    again.ledger.close()


def test_what_a_person_said_is_in_the_book_before_the_order_ends(
    state: State, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in between, the position is doubted: ended first, it would be traded on as it is."""
    state.sent()
    state.looked(400, missing(state))
    book = state.book()
    assert list(book.doubts([contract()], [position(-1)], MONDAY)) == []
    book.close_page(MONDAY)
    book.ledger.close()

    def killed(*_: object) -> None:
        raise JournalError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "resolve_intent", killed)
        assert settle("--filled", "2").code == exits.JOURNAL
    between = state.book()
    assert (between.expected(BTC), state.open_orders()) == (-3, 1)
    between.ledger.close()

    assert settle("--filled", "2").code == 0  # and again, as nothing had come between
    after = state.book()
    assert (after.expected(BTC), state.open_orders()) == (-3, 0)
    after.ledger.close()


@pytest.mark.parametrize(
    "passes",
    [[], [335], [400, 401]],  # too early; and by the last one it was open no more
)
def test_it_is_refused_until_a_pass_has_looked_in_vain(
    state: State, settle: Settle, passes: list[float]
) -> None:
    state.sent()
    for seconds in passes:
        state.looked(seconds, *([] if seconds == 401 else [missing(state)]))
    told = settle("--absent")

    assert (told.code, "no pass has looked" in told.err) == (exits.REFUSED, True), told.err
    assert state.open_orders() == 1


def test_an_order_that_may_still_land_is_not_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(tmp_path, made_at=wall_clock())
    state.sent()
    told = answer(monkeypatch, "stop", "settle", state.id, "--absent", "--why", "x", "-c", state.config)

    assert (told.code, "may still land until" in told.err) == (exits.REFUSED, True), told.err


def test_while_a_daemon_works_nothing_is_settled(state: State, settle: Settle) -> None:
    state.sent()
    state.looked(400, missing(state))
    with state.journal():
        told = settle("--absent")

    assert told.code == exits.JOURNAL
    assert state.open_orders() == 1


@pytest.mark.parametrize(
    ("args", "named", "code"),
    [
        ((), {}, exits.SETTINGS),
        (("--absent", "--filled", "1"), {}, exits.SETTINGS),
        (("--absent",), {"why": " "}, exits.SETTINGS),
        (("--filled", "3"), {}, exits.SETTINGS),
        (("--filled", "0"), {}, exits.SETTINGS),
        (("--filled", "NaN"), {}, exits.SETTINGS),
        (("--filled", "two"), {}, exits.SETTINGS),
        (("--absent",), {"order": "hdgother"}, exits.REFUSED),
    ],
)
def test_what_is_not_clear_changes_nothing(
    state: State, settle: Settle, args: tuple[str, ...], named: dict[str, Any], code: int
) -> None:
    state.sent()
    state.looked(400, missing(state))

    assert settle(*args, **named).code == code
    assert state.open_orders() == 1


def test_what_was_never_sent_has_not_filled(state: State, settle: Settle) -> None:
    state.looked(400, missing(state))

    assert "was never sent" in settle("--filled", "1").err
    assert settle("--absent").code == 0
