"""
The exact bytes of what is sent with a key, signature included, kept in `data/requests_<venue>.txt`.

They are made by `PYTHONPATH=tests python tests/venue/test_requests.py`, by the installed ccxt, on a
stopped clock and with the tests' own key. Whoever changes them, or ccxt, reads the difference line by
line: it is what an exchange would get.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from exchange.opening import VENUES
from exchange.recorder import Seen
from hedged.venue.dialect import Listing
from hedged.venue.opening import DIALECTS
from lines import BTC, Line, linked, order, rest

DATA = Path(__file__).parent / "data"
PLAIN = frozenset({"host", "accept", "accept-encoding", "connection", "user-agent", "content-length"})
"""Headers of any request."""
PLACED = {"binance": "*/v1/order", "bybit": "*/order/create"}
TAKEN_BACK = {"binance": "*/v1/order", "bybit": "*/order/cancel"}
FOUND = {"binance": "*/v1/order", "bybit": "*/order/realtime"}
POSITIONS = {"binance": "*/positionRisk", "bybit": "*/position/list"}


async def opened(line: Line, listing: Listing) -> None:
    await line.dialect.send(line.private, listing, order("hedgedopen1"))


async def closed(line: Line, listing: Listing) -> None:
    bought = order("hedgedclose1", "buy", "0.1", reduce_only=True)
    await line.dialect.send(line.private, listing, bought)


async def looked_up(line: Line, listing: Listing) -> None:
    await line.dialect.lookup(line.private, listing, "hedgedopen1")


async def taken_back(line: Line, listing: Listing) -> None:
    rest(line, "61000", "hedgedrest1")
    await line.dialect.cancel(line.private, listing, "hedgedrest1")


async def positions_read(line: Line, listing: Listing) -> None:
    listings = await line.exchange.listings()
    await line.dialect.account(line.private, listings, "USDT", frozenset({BTC}))


Deed = Callable[[Line, Listing], Awaitable[None]]
DEEDS: tuple[tuple[str, Deed, str, dict[str, str]], ...] = (
    ("open a short, at once or not at all", opened, "POST", PLACED),
    ("close it, reduce-only", closed, "POST", PLACED),
    ("look an order up", looked_up, "GET", FOUND),
    ("take an order back", taken_back, "*", TAKEN_BACK),
    ("read the positions", positions_read, "GET", POSITIONS),
)


async def requests_of(name: str) -> str:
    """All of it as text: what was done, then each request with the headers that are not of any."""
    told: list[str] = []
    async with linked(VENUES[name](deposit=50_000)) as line:
        listing = await line.exchange.listing(BTC)
        line.allowed.update(("hedgedopen1", "hedgedclose1"))
        for what, deed, method, place in DEEDS:
            line.venue.recorder.clear()
            await deed(line, listing)
            seen = line.venue.recorder.seen(method, place[name])
            told += [f"# {what}", "", *sorted(map(shown, seen)), ""]
    return "\n".join(told)


def shown(seen: Seen) -> str:
    call = seen.call
    headers = sorted(f"{k}: {v}" for k, v in call.headers.items() if k not in PLAIN)
    where = f"{call.place}?{call.query}" if call.query else call.place
    return "\n".join([f"{call.method} {where}", *headers, "", call.body.decode() or "(no body)", ""])


@pytest.mark.parametrize("name", sorted(DIALECTS))
async def test_every_signed_request_is_byte_for_byte_the_one_that_is_kept(name: str) -> None:
    assert await requests_of(name) == (DATA / f"requests_{name}.txt").read_text()


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_each_deed_is_kept_and_signed(name: str) -> None:
    parts = (DATA / f"requests_{name}.txt").read_text().split("# ")[1:]

    assert [part.partition("\n")[0] for part in parts] == [what for what, *_ in DEEDS]
    for part in parts:
        assert "signature=" in part or "x-bapi-sign: " in part


if __name__ == "__main__":
    for venue in sorted(DIALECTS):
        (DATA / f"requests_{venue}.txt").write_text(asyncio.run(requests_of(venue)))
