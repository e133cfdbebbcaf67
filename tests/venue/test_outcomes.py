"""
What a venue's error says of an order; and a golden of ccxt's own tables: its diff is read at each bump.

The golden is made by `python tests/venue/test_outcomes.py`, from the ccxt that is installed. Nothing
here asks what ccxt's classes mean: they only show which codes a new version adds, drops or re-reads.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import ccxt.async_support as ccxt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedged.errors import OutcomeUnknown, Unjudged, VenueRefused
from hedged.venue import outcomes as rule
from hedged.venue.binance import outcomes as binance
from hedged.venue.bybit import outcomes as bybit
from hedged.venue.outcomes import Landed, MarketType, Said, Table, raised, said
from hedged.venue.wire import Answered

GOLDEN = Path(__file__).parent / "data" / "ccxt_errors.json"
REGENERATE = (
    "ccxt's tables of errors have changed. Read each code below in the venue's own pages, bring"
    " daemon/hedged/venue/*/outcomes.py up to date, then run: python tests/venue/test_outcomes.py"
)
MAPS = {
    "binance": ("binance linear", "binance exact"),
    "bybit": ("bybit exact",),
}
VENUES = {"binance": binance, "bybit": bybit}

# Codes of ours that ccxt does not know, and the page of the venue that does.
BYBIT_EXTRA = ("30208", "110074", "110085", "110086", "110088", "110089", "110090", "110095", "110098",
               "110101", "110102", "110103", "110120", "110121")  # fmt: skip
EXTRA = {
    "binance": {"-4109": "USD-M futures, error code, and change log of 2025-07-25"},
    "bybit": dict.fromkeys(BYBIT_EXTRA, "v5, error codes, UTA"),
}

# What the venues themselves do not know of an order; the table must never say more than they do.
OPEN = {
    "binance": "-1 -1000 -1001 -1006 -1007 -1008 -1010 -1016 -1099 -1112 -2010 -2011 -2013 -2020 -4188",
    "bybit": "-1 429 5004 10000 10007 10014 10016 10429 40004 110001 110079 170007 170146 12141 30001",
}
DOUBT = re.compile(
    r"time[d ]*-?out|status.{0,3}unknown|unknown (error|occur)|intern?al|overload"
    r"|(system|server|service).{0,4}(error|busy)",
    re.IGNORECASE,
)


def present() -> dict[str, dict[str, str]]:
    """ccxt's tables for the venues that are traded here: code -> name of ccxt's class."""
    at_binance, at_bybit = ccxt.binanceusdm().exceptions, ccxt.bybit().exceptions
    maps = {
        "binance linear": at_binance["linear"]["exact"],
        "binance inverse": at_binance["inverse"]["exact"],
        "binance exact": at_binance["exact"],
        "bybit exact": at_bybit["exact"],
    }
    return {
        name: {code: found[code].__name__ for code in sorted(found)} for name, found in maps.items()
    }


def kept() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return found


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    codes = sorted(before.keys() | after.keys())
    return [f"{c}: {before.get(c)} -> {after.get(c)}" for c in codes if before.get(c) != after.get(c)]


def tables() -> dict[str, Table]:
    return {name: module.OUTCOMES for name, module in VENUES.items()}


def comments(source: str) -> dict[str, list[str]]:
    """The comment beside each code, in a table of ours or of ccxt's."""
    found: dict[str, list[str]] = {}
    for code, comment in re.findall(r"""["'](-?\d+)["'].*?#\s*(.+)""", source):
        found.setdefault(code, []).append(comment)
    return found


def answered(status: int, code: str | None, text: str = "") -> Answered:
    return Answered(status, code, text)


STEADY = settings(deadline=None, derandomize=True)

listed = st.sampled_from(
    [(name, market, code) for name, table in tables().items() for market, code in table]
)


# ---- the rule


@STEADY
@given(listed, st.sampled_from([200, 400, 401, 403, 418, 429]), st.text())
def test_a_listed_code_says_what_its_table_says_whatever_its_text(
    entry: tuple[str, MarketType, str], status: int, text: str
) -> None:
    name, market, code = entry
    table = tables()[name]

    assert said(table, market, answered(status, code, text)) == table[(market, code)]


@pytest.mark.parametrize("name", VENUES)
def test_a_server_error_a_redirect_and_a_timeout_say_nothing_even_with_a_listed_code(name: str) -> None:
    table = tables()[name]
    statuses = [*range(100, 200), *range(300, 400), 408, *range(500, 600)]

    assert {said(table, market, answered(s, code)) for market, code in table for s in statuses} == {
        "unknown"
    }


@STEADY
@given(st.sampled_from(sorted(VENUES)), st.sampled_from(get_args(MarketType)), st.text())
def test_an_unlisted_code_says_nothing(name: str, market: MarketType, code: str) -> None:
    table = {key: word for key, word in tables()[name].items() if key != (market, code)}

    assert {said(table, market, answered(s, code)) for s in range(100, 600)} == {"unknown"}


@pytest.mark.parametrize("name", VENUES)
def test_without_a_code_nobody_knows_not_even_with_429(name: str) -> None:
    assert {said(tables()[name], "linear", answered(s, None)) for s in range(100, 600)} == {"unknown"}


