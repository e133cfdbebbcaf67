"""The book of real accounts: every event once, and what no fill explains is doubted at first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from builders import BTC, ETH, MONDAY, contract, d, fill, position
from hedged.core.market import Flow, FundingPayment
from hedged.core.record import Outcome
from hedged.errors import VenueUnavailable
from hedged.venue.book import SEEN_TWICE_AFTER, Book
from hedged.venue.ledger import Ledger

SECOND = timedelta(seconds=1)
SALE = fill(contracts=d(2))
MONEY = Flow(at=MONDAY - SECOND, amount=d(500))
PAID = FundingPayment(
    at=MONDAY + SECOND,
    symbol=BTC,
    funding_rate=d("0.0001"),
    contracts=d(-2),
    mark_price=d(100),
    amount=d("0.02"),
)
DONE = Outcome(
    client_order_id="hdg1",
    symbol=BTC,
    side="sell",
    contracts=d(2),
    filled=d(2),
    fill_price=d(100),
    fee=d("0.1"),
    status="filled",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "book.sqlite"


@pytest.fixture
def book(path: Path) -> Iterator[Book]:
    made = Book(Ledger(path, read_only=False))
    made.close_page(MONDAY)
    yield made
    made.ledger.close()


def read_again(path: Path) -> Book:
    made = Book(Ledger(path, read_only=True))
    made.ledger.close()
    return made


def doubts(book: Book, held: int | str, *, after_s: float = 0, size: int = 1) -> list[str]:
    """What is doubted of the only contract, held so, so many seconds after `MONDAY`."""
    seen = (position(held),) if d(held) else ()
    instrument = contract(contract_multiplier=d(size))
    return list(book.doubts((instrument,), seen, MONDAY + timedelta(seconds=after_s)))


def test_a_new_book_knows_nothing(path: Path) -> None:
    book = Book(Ledger(path, read_only=False))

    assert (book.cursor, book.told_until, book.opened_at, book.odd) == (0, None, None, ())
    assert book.expected(BTC) is None
    assert not book.knows("a")
    book.ledger.close()


def test_what_was_told_is_in_the_book_by_time_once_and_after_a_restart(book: Book, path: Path) -> None:
    told = [("a", PAID), ("b", SALE), ("c", MONEY)]
    book.add(told)
    book.close_page(MONDAY + 2 * SECOND)
    book.add(told)
    book.close_page(MONDAY + 3 * SECOND)
    again = read_again(path)

    assert [e.kind for e in again.ledger.events] == ["flow", "fill", "funding"]
    assert book.after(0) == again.after(0) == [MONEY, SALE, PAID]
    assert book.after(1) == [SALE, PAID]
    assert (book.cursor, again.cursor) == (3, 3)
    assert again.told_until == MONDAY + 3 * SECOND
    assert again.opened_at == MONDAY
    assert all(again.knows(key) for key in "abc")


def test_events_of_one_instant_are_told_by_their_keys(book: Book) -> None:
    purchase = replace(SALE, side="buy")
    book.add([("b", SALE), ("a", purchase)])

    assert book.after(0) == [purchase, SALE]


def test_what_can_not_be_read_is_passed_over_once_and_after_a_restart(book: Book, path: Path) -> None:
    book.pass_over(["a", "b"])
    book.close_page(MONDAY)
    book.add([("a", SALE)])
    again = read_again(path)

    assert [(e.kind, e.key, e.value) for e in again.ledger.events] == [
        ("unread", "a", None),
        ("unread", "b", None),
    ]
    assert again.knows("a")
    assert book.after(0) == again.after(0) == []


def test_a_page_never_ends_before_the_last_one(book: Book) -> None:
    book.close_page(MONDAY - SECOND)

    assert book.told_until == MONDAY


def test_a_page_that_the_disk_refuses_was_never_told(book: Book, path: Path) -> None:
    doubts(book, 0)
    book.close_page(MONDAY)
    connection = sqlite3.connect(path)
    broken = "CREATE TRIGGER broken BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    connection.execute(broken)
    connection.commit()
    book.add([("a", SALE)])

    with pytest.raises(VenueUnavailable, match="disk full"):
        book.close_page(MONDAY)
    assert not book.knows("a")
    assert book.expected(BTC) == 0
    connection.execute("DROP TRIGGER broken")
    connection.commit()
    connection.close()
    book.add([("a", SALE)])
    book.close_page(MONDAY)
    assert book.after(0) == [SALE]


def test_what_an_order_filled_is_owed_at_once_and_once(book: Book, path: Path) -> None:
    doubts(book, 0)
    book.owe(DONE)
    book.owe(DONE)

    assert book.expected(BTC) == -2
    assert read_again(path).expected(BTC) == -2
    assert [e.kind for e in book.ledger.events] == ["contract", "outcome"]
    assert book.knows("outcome hdg1")
    book.add([("a", SALE)])
    assert book.expected(BTC) == -2
    assert book.after(0) == [SALE]


def test_an_order_that_filled_nothing_owes_nothing(book: Book) -> None:
    book.owe(replace(DONE, filled=d(0), status="unfilled"))

    assert book.cursor == 0


def test_before_the_first_look_nothing_is_owed(path: Path) -> None:
    book = Book(Ledger(path, read_only=False))
    book.owe(DONE)

    assert book.cursor == 0
    book.ledger.close()


def test_the_first_sight_of_a_contract_is_believed_and_kept(book: Book) -> None:
    assert doubts(book, -1) == []
    assert book.expected(BTC) == -1
    assert [(e.kind, e.key) for e in book.ledger.events] == [("contract", f"contract {BTC} 1")]


def test_what_the_fills_explain_is_no_doubt(book: Book) -> None:
    doubts(book, -1)
    book.add([("a", SALE)])

    assert doubts(book, -3) == []
    assert book.odd == ()


def test_a_larger_short_that_no_fill_explains_is_doubted_until_it_was_seen_a_minute_apart(
    book: Book,
) -> None:
    doubts(book, -1)
    wait = SEEN_TWICE_AFTER.total_seconds()
    (why,) = doubts(book, -3)

    assert why == (
        f"-3 contracts of {BTC} are held, and -1 by all fills that were told: another hand, or an "
        "answer that is late"
    )
    assert book.odd == (BTC,)
    assert doubts(book, -3, after_s=wait - 1)
    assert book.expected(BTC) == -1
    assert doubts(book, -3, after_s=wait) == []
    assert (book.expected(BTC), book.odd) == (-3, ())
    assert book.ledger.events[-1].key == f"contract {BTC} 2"


def test_a_position_that_was_adopted_wrongly_goes_back_to_what_fills_make_it(
    book: Book, path: Path
) -> None:
    doubts(book, -1)
    doubts(book, -3)
    assert doubts(book, -3, after_s=60) == []
    book.add([("a", SALE)])
    book.close_page(MONDAY)
    assert (book.expected(BTC), read_again(path).expected(BTC)) == (-5, -5)
    assert doubts(book, -9, after_s=110)

    assert doubts(book, -3, after_s=120) == []
    assert (book.expected(BTC), book.odd) == (-3, ())
    assert book.ledger.events[-1].key == f"contract {BTC} 3"
    book.add([("b", SALE)])
    assert doubts(book, -5, after_s=130) == []
    assert doubts(book, -8, after_s=140)
    assert doubts(book, -8, after_s=200) == []
    assert doubts(book, -5, after_s=210) == []


def test_a_smaller_short_that_no_fill_explains_is_never_believed(book: Book) -> None:
    doubts(book, -3)
    said = [doubts(book, -1, after_s=after_s) for after_s in (0, 100, 1000)]

    assert said == 3 * [
        [
            f"-1 contracts of {BTC} are held, and -3 by all fills that were told, and no fill tells "
            "who closed the rest; if it is closed in truth, stop the daemon and run `hedged run --once "
            "--live --accept-positions`"
        ]
    ]
    assert (book.expected(BTC), book.odd) == (-3, (BTC,))


def test_a_larger_short_is_not_believed_for_what_was_seen_of_a_smaller_one(book: Book) -> None:
    doubts(book, -3)
    doubts(book, -1)

    assert doubts(book, -4, after_s=100)
    assert doubts(book, -4, after_s=159)
    assert doubts(book, -4, after_s=160) == []


def test_what_a_person_accepts_is_taken_as_it_is(book: Book) -> None:
    both = (contract(), contract(ETH))
    list(book.doubts((contract(),), (position(-3),), MONDAY))
    book.accept(both, (position(-1),))

    assert (book.expected(BTC), book.expected(ETH)) == (-1, None)
    assert doubts(book, -1) == []
    book.accept((contract(),), (position(-1),))
    assert book.cursor == 2
    book.accept((contract(),), ())
    assert book.expected(BTC) == 0


def test_another_odd_position_a_clock_that_went_back_and_a_sound_one_begin_anew(book: Book) -> None:
    doubts(book, -1)
    assert doubts(book, -3, after_s=100)
    assert doubts(book, -4, after_s=200)
    assert doubts(book, -4, after_s=50)
    assert doubts(book, -4, after_s=109)
    assert doubts(book, -1, after_s=110) == []
    assert doubts(book, -4, after_s=170)
    assert book.expected(BTC) == -1


def test_while_an_order_may_still_land_an_odd_position_is_not_taken(book: Book) -> None:
    doubts(book, -1)
    doubts(book, -3)
    book.doubt_anew(BTC)
    book.doubt_anew(ETH)

    assert book.odd == ()
    assert doubts(book, -3, after_s=100)
    assert doubts(book, -3, after_s=160) == []


def test_a_contract_whose_size_changed_is_doubted_for_ever(book: Book) -> None:
    doubts(book, -1)
    for after_s in (0, 100, 200):
        assert doubts(book, -1, after_s=after_s, size=10) == [
            f"{BTC} was 1 a contract and is 10 now; close the hedge by hand, and give "
            "service.state_dir another folder"
        ]
    assert book.odd == ()


def test_every_contract_is_looked_at_and_what_is_not_told_is_flat(book: Book) -> None:
    both = (contract(), contract(ETH))
    list(book.doubts(both, (position(-1), position(-5, ETH)), MONDAY))
    found = list(book.doubts(both, (position(-5, ETH),), MONDAY))

    assert len(found) == 1
    assert found[0].startswith(f"0 contracts of {BTC} are held, and -1 by")
    assert (book.expected(BTC), book.expected(ETH), book.odd) == (-1, -5, (BTC,))
