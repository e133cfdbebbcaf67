"""
Reads that a venue answers with an error, told apart from those that it does not answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Set
from typing import TypeVar

from hedged.errors import VenueUnavailable

T = TypeVar("T")


class NotGiven(VenueUnavailable):
    """A read that the venue answered with an error; *code* is its raw code, None without one."""

    def __init__(self, text: str, code: str | None) -> None:
        super().__init__(text)
        self.code = code


async def given(read: Awaitable[T], unless: Set[str], nothing: T) -> T:
    """
    What *read* answers; *nothing* where the venue says, by a code of *unless*, that there is none.

    Raises
    ------
    VenueUnavailable
        When it is not answered, or with any other error: what is there may be told at the next try.
    """
    try:
        return await read
    except NotGiven as error:
        if error.code in unless:
            return nothing
        raise