def test_a_limit_that_refuses_a_request_says_so_with_its_code() -> None:
    limits = [(binance, "-1003", 429), (binance, "-1003", 418), (binance, "-1015", 429)]
    limits += [(bybit, "10006", 200), (bybit, "10006", 429)]

    assert {said(m.OUTCOMES, "linear", answered(status, code)) for m, code, status in limits} == {
        "rejected"
    }


def test_a_code_of_one_market_says_nothing_of_another() -> None:
    assert said(binance.OUTCOMES, "inverse", answered(400, "-2019")) == "unknown"
    assert said(bybit.OUTCOMES, "linear", answered(200, "110101")) == "unknown"
    assert said(bybit.OUTCOMES, "inverse", answered(200, "110101")) == "rejected"


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("-2019", 400, VenueRefused),
        ("-4116", 400, Landed),
        ("-1007", 408, OutcomeUnknown),
        ("-2019", 503, OutcomeUnknown),
        (None, 400, OutcomeUnknown),
    ],
)
def test_what_it_says_is_raised_with_the_venues_words(
    code: str | None, status: int, error: type[Exception]
) -> None:
    with pytest.raises(error, match=f"HTTP {status}.*said so") as caught:
        raised(binance.OUTCOMES, "linear", answered(status, code, "said so"))

    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("venue", "market", "code"),
    [(binance, "linear", "-1021"), (binance, "linear", "-5028"), (bybit, "inverse", "10002")],
)
def test_a_request_that_came_too_late_was_not_judged(venue: Any, market: MarketType, code: str) -> None:
    with pytest.raises(Unjudged, match="a clock is off, or the line is slow"):
        raised(venue.OUTCOMES, market, answered(400, code), venue.LATE)
    with pytest.raises(OutcomeUnknown):
        raised(venue.OUTCOMES, market, answered(503, code), venue.LATE)

    assert {venue.OUTCOMES["linear", late] for late in venue.LATE} == {"rejected"}


# ---- the tables


@pytest.mark.parametrize("name", VENUES)
def test_a_duplicate_id_has_landed_and_nothing_else_has(name: str) -> None:
    landed = {code for (_, code), word in tables()[name].items() if word == "landed"}

    assert landed == {{"binance": "-4116", "bybit": "110072"}[name]}


@pytest.mark.parametrize("name", VENUES)
def test_what_the_venue_does_not_know_is_in_no_table(name: str) -> None:
    assert {code for _, code in tables()[name]}.isdisjoint(OPEN[name].split())


@pytest.mark.parametrize("name", VENUES)
def test_every_code_is_known_to_ccxt_or_has_its_source(name: str) -> None:
    known = {code for map_name in MAPS[name] for code in kept()[map_name]}
    ours = {code for _, code in tables()[name]}

    assert ours - known == EXTRA[name].keys()


@pytest.mark.parametrize("name", VENUES)
def test_every_code_stands_once_with_its_meaning(name: str) -> None:
    ours = comments(inspect.getsource(VENUES[name]))

    assert {code for _, code in tables()[name]} == ours.keys()
    assert [code for code, found in ours.items() if len(found) > 1] == []


@pytest.mark.parametrize("name", VENUES)
def test_no_code_that_anybody_calls_a_timeout_or_an_internal_error_is_rejected(name: str) -> None:
    """Also by ccxt's comments, of every market it has under that code."""
    written = [inspect.getsource(VENUES[name]), inspect.getsource(getattr(ccxt, name).describe)]
    doubtful = {
        code
        for source in written
        for code, found in comments(source).items()
        if any(DOUBT.search(comment) for comment in found)
    }
    rejected = {code for (_, code), word in tables()[name].items() if word == "rejected"}

    assert len(doubtful) >= 3  # ccxt's comments were read
    assert rejected.isdisjoint(doubtful)


# ---- ccxt


@pytest.mark.parametrize("name", ["binance linear", "binance inverse", "binance exact", "bybit exact"])
def test_ccxts_tables_are_those_that_were_read(name: str) -> None:
    changed = difference(kept()[name], present()[name])

    assert changed == [], f"{name}: {REGENERATE}"


def test_a_difference_names_what_came_what_went_and_what_changed() -> None:
    before, after = {"1": "BadRequest", "2": "BadRequest"}, {"2": "InvalidOrder", "3": "BadSymbol"}

    assert difference(before, after) == [
        "1: BadRequest -> None",
        "2: BadRequest -> InvalidOrder",
        "3: None -> BadSymbol",
    ]


CLASS_SAYS_NOTHING: list[tuple[str, MarketType, dict[str, Said]]] = [
    ("binance linear", "linear", {"-4164": "rejected", "-4116": "landed", "-5047": "unknown"}),
    ("bybit exact", "inverse", {"110017": "rejected", "110072": "landed", "170146": "unknown"}),
]


@pytest.mark.parametrize(("name", "market", "words"), CLASS_SAYS_NOTHING)
def test_one_class_of_ccxts_stands_for_every_outcome(
    name: str, market: MarketType, words: dict[str, Said]
) -> None:
    table = tables()[name.partition(" ")[0]]

    assert {present()[name][code] for code in words} == {"InvalidOrder"}
    assert {code: said(table, market, answered(400, code)) for code in words} == words


@pytest.mark.parametrize("module", [rule, binance, bybit])
def test_ccxt_is_not_asked(module: ModuleType) -> None:
    tree = ast.parse(inspect.getsource(module))
    imported = [ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]

    assert [line for line in imported if "ccxt" in line] == []


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(present(), indent=1) + "\n", encoding="utf-8")
