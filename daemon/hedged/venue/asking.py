"""
Asking several things at once, without leaving any of it behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def answers(asked: Iterable[Awaitable[T]]) -> list[T]:
    """
    What each of *asked* comes to, in their order.

    When some fail, the first failure is raised once all have ended: nothing goes on in the background.
    """
    found = await asyncio.gather(*asked, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return [one for one in found if not isinstance(one, BaseException)]
