"""What a bug that is put back is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """
    One bug put back: *before* stands once in *file* of the daemon, *after* takes its place.

    *incidents* are rows of `incidents.INCIDENTS`; *seen_by* is ``file::test``, of a test that fails.
    """

    what: str
    incidents: tuple[int, ...]
    file: str
    before: str
    after: str
    seen_by: str
