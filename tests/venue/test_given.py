"""A read that is answered with an error, and one that is not answered."""

from __future__ import annotations

import pytest

from hedged.errors import VenueUnavailable
from hedged.venue.given import NotGiven, given


async def answered() -> list[int]:
    return [1]


async def failed(error: Exception) -> list[int]:
    raise error


async def test_an_answer_is_given_as_it_is() -> None:
    assert await given(answered(), {"-1121"}, []) == [1]


async def test_a_code_that_says_there_is_none_gives_nothing() -> None:
    assert await given(failed(NotGiven("no such symbol", "-1121")), {"-1121"}, []) == []


@pytest.mark.parametrize(
    "error", [NotGiven("busy", "-1001"), NotGiven("HTTP 502", None), VenueUnavailable("-1121")]
)
async def test_any_other_error_is_no_answer(error: Exception) -> None:
    with pytest.raises(VenueUnavailable):
        await given(failed(error), {"-1121"}, [])
