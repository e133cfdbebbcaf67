"""The look at a journal and at an exchange finds each of the things that must never be."""

from __future__ import annotations

import copy
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from survival.evidence import EMPTY, Intent, Told, faults

SOLD = Decimal("-0.5")
INTENT = Intent(client_order_id="hdg1", claimed=True, filled=Decimal("0.5"), status="filled")
JOURNAL = replace(EMPTY, intents=(INTENT,))
ORDER = {"id": 3, "client_order_id": "hdg1", "filled": "0.5", "status": "filled"}
STATE: dict[str, Any] = {
    "orders": [
        {"id": 1, "client_order_id": "web_1", "filled": "0", "status": "new"},
        {"id": 2, "client_order_id": "web_2", "filled": "0", "status": "new"},
        ORDER,
    ],
    "fills": [{"symbol": "BTCUSDT", "signed": "-0.5"}],
}


def found(journal: Told = JOURNAL, **changed: Any) -> str:
    state = copy.deepcopy(STATE) | changed
    return "; ".join(faults(journal, state, Decimal(0), SOLD))


def test_what_is_as_it_should_be_has_no_fault() -> None:
    assert found() == ""
    assert found(replace(JOURNAL, intents=(replace(INTENT, filled=None, status="open"),))) == ""


@pytest.mark.parametrize(
    ("journal", "said"),
    [
        (EMPTY, "has no intent"),
        (replace(JOURNAL, intents=(replace(INTENT, claimed=False),)), "never claimed"),
        (replace(JOURNAL, intents=(replace(INTENT, filled=Decimal(0)),)), "journal says 0"),
        (
            replace(JOURNAL, intents=(INTENT, replace(INTENT, client_order_id="hdg2"))),
            "hdg2 is said to be filled, and never reached",
        ),
        (replace(JOURNAL, chained=False), "chain"),
    ],
)
def test_a_journal_that_is_wrong_is_named(journal: Told, said: str) -> None:
    assert said in found(journal)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"orders": [*STATE["orders"], ORDER]}, "2 times"),
        ({"orders": STATE["orders"][1:]}, "foreign orders were touched"),
        ({"orders": [STATE["orders"][0] | {"status": "canceled"}, *STATE["orders"][1:]]}, "foreign"),
        ({"fills": STATE["fills"] * 2}, "-1.0 was held between 0 and -0.5"),
        (
            {"fills": [{"symbol": "BTCUSDT", "signed": s} for s in ("-0.5", "-0.4", "0.4")]},
            "-0.9 was held",
        ),
    ],
)
def test_an_exchange_that_was_asked_too_much_is_named(changed: dict[str, Any], said: str) -> None:
    assert said in found(**changed)
