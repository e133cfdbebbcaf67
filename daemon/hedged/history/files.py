"""
Files that are never half-written: written aside, synced, renamed, and the folder synced.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import polars as pl

from hedged.errors import BadData


def write_parquet(path: Path, frame: pl.DataFrame) -> None:
    """
    Put *frame* at *path* as a whole, or leave what stood there.

    Raises
    ------
    BadData
        When the disk is full or read-only; the file that stood there is untouched.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            frame.write_parquet(file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        _sync_folder(path.parent)
    except (OSError, pl.exceptions.PolarsError) as error:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        said = getattr(error, "strerror", None) or error
        raise BadData(f"{path} can't be written: {said}") from error


def read_parquet(path: Path, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """
    The frame at *path* with exactly the columns of *schema*.

    Raises
    ------
    BadData
        When the file is damaged, or its columns are not those.
    """
    try:
        frame = pl.read_parquet(path, memory_map=False)
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        said = str(error).partition("\n")[0]
        raise BadData(f"{path} can't be read: {said}") from error
    if dict(frame.schema) != schema:
        raise BadData(f"{path} has the columns {frame.columns}, expected {list(schema)}")
    return frame.select(list(schema))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
