"""
Whether a contract lasts, as a perpetual does, or is delivered before long. Pure.

Enters a listing as the venue's type has it, and the time; leaves it with the kind that a hedge may rely
on. A type says too little: OKX lists X-Perps as futures that expire in 2031 and pay funding.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hedged.venue.dialect import Listing

LASTING_MIN = timedelta(days=365)
"""No quarterly is listed so long before its delivery: the next-but-one ends within nine months."""


def lasts(expiry: datetime | None, now: datetime, *, pays_funding: bool) -> bool:
    """
    Whether a contract is a perpetual to a hedge: without an *expiry*, or with one `LASTING_MIN` or more
    after *now* and with funding, which keeps its price at the index meanwhile.

    One that is far but pays none has a basis over years, and one that is near must be rolled.
    """
    return expiry is None or (pays_funding and expiry - now >= LASTING_MIN)


def classified(listing: Listing, now: datetime) -> Listing:
    """
    *listing* with its kind by expiry and funding at *now*, whatever its type is called; its expiry and
    whether it pays funding stay as they are.
    """
    pays, expiry = listing.funds, listing.instrument.expiry
    if not lasts(expiry, now, pays_funding=pays):
        return replace(listing, kind="dated", pays_funding=pays)
    if listing.kind == "dated" and expiry is not None:
        return replace(listing, kind="perpetual")
    return listing
