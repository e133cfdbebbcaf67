"""What is written down comes back as it was, and nothing half-written ever does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from builders import (
    BTC,
    ETH,
    MONDAY,
    d,
    guard_tick,
    policy,
    review_tick,
)
from fakes import FakeClock
from hedged.core.encoding import encode
from hedged.core.gate import BREAKER, Restriction, Sent
from hedged.core.plan import Step
from hedged.core.record import Outcome
from hedged.errors import JournalBroken, JournalBusy, JournalError, JournalForeign
from hedged.journal.binding import order_id
from hedged.journal.chain import verify
from hedged.journal.intents import used
from hedged.journal.store import Journal
from journals import asked, opened, stored
from passes import record_of

DAY = timedelta(days=1)
SELL = Step(
    symbol=BTC, side="sell", contracts=d(2), reduce_only=False, limit_price=d(99), notional=d(200)
)


def test_every_portfolio_that_was_recorded_or_traded_for_is_known(journal: Journal) -> None:
    assert journal.portfolios() == []
    journal.append(record_of(portfolio="second"), policy(portfolio="second"))
    journal.append(record_of(), policy())
    journal.open_intent(policy(), review_tick(), SELL)
    journal.open_intent(policy(portfolio="cut off"), review_tick(), SELL)

    assert journal.portfolios() == ["cut off", "main", "second"]


def outcome_of(client_order_id: str, **changed: Any) -> Outcome:
    plain = Outcome(
        client_order_id=client_order_id,
        symbol=BTC,
        side="sell",
        contracts=d(2),
        filled=d(2),
        fill_price=d(100),
        fee=d(0),
        status="filled",
    )
    return replace(plain, **changed)


# What can't be written.


def test_a_full_disk_is_told_keeps_what_was_there_and_does_not_last(journal: Journal) -> None:
    journal.append(record_of(), policy())
    with journal.engine.begin() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))

    def append_many() -> None:
        for day in range(7, 70, 7):
            at = MONDAY + day * DAY
            journal.append(record_of(tick=review_tick(at), now=at), policy())

    def intend_many() -> None:
        for _ in range(200):
            journal.open_intent(policy(), review_tick(), SELL)

    with pytest.raises(JournalError, match="the disk is full"):
        append_many()
    with pytest.raises(JournalError, match="the disk is full"):
        intend_many()
    before = journal.head()
    assert verify(journal.rows(), before[1]).fault == ""

    with journal.engine.begin() as connection:
        connection.execute(text("PRAGMA max_page_count = 1000000"))
    at = MONDAY + 700 * DAY
    journal.append(record_of(tick=review_tick(at), now=at), policy())
    assert journal.head()[0] == before[0] + 1


def test_a_locked_database_is_busy_and_nothing_is_written(journal: Journal) -> None:
    with journal.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(JournalBusy):
        journal.append(record_of(), policy())
    with pytest.raises(JournalBusy):
        journal.open_intent(policy(), review_tick(), SELL)
    other.execute("ROLLBACK")
    other.close()
    assert stored(journal) == []
    assert journal.intents("main") == []


def test_a_journal_opened_to_read_writes_nothing(journal: Journal, clock: FakeClock) -> None:
    reader = Journal.open_to_read(journal.path, clock)

    with pytest.raises(JournalError, match="can't be written"):
        reader.append(record_of(), policy())
    with pytest.raises(JournalError, match="can't be written"):
        reader.restrict(frozen())
    with pytest.raises(AssertionError):
        reader.open_intent(policy(), review_tick(), SELL)
    reader.close()


# Whose journal it is.


def test_a_journal_belongs_to_its_accounts_in_any_order(tmp_path: Path) -> None:
    opened(tmp_path, accounts=("a", "b")).close()
    opened(tmp_path, accounts=("b", "a")).close()

    with pytest.raises(JournalForeign, match=r"belongs to mode paper and accounts \[\"a\",\"b\"\]"):
        opened(tmp_path, accounts=("a",))


def test_a_journal_belongs_to_its_mode(tmp_path: Path) -> None:
    opened(tmp_path, mode="live").close()

    with pytest.raises(JournalForeign, match="belongs to mode live"):
        opened(tmp_path)


def test_a_refused_opening_leaves_the_lock_free(tmp_path: Path) -> None:
    opened(tmp_path, mode="live").close()
    with pytest.raises(JournalForeign):
        opened(tmp_path)

    opened(tmp_path, mode="live").close()


def test_a_second_writer_is_refused(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(JournalBusy, match="another hedged"):
        opened(tmp_path)
    assert len(asked(journal, "SELECT * FROM writer")) == 1


# Epochs and ids.


def epoch_of(tmp_path: Path, now: datetime) -> tuple[datetime, str]:
    journal = opened(tmp_path, FakeClock(now))
    intent = journal.open_intent(policy(), review_tick(), SELL)
    assert journal.epoch is not None
    journal.close()
    return journal.epoch, intent.client_order_id


def test_epochs_are_strictly_later_whatever_the_clock_does(tmp_path: Path) -> None:
    nows = [MONDAY, MONDAY, MONDAY - 400 * DAY, MONDAY + DAY, MONDAY + timedelta(hours=3)]
    found = [epoch_of(tmp_path, now) for now in nows]
    epochs, ids = [epoch for epoch, _ in found], [name for _, name in found]

    assert all(a < b for a, b in pairwise(epochs))
    assert len(set(ids)) == len(ids)


def test_a_new_database_under_a_later_epoch_repeats_no_id(tmp_path: Path) -> None:
    first = epoch_of(tmp_path / "lost", MONDAY)[1]

    assert epoch_of(tmp_path / "new", MONDAY + timedelta(microseconds=1))[1] != first


@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "ab"]), st.integers(0, 3), st.integers(1, 60)), unique=True
    )
)
def test_every_account_epoch_and_row_has_an_id_of_its_own(named: list[tuple[str, int, int]]) -> None:
    ids = [order_id(account, MONDAY + timedelta(microseconds=n), row) for account, n, row in named]

    assert len(set(ids)) == len(ids)
    assert all(len(i) <= 28 and i.isalnum() and i.islower() and i.isascii() for i in ids)


# Intents.


def test_the_same_step_twice_has_two_ids(journal: Journal) -> None:
    first, second = (journal.open_intent(policy(), review_tick(), SELL) for _ in range(2))

    assert first.client_order_id != second.client_order_id
    assert [intent.id for intent in journal.unresolved("main")] == [1, 2]
    assert journal.unresolved("other") == []


def test_an_intent_is_unresolved_until_its_first_outcome_which_stands(journal: Journal) -> None:
    intent = journal.open_intent(policy(), review_tick(), SELL)
    filled = outcome_of(intent.client_order_id)
    journal.resolve_intent(intent, filled)
    journal.resolve_intent(intent, replace(filled, filled=d(0), status="unfilled"))

    assert journal.unresolved("main") == []
    assert journal.intents("main") == [replace(intent, outcome=filled)]


def test_an_id_is_that_of_its_row_under_this_writers_epoch(journal: Journal) -> None:
    made = [journal.open_intent(policy(), review_tick(), SELL) for _ in range(2)]

    assert journal.epoch is not None
    assert [one.id for one in made] == [1, 2]
    assert [one.client_order_id for one in made] == [
        order_id(policy().account, journal.epoch, row) for row in (1, 2)
    ]


def test_an_order_has_used_up_what_it_filled_and_all_of_it_while_nobody_knows() -> None:
    ended = replace(outcome_of("hdg1"), contracts=d(4), filled=d(3), status="partial")

    assert used({"notional": "200", "outcome": None}) == 200
    assert used({"notional": "200", "outcome": encode(ended)}) == 150


def test_when_an_intent_ended_is_kept(journal: Journal, clock: FakeClock) -> None:
    intent = journal.open_intent(policy(), review_tick(), SELL)
    clock.step(hours=2)
    journal.resolve_intent(intent, outcome_of(intent.client_order_id))
    with sqlite3.connect(journal.path) as connection:
        kept = connection.execute("SELECT opened_at, resolved_at FROM intent").fetchall()
    connection.close()

    assert kept == [(intent.opened_at.isoformat(), (intent.opened_at + timedelta(hours=2)).isoformat())]


def test_an_order_that_can_not_be_written_down_names_the_journal(live: Journal) -> None:
    intent = live.open_intent(policy(), review_tick(), SELL)
    with live.engine.begin() as connection:
        for kind in ("UPDATE", "INSERT"):
            refused = f"CREATE TRIGGER no_{kind} BEFORE {kind} ON intent"
            connection.execute(text(f"{refused} BEGIN SELECT RAISE(ABORT, 'out of order'); END"))

    for write in (
        lambda: live.claim(intent.client_order_id, MONDAY),
        lambda: live.resolve_intent(intent, outcome_of(intent.client_order_id)),
        lambda: live.open_intent(policy(), review_tick(), SELL),
    ):
        with pytest.raises(JournalError, match=f"{live.path}: out of order"):
            write()


def test_an_intent_that_was_never_resolved_outlives_the_process(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    intent = journal.open_intent(policy(), review_tick(), SELL)
    journal.close()
    journal = opened(tmp_path)
    found = journal.unresolved("main")
    journal.close()

    assert found == [intent]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Journal]:
    made = opened(tmp_path / "live", mode="live")
    yield made
    made.close()


def test_an_order_is_claimed_once_and_the_instant_is_kept(live: Journal) -> None:
    intent = live.open_intent(policy(), review_tick(), SELL)
    claims = [live.claim(intent.client_order_id, MONDAY + n * DAY) for n in range(3)]

    assert claims == [True, False, False]
    assert live.unresolved("main") == [replace(intent, sent_at=MONDAY)]


def test_an_order_of_another_process_is_claimed_by_one_of_them(live: Journal) -> None:
    id_ = live.open_intent(policy(), review_tick(), SELL).client_order_id
    other = Journal.open_beside(live.path, FakeClock())
    claims = [one.claim(id_, MONDAY) for one in (other, live)]
    other.close()

    assert claims == [True, False]


def test_what_has_no_intent_or_has_ended_is_not_claimed(live: Journal) -> None:
    intent = live.open_intent(policy(), review_tick(), SELL)
    live.resolve_intent(intent, outcome_of(intent.client_order_id))

    assert not live.claim(intent.client_order_id, MONDAY)
    assert not live.claim("hdgnever", MONDAY)


def test_one_claim_is_of_one_order(live: Journal) -> None:
    first, second = (live.open_intent(policy(), review_tick(), SELL) for _ in range(2))

    assert not live.claim("hdgnever", MONDAY)
    assert live.claim(first.client_order_id, MONDAY)
    assert live.unresolved("main") == [replace(first, sent_at=MONDAY), second]


def test_on_paper_nothing_is_claimed(journal: Journal) -> None:
    assert not journal.claim(journal.open_intent(policy(), review_tick(), SELL).client_order_id, MONDAY)


def test_the_database_itself_refuses_a_second_sending(live: Journal) -> None:
    id_ = live.open_intent(policy(), review_tick(), SELL).client_order_id
    live.claim(id_, MONDAY)
    connection = sqlite3.connect(live.path)
    with pytest.raises(sqlite3.IntegrityError, match="at most once"):
        connection.execute("UPDATE intent SET sent_at = NULL")
    connection.close()


def test_strangers_are_ids_that_no_intent_has(journal: Journal) -> None:
    known = journal.open_intent(policy(), review_tick(), SELL).client_order_id

    assert journal.strangers(["hdgb", known, "hdga", "hdgb"]) == ["hdgb", "hdga"]
    assert journal.strangers([]) == []


def test_usage_counts_the_utc_day_and_this_very_tick(journal: Journal, clock: FakeClock) -> None:
    tick, later = review_tick(), guard_tick(MONDAY + DAY)
    clock.now = MONDAY - timedelta(microseconds=1)
    journal.open_intent(policy(), guard_tick(MONDAY - DAY), SELL)
    clock.now = MONDAY
    journal.open_intent(policy(), tick, SELL)
    clock.now = MONDAY + timedelta(hours=23, microseconds=5)
    journal.open_intent(policy(), tick, replace(SELL, symbol=ETH, notional=Decimal("0.1")))
    journal.open_intent(policy(portfolio="other"), tick, SELL)
    used = journal.usage("main", tick, clock.now)

    assert used.notional_today == d("200.1")
    assert used.orders == {BTC: 1, ETH: 1}
    assert journal.usage("main", later, MONDAY + DAY).notional_today == 0
    assert journal.usage("main", later, clock.now).orders == {}


def refused_of(journal: Journal, count: int, status: str = "refused") -> None:
    for _ in range(count):
        intent = journal.open_intent(policy(), review_tick(), SELL)
        outcome = outcome_of(intent.client_order_id, status=status, filled=d(0), fill_price=None)
        journal.resolve_intent(intent, outcome)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from([BTC, ETH]), st.integers(1, 7000)), max_size=12))
def test_usage_counts_the_last_hour_and_the_utc_day_by_instrument(
    tmp_path_factory: pytest.TempPathFactory, orders: list[tuple[str, int]]
) -> None:
    """Orders some seconds after one another, counted from scratch after each."""
    clock = FakeClock(MONDAY - timedelta(hours=3))
    journal, sent = opened(tmp_path_factory.mktemp("journal"), clock), []
    for symbol, seconds in orders:
        clock.step(seconds=seconds)
        journal.open_intent(policy(), review_tick(), replace(SELL, symbol=symbol))
        sent.append((symbol, clock.now))
        found = journal.usage("main", guard_tick(), clock.now)
        midnight = clock.now.replace(hour=0, minute=0, second=0)
        for one in (BTC, ETH):
            times = [at for name, at in sent if name == one]
            hour = [at for at in times if at > clock.now - timedelta(hours=1)]
            assert found.orders_hour.get(one, 0) == len(hour)
            assert found.orders_today.get(one, 0) == sum(at >= midnight for at in times)
        assert found.since_lift is None
    journal.close()


def test_refusals_are_counted_since_the_last_order_that_was_not_refused(journal: Journal) -> None:
    def counted() -> int:
        return journal.usage("main", review_tick(), MONDAY).refused_in_a_row

    refused_of(journal, 2)
    assert counted() == 2
    journal.open_intent(policy(), review_tick(), SELL)  # nobody knows yet
    journal.open_intent(policy(portfolio="other"), review_tick(), SELL)
    refused_of(journal, 1)
    assert counted() == 3
    assert journal.usage("other", review_tick(), MONDAY).refused_in_a_row == 0
    for status in ("unfilled", "partial", "filled"):
        refused_of(journal, 1, status)
        assert counted() == 0
        refused_of(journal, 1)
        assert counted() == 1


def test_what_was_sent_before_a_breaker_was_lifted_counts_against_the_ceilings_only(
    journal: Journal, clock: FakeClock
) -> None:
    clock.now = MONDAY + timedelta(hours=1)
    refused_of(journal, 3, "unfilled")
    refused_of(journal, 2)
    journal.open_intent(policy(), review_tick(), SELL)
    journal.restrict(frozen(by=BREAKER))
    clock.step(minutes=1)
    journal.lift("main", "a person")
    at_once = journal.usage("main", review_tick(), clock.now)
    clock.step(minutes=1)
    refused_of(journal, 1)
    later = journal.usage("main", review_tick(), clock.now)

    assert at_once.since_lift == Sent()
    assert (at_once.orders_hour, at_once.refused_in_a_row) == ({BTC: 6}, 0)
    assert later.since_lift == Sent(orders_hour={BTC: 1}, orders_today={BTC: 1})
    assert (later.orders_today, later.notional_today, later.refused_in_a_row) == ({BTC: 7}, 200, 1)


@pytest.mark.parametrize(
    ("changed", "ahead"),
    [({"by": "hedged"}, 0), ({"by": BREAKER, "scope": "other"}, 0), ({"by": BREAKER}, 60)],
)
def test_a_lift_of_something_else_or_of_a_future_hour_forgives_nothing(
    journal: Journal, clock: FakeClock, changed: dict[str, Any], ahead: int
) -> None:
    refused_of(journal, 2)
    journal.restrict(frozen(**changed))
    journal.lift("main", "a person", clock.now + timedelta(minutes=ahead))
    journal.lift("other", "a person")
    found = journal.usage("main", review_tick(), clock.now)

    assert (found.refused_in_a_row, found.since_lift) == (2, None)


def test_the_last_lift_of_a_breaker_is_the_one_that_counts(journal: Journal, clock: FakeClock) -> None:
    """Also after the clock went back, when an earlier lift has a later instant."""
    for hours in (5, 2):
        clock.now = MONDAY + timedelta(hours=hours)
        refused_of(journal, 2)
        journal.restrict(frozen(by=BREAKER))
        clock.step(minutes=1)
        journal.lift("main", "a person")
    clock.now = MONDAY + timedelta(hours=3)
    refused_of(journal, 1)

    assert journal.usage("main", review_tick(), clock.now).refused_in_a_row == 1


def test_the_sides_of_our_orders_are_told_by_their_ids(journal: Journal) -> None:
    sold = journal.open_intent(policy(), review_tick(), SELL).client_order_id
    bought = journal.open_intent(policy(), review_tick(), replace(SELL, side="buy")).client_order_id

    assert journal.sides([sold, bought, "", "web_1"]) == {sold: "sell", bought: "buy"}
    assert journal.sides([]) == {}


@pytest.mark.parametrize(
    ("status", "mode", "tried"),
    [
        ("filled", "live", True),
        ("partial", "live", True),
        ("unfilled", "live", False),
        ("refused", "live", False),
        (None, "live", False),
        ("filled", "paper", False),
    ],
)
def test_a_contract_is_tried_when_a_live_order_of_ours_was_filled_in_it(
    tmp_path: Path, status: Any, mode: str, tried: bool
) -> None:
    journal = opened(tmp_path, mode=mode)
    intent = journal.open_intent(policy(), review_tick(), SELL)
    reason = 'said "status":"filled"'  # a venue's words prove nothing
    if status is not None:
        journal.resolve_intent(intent, outcome_of(intent.client_order_id, status=status, reason=reason))
    found = journal.untried("paper", [ETH, BTC]), journal.untried("another", [BTC])
    journal.close()

    assert found == ((ETH,) if tried else (BTC, ETH), (BTC,))


def sent(
    journal: Journal, status: str, symbol: str = BTC, *, post_only: bool = True, **changed: Any
) -> None:
    """An order that ended so; None of it is known where it is still open."""
    made = replace(SELL, symbol=symbol, post_only=post_only)
    intent = journal.open_intent(policy(**changed), guard_tick(), made)
    if status != "open":
        ended = outcome_of(intent.client_order_id, symbol=symbol, status=status)
        journal.resolve_intent(intent, ended)


@pytest.mark.parametrize(
    ("statuses", "tried"),
    [
        ((), ()),
        (("filled",), ()),
        (("partial",), (BTC,)),
        (("unfilled",), (BTC,)),
        (("refused",), (BTC,)),
        (("open",), ()),
        (("unfilled", "filled"), ()),
        (("filled", "unfilled"), (BTC,)),
    ],
)
def test_post_only_was_tried_when_the_last_order_was_one_that_did_not_fill_wholly(
    journal: Journal, statuses: tuple[str, ...], tried: tuple[str, ...]
) -> None:
    for status in statuses:
        sent(journal, status)

    assert journal.post_only_tried("main", guard_tick()) == tried
    assert journal.post_only_tried("main", review_tick()) == ()
    assert journal.post_only_tried("other", guard_tick()) == ()


def test_an_immediate_order_ends_the_try_of_its_own_symbol_alone(journal: Journal) -> None:
    sent(journal, "unfilled")
    sent(journal, "partial", ETH)
    sent(journal, "unfilled", post_only=False)
    sent(journal, "unfilled", "XRP/USDT:USDT", portfolio="other")

    assert journal.post_only_tried("main", guard_tick()) == (ETH,)


@pytest.mark.parametrize(("status", "tried"), [("refused", (BTC,)), ("unfilled", ())])
def test_an_immediate_order_that_took_nothing_leaves_the_try_as_it_was(
    journal: Journal, status: str, tried: tuple[str, ...]
) -> None:
    """Refused, or never sent because the process died: not the market's answer."""
    sent(journal, "unfilled")
    sent(journal, status, post_only=False)

    assert journal.post_only_tried("main", guard_tick()) == tried


