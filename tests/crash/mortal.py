"""
A process that may die at every site: before, during and after whatever it does to the world outside.

Enters the daemon of `simulation.daemon`; leaves it with a site on both sides of every commit of the
journal (also of those at its opening) and of the book, of every request, of every call of the venue and
of every write to the kept history. A site is named by its side and what it stands beside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any
from unittest.mock import patch

from sqlalchemy import Engine, event

from hedged.journal import store as journals
from hedged.journal.store import Journal
from simulation.daemon import Process, Sites

CALLS = ("observe", "series", "send", "seek", "cancel")
"""What the shell awaits of a venue."""

opened = journals.opened


class Points(Sites):
    """Sites that remember which of them were passed, and when."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.passed: list[tuple[str, float]] = []

    def visit(self, site: str) -> None:
        if not self.dead:
            self.passed.append((site, self._seconds()))
        super().visit(site)

    def begin(self, dies_at: int | None) -> None:
        """A new process, which dies at its site of that number."""
        self.visited, self.dead, self.dies_at = 0, False, dies_at
        self.passed = []


class Mortal(Process):
    """One life of the daemon, from the opening of its journal on."""

    def __init__(self, settings: Any, wall: Any, sites: Sites, lines_of: Any, on_record: Any) -> None:
        self.sites = sites
        with ExitStack() as stack:
            stack.enter_context(patch.object(journals, "opened", self._opened))
            super().__init__(settings, wall, sites, lines_of, on_record)
        for name in CALLS:
            call = getattr(self.venue, name)
            setattr(self.venue, name, self._around(f"venue.{name}", call))
        for shell in self.daemon.shells:
            keep = shell.keeper.store
            keep.append = self._beside("history.append", keep.append)  # type: ignore[method-assign]

    def _opened(self, *args: Any, **given: Any) -> Engine:
        engine = opened(*args, **given)
        named = _Named(engine)
        commit = engine.dialect.do_commit

        def do_commit(connection: Any) -> None:
            what = named.taken()
            self.sites.visit(f"before commit {what}")
            commit(connection)
            self.sites.visit(f"after commit {what}")

        engine.dialect.do_commit = do_commit  # type: ignore[method-assign]
        return engine

    def _make_fallible(self, journal: Journal) -> None:
        """It is, since it was opened."""

    def _around(self, what: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(call)
        async def visited(*args: Any, **given: Any) -> Any:
            self.sites.visit(f"before {what}")
            try:
                found = await call(*args, **given)
            except Exception:
                self.sites.visit(f"after {what}")
                raise
            self.sites.visit(f"after {what}")
            return found

        return visited

    def _beside(self, what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def visited(*args: Any, **given: Any) -> Any:
            self.sites.visit(f"before {what}")
            found = call(*args, **given)
            self.sites.visit(f"after {what}")
            return found

        return visited


class _Named:
    """What a transaction writes: ``update intent sent_at``."""

    def __init__(self, engine: Engine) -> None:
        self._doing = "nothing"
        event.listen(engine, "before_cursor_execute", self._executed)

    def _executed(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        words = statement.replace("=", " ").replace("(", " ").split()
        if words[0] == "UPDATE":
            self._doing = f"update {words[1]} {words[3]}"
        elif words[0] == "INSERT":
            self._doing = f"insert {words[2]}"

    def taken(self) -> str:
        """Of the transaction that ends now."""
        found, self._doing = self._doing, "nothing"
        return found


async def bury(others: set[asyncio.Task[Any]], sites: Sites) -> None:
    """Nothing of a process that is gone runs on."""
    sites.dead = True
    left = sorted(asyncio.all_tasks() - others, key=lambda one: int(one.get_name().split("-")[-1]))
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
