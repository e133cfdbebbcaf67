"""The paper account's book: only added to, whole or not at all, and the same after a restart."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from builders import BTC, ETH, MONDAY, d
from hedged.core.market import Fill, Flow, FundingPayment
from hedged.core.record import Outcome
from hedged.errors import VenueUnavailable
from hedged.venue.ledger import Contract, Event, Kind, Ledger, Value

LATER = MONDAY + timedelta(hours=1)
VALUES: tuple[tuple[Kind, Value], ...] = (
    ("flow", Flow(at=MONDAY, amount=d("1000.10"))),
    (
        "outcome",
        Outcome(
            client_order_id="hdg1",
            symbol=BTC,
            side="sell",
            contracts=d(2),
            filled=d(1),
            fill_price=d("99.9"),
            fee=d("0.05"),
            status="partial",
            reason="half of it",
        ),
    ),
    (
        "fill",
        Fill(
            at=MONDAY,
            symbol=BTC,
            side="sell",
            contracts=d(1),
            fill_price=d("99.9"),
            mark_price=d(100),
            index_price=None,
            fee=d("0.05"),
            client_order_id="hdg1",
        ),
    ),
    (
        "funding",
        FundingPayment(
            at=LATER,
            symbol=BTC,
            funding_rate=d("0.0001"),
            contracts=d(-1),
            mark_price=d(100),
            amount=d("0.01"),
        ),
    ),
    ("funding_missed", None),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "alex" / "paper.sqlite"


def stage_all(ledger: Ledger) -> None:
    for kind, value in VALUES:
        ledger.stage(kind, f"the {kind}", value)


def opened(path: Path, *, read_only: bool = False) -> tuple[list[Event], object]:
    ledger = Ledger(path, read_only=read_only)
    ledger.close()
    return ledger.events, ledger.advanced_to


def break_disk(path: Path) -> None:
    """From now on the database refuses every new event, as a full disk would."""
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TRIGGER broken BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    connection.commit()
    connection.close()


def mend_disk(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER broken")
    connection.commit()
    connection.close()


def test_every_kind_of_event_comes_back_as_it_was(path: Path) -> None:
    ledger = Ledger(path, read_only=False)
    stage_all(ledger)
    ledger.commit(LATER)
    ledger.close()

    events, advanced_to = opened(path)
    assert [(event.kind, event.value) for event in events] == list(VALUES)
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    assert advanced_to == LATER


def test_what_came_after_an_event_is_found_without_what_came_before(path: Path) -> None:
    ledger = Ledger(path, read_only=False)
    stage_all(ledger)
    ledger.commit(LATER)

    for seq in range(len(VALUES) + 2):
        assert ledger.since(seq) == [event for event in ledger.events if event.seq > seq]
    ledger.close()


def test_what_was_not_committed_is_gone_after_a_restart(path: Path) -> None:
    ledger = Ledger(path, read_only=False)
    ledger.stage("flow", "first", VALUES[0][1])
    ledger.commit(MONDAY)
    ledger.stage("flow", "second", VALUES[0][1])
    ledger.close()

    events, advanced_to = opened(path)
    assert [event.key for event in events] == ["first"]
    assert advanced_to == MONDAY


def test_a_book_that_was_closed_goes_on_and_knows_when_it_was_opened(path: Path) -> None:
    first = Ledger(path, read_only=False)
    stage_all(first)
    first.commit(MONDAY)
    first.close()
    again = Ledger(path, read_only=False)
    again.stage("funding_missed", "one more", None)
    again.commit(LATER)
    again.close()

    assert [event.seq for event in opened(path)[0]] == [1, 2, 3, 4, 5, 6]
    reader = Ledger(path, read_only=True)
    reader.close()
    assert first.opened_at == again.opened_at == reader.opened_at == MONDAY
    assert reader.advanced_to == LATER


def test_a_book_knows_what_was_traded_and_how_large_a_contract_is(path: Path) -> None:
    ledger = Ledger(path, read_only=False)
    stage_all(ledger)
    made = Contract(symbol=ETH, contract_multiplier=d("0.01"), held=d(-3))
    ledger.stage("contract", "ETH", made)
    ledger.close()

    assert ledger.symbols() == {BTC}
    assert ledger.multipliers() == {ETH: d("0.01")}
    assert made.worth(d(-3), d(2000)) == -60


def test_a_commit_that_fails_leaves_the_book_as_it_is_on_the_disk(path: Path) -> None:
    ledger = Ledger(path, read_only=False)
    ledger.stage("flow", "first", VALUES[0][1])
    ledger.commit(MONDAY)
    stage_all(ledger)
    break_disk(path)
    # A record keeps these words: they are the same wherever the book lies.
    with pytest.raises(VenueUnavailable, match=f"^the book {path.name}: disk full$"):
        ledger.commit(LATER)
    after = ([event.key for event in ledger.events], ledger.advanced_to)
    mend_disk(path)
    stage_all(ledger)
    ledger.commit(LATER)
    ledger.close()
    events, advanced_to = opened(path)

    assert after == (["first"], MONDAY)
    assert [event.value for event in events[1:]] == [value for _, value in VALUES]
    assert advanced_to == LATER


def test_a_key_is_booked_once(path: Path) -> None:
    ledger = Ledger(path, read_only=False)
    ledger.stage("funding_missed", "funding BTC 08:00", None)
    ledger.commit(MONDAY)
    ledger.stage("funding_missed", "funding BTC 08:00", None)

    with pytest.raises(VenueUnavailable):
        ledger.commit(LATER)
    ledger.close()
    assert len(opened(path)[0]) == 1


def test_a_read_only_ledger_never_touches_the_disk(path: Path) -> None:
    nowhere = Ledger(path, read_only=True)
    nowhere.stage("flow", "first", VALUES[0][1])
    nowhere.commit(MONDAY)
    nowhere.close()
    assert not path.parent.exists()

    written = Ledger(path, read_only=False)
    written.stage("flow", "first", VALUES[0][1])
    written.commit(MONDAY)
    written.close()
    before = path.read_bytes()
    reader = Ledger(path, read_only=True)
    reader.stage("flow", "second", VALUES[0][1])
    reader.commit(LATER)
    reader.close()

    assert [event.key for event in reader.events] == ["first", "second"]
    assert path.read_bytes() == before
    assert opened(path)[1] == MONDAY


def test_a_reader_of_a_book_at_rest_makes_no_file(path: Path) -> None:
    written = Ledger(path, read_only=False)
    written.commit(MONDAY)
    written.close()
    reader = Ledger(path, read_only=True)
    beside = [found.name for found in path.parent.iterdir()]
    reader.close()

    assert beside == [path.name]


def test_a_reader_leaves_the_log_of_a_daemon_that_was_killed_where_it_is(
    path: Path, tmp_path: Path
) -> None:
    killed = tmp_path / "state" / "killed" / path.name
    writer = Ledger(path, read_only=False)
    stage_all(writer)
    writer.commit(LATER)
    killed.parent.mkdir()
    for end in ("", "-wal"):
        killed.with_name(path.name + end).write_bytes(path.with_name(path.name + end).read_bytes())
    writer.close()
    log = killed.with_name(path.name + "-wal").read_bytes()

    events, advanced_to = opened(killed, read_only=True)
    assert [event.value for event in events] == [value for _, value in VALUES]
    assert advanced_to == LATER
    assert killed.with_name(path.name + "-wal").read_bytes() == log


@pytest.mark.parametrize("name", ["50% ü", "what?", "v#2"])
def test_a_read_only_ledger_finds_its_file_whatever_the_folder_is_called(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name / "paper.sqlite"
    written = Ledger(path, read_only=False)
    written.stage("flow", "first", VALUES[0][1])
    written.commit(MONDAY)
    written.close()

    assert opened(path, read_only=True)[1] == MONDAY


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_unavailable(path: Path, read_only: bool) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a letter, not a database" * 50)

    with pytest.raises(VenueUnavailable, match=r"paper\.sqlite"):
        Ledger(path, read_only=read_only)


def test_a_ledger_that_was_killed_before_its_first_table_is_empty(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    ledger = Ledger(path, read_only=True)
    ledger.close()

    assert ledger.events == []
    assert ledger.advanced_to is None