def test_what_was_tried_before_the_last_review_is_forgotten(journal: Journal, clock: FakeClock) -> None:
    sent(journal, "unfilled")
    clock.step(hours=1)
    journal.append(record_of(now=clock.now), policy())
    before = journal.post_only_tried("main", guard_tick())
    clock.step(seconds=1)
    sent(journal, "unfilled", ETH)

    assert before == ()
    assert journal.post_only_tried("main", guard_tick()) == (ETH,)


def test_a_step_from_before_orders_could_rest_takes_at_once(journal: Journal) -> None:
    journal.open_intent(policy(), review_tick(), SELL)
    with journal.engine.begin() as connection:
        body = connection.exec_driver_sql("SELECT body FROM intent").scalar_one()
        old = body.replace(',"post_only":false', "")
        assert old != body
        connection.exec_driver_sql("UPDATE intent SET body = ?", (old,))

    assert journal.unresolved("main")[0].step == SELL


# Restrictions.


def frozen(**changed: Any) -> Restriction:
    plain = Restriction(scope="main", allows="nothing", reason="a test", by="hedged", at=MONDAY)
    return replace(plain, **changed)


def test_a_restriction_outlives_the_process_until_it_is_lifted(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.restrict(frozen())
    journal.close()
    journal = opened(tmp_path)
    found = journal.restrictions("main", MONDAY)
    lifted = journal.lift("main", "a person"), journal.lift("main", "a person")
    after = journal.restrictions("main", MONDAY)
    journal.close()

    assert found == (frozen(),)
    assert lifted == (1, 0)
    assert after == ()


def test_a_restriction_holds_for_its_scope_and_until_its_end(journal: Journal) -> None:
    everyone = frozen(scope="all", allows="reductions", until=MONDAY + DAY)
    journal.restrict(frozen())
    journal.restrict(everyone)

    assert journal.restrictions("main", MONDAY) == (frozen(), everyone)
    assert journal.restrictions("other", MONDAY) == (everyone,)
    assert journal.restrictions("other", MONDAY + DAY) == ()


@pytest.mark.parametrize("lifted", [False, True])
def test_an_altered_restriction_is_named_and_not_gone_on_from(journal: Journal, lifted: bool) -> None:
    journal.restrict(frozen())
    if lifted:
        journal.lift("main", "a person")
    with journal.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER IF EXISTS restriction_no_update"))
        connection.execute(text("UPDATE restriction SET body = '{}'"))

    with pytest.raises(JournalBroken, match=r"a restriction in .* was altered"):
        journal.restricted_by(BREAKER, "main")
    if not lifted:
        with pytest.raises(JournalBroken, match=r"a restriction in .* was altered"):
            journal.restrictions("main", MONDAY)
