"""
The history on disk: one folder a symbol and series, one Parquet file a year.

Enters frames; leaves frames. Rows are only ever added, a file is replaced as a whole, and a
store that is read-only keeps what it is given in memory alone.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl

from hedged.core.metrics import History, Series
from hedged.core.metrics.history import SCHEMAS
from hedged.history.files import read_parquet, write_parquet
from hedged.history.rows import accept, time_column


class HistoryStore:
    """The kept series under one folder. Not safe for two writers; the journal's lease sees to that."""

    def __init__(self, root: Path, *, read_only: bool) -> None:
        self.root = root
        self.read_only = read_only
        self._frames: dict[Path, pl.DataFrame] = {}

    def read(self, symbol: str, series: Series, bar: str) -> pl.DataFrame:
        """All kept rows, in order; an empty frame when nothing is kept. Raises `BadData`."""
        folder = self._folder(symbol, series, bar)
        if folder not in self._frames:
            files = sorted(folder.glob("[0-9]*.parquet"))
            frames = [read_parquet(file, SCHEMAS[series]) for file in files]
            self._frames[folder] = pl.concat([pl.DataFrame(schema=SCHEMAS[series]), *frames])
        return self._frames[folder]

    def forget(self) -> None:
        """Drop what is in memory, so that the next read sees the files as they are now."""
        self._frames.clear()

    def append(self, symbol: str, series: Series, bar: str, reported: pl.DataFrame) -> tuple[str, ...]:
        """
        Keep the rows of *reported* that are new and possible; a sentence for each that is not.

        Raises
        ------
        BadData
            When a file can't be read or written; then nothing of *reported* is kept.
        """
        kept = self.read(symbol, series, bar)
        accepted = accept(reported, kept, series, bar)
        if accepted.rows.height:
            stamp = time_column(series)
            after = pl.concat([kept, accepted.rows]).sort(stamp)
            folder = self._folder(symbol, series, bar)
            if not self.read_only:
                self._write(folder, after, stamp, accepted.rows)
            self._frames[folder] = after
        return accepted.refused

    def history(self, symbol: str, bar: str) -> History:
        """All series of *symbol*, as the metrics take them."""
        return History(
            symbol=symbol,
            bar=bar,
            bars=self.read(symbol, "bars", bar),
            funding=self.read(symbol, "funding", bar),
            funding_next=self.read(symbol, "funding_next", bar),
            open_interest=self.read(symbol, "open_interest", bar),
        )

    def last(self, symbol: str, series: Series, bar: str) -> datetime | None:
        """The stamp of the last kept row."""
        stamps = self.read(symbol, series, bar)[time_column(series)]
        last = stamps.max()
        return last if isinstance(last, datetime) else None

    def _write(self, folder: Path, frame: pl.DataFrame, stamp: str, new: pl.DataFrame) -> None:
        for year in new[stamp].dt.year().unique().sort():
            part = frame.filter(pl.col(stamp).dt.year() == year)
            write_parquet(folder / f"{year}.parquet", part)

    def _folder(self, symbol: str, series: Series, bar: str) -> Path:
        name = symbol.replace("/", "-").replace(":", "_")
        return self.root / name / (f"{series}-{bar}" if series == "bars" else series)
