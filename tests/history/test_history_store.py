"""The history on disk: rows are only added, files are whole, and a damaged one is named."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, ETH, MONDAY, bars, funding, funding_next, open_interest
from hedged.core.metrics.history import SCHEMAS
from hedged.errors import BadData
from hedged.history.files import read_parquet, write_parquet
from hedged.history.store import HistoryStore

FOLDER = Path("BTC-USDT_USDT") / "bars-1d"


def store(root: Path, *, read_only: bool = False) -> HistoryStore:
    return HistoryStore(root, read_only=read_only)


def kept(root: Path) -> pl.DataFrame:
    """What a fresh process reads."""
    return store(root, read_only=True).read(BTC, "bars", "1d")


def files(root: Path) -> dict[str, bytes]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def test_nothing_kept_is_an_empty_frame_of_the_right_columns(tmp_path: Path) -> None:
    assert kept(tmp_path).schema == SCHEMAS["bars"]
    assert store(tmp_path).last(BTC, "bars", "1d") is None


def test_rows_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    first = store(tmp_path)
    first.append(BTC, "bars", "1d", bars([0.1 + 0.2, None, 1e-12]))
    first.append(BTC, "funding", "1d", funding([0.0001, -0.0003]))
    first.append(BTC, "funding_next", "1d", funding_next([0.0002, 0.0001]))
    first.append(BTC, "open_interest", "1d", open_interest([5.0]))
    again = store(tmp_path, read_only=True).history(BTC, "1d")

    assert again.bars.equals(bars([0.1 + 0.2, None, 1e-12]))
    assert again.funding.equals(funding([0.0001, -0.0003]))
    assert again.funding_next.equals(funding_next([0.0002, 0.0001]))
    assert again.open_interest.equals(open_interest([5.0]))
    assert first.last(BTC, "bars", "1d") == MONDAY + timedelta(days=2)


def test_symbols_series_and_bars_are_kept_apart(tmp_path: Path) -> None:
    writer = store(tmp_path)
    writer.append(BTC, "bars", "1d", bars([1.0]))
    writer.append(BTC, "bars", "4h", bars([2.0]))
    writer.append(ETH, "bars", "1d", bars([3.0]))
    writer.append("BTC/USDT:USDT-240628", "bars", "1d", bars([4.0]))
    reader = store(tmp_path, read_only=True)

    for symbol, bar, close in ((BTC, "1d", 1.0), (BTC, "4h", 2.0), (ETH, "1d", 3.0)):
        assert reader.read(symbol, "bars", bar)["close"].to_list() == [close]
    assert reader.read("BTC/USDT:USDT-240628", "bars", "1d")["close"].to_list() == [4.0]


def test_there_is_one_file_a_year_and_an_append_rewrites_only_its_own(tmp_path: Path) -> None:
    writer = store(tmp_path)
    writer.append(BTC, "bars", "1d", bars([1.0, 2.0, 3.0, 4.0], datetime(2023, 12, 30, tzinfo=UTC)))
    before = files(tmp_path)
    stamp = (tmp_path / FOLDER / "2023.parquet").stat().st_mtime_ns
    writer.append(BTC, "bars", "1d", bars([5.0], datetime(2024, 1, 3, tzinfo=UTC)))

    assert sorted(before) == [str(FOLDER / "2023.parquet"), str(FOLDER / "2024.parquet")]
    assert (tmp_path / FOLDER / "2023.parquet").stat().st_mtime_ns == stamp
    assert files(tmp_path)[str(FOLDER / "2023.parquet")] == before[str(FOLDER / "2023.parquet")]
    assert kept(tmp_path)["close"].to_list() == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_kept_row_is_never_changed(tmp_path: Path) -> None:
    writer = store(tmp_path)
    writer.append(BTC, "bars", "1d", bars([100.0, 101.0]))
    before = files(tmp_path)
    (note,) = writer.append(BTC, "bars", "1d", bars([99.0]))

    assert "the kept ones stay" in note
    assert files(tmp_path) == before


def test_a_late_row_fills_its_gap(tmp_path: Path) -> None:
    writer = store(tmp_path)
    writer.append(BTC, "bars", "1d", bars([100.0, None, 102.0]))
    writer.append(BTC, "bars", "1d", bars([None, 101.0]))

    assert kept(tmp_path).equals(bars([100.0, 101.0, 102.0]))


@settings(deadline=None, derandomize=True, max_examples=25)
@given(data=st.data(), size=st.integers(1, 12))
def test_any_order_and_any_batching_keep_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, size: int
) -> None:
    root = tmp_path_factory.mktemp("store")
    whole = bars([100.0 + i for i in range(size)], datetime(2023, 12, 26, tzinfo=UTC))
    order = data.draw(st.permutations(range(size)))
    cuts = data.draw(st.lists(st.integers(0, size), max_size=4).map(sorted))
    edges = [0, *cuts, size]
    writer = store(root)
    for start, end in pairwise(edges):
        overlap = max(0, start - data.draw(st.integers(0, 2)))
        assert writer.append(BTC, "bars", "1d", whole[list(order[overlap:end])]) == ()

    assert writer.read(BTC, "bars", "1d").equals(whole)
    assert kept(root).equals(whole)


# Half-written and damaged files.


def test_a_file_left_aside_by_a_crash_is_never_read(tmp_path: Path) -> None:
    store(tmp_path).append(BTC, "bars", "1d", bars([100.0]))
    (tmp_path / FOLDER / ".2024.parquet.4242.part").write_bytes(b"half a file")

    assert kept(tmp_path).equals(bars([100.0]))

    store(tmp_path).append(BTC, "bars", "1d", bars([None, 101.0]))

    assert kept(tmp_path).equals(bars([100.0, 101.0]))


def test_a_write_leaves_nothing_aside(tmp_path: Path) -> None:
    store(tmp_path).append(BTC, "bars", "1d", bars([100.0]))

    assert sorted(files(tmp_path)) == [str(FOLDER / "2024.parquet")]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1PAR1", b"no parquet at all, but long"])
def test_a_file_that_is_no_parquet_is_named(tmp_path: Path, content: bytes) -> None:
    store(tmp_path).append(BTC, "bars", "1d", bars([100.0]))
    damaged = tmp_path / FOLDER / "2024.parquet"
    damaged.write_bytes(content)

    with pytest.raises(BadData, match=f"{damaged} can't be read"):
        kept(tmp_path)


def test_a_file_cut_short_is_named_and_stays_for_a_person_to_look_at(tmp_path: Path) -> None:
    store(tmp_path).append(BTC, "bars", "1d", bars([100.0] * 50))
    damaged = tmp_path / FOLDER / "2024.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    before = files(tmp_path)

    with pytest.raises(BadData, match=str(damaged)):
        store(tmp_path).append(BTC, "bars", "1d", bars([1.0], datetime(2024, 3, 1, tzinfo=UTC)))
    assert files(tmp_path) == before


def test_whatever_byte_of_the_footer_is_wrong_the_file_is_read_or_named(tmp_path: Path) -> None:
    path = tmp_path / "2024.parquet"
    write_parquet(path, bars([100.0 + i for i in range(50)]))
    whole, chance = path.read_bytes(), random.Random(1)
    footer = int.from_bytes(whole[-8:-4], "little")
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[-chance.randrange(1, footer + 8)] = chance.randrange(256)
        path.write_bytes(damaged)
        with suppress(BadData):
            read_parquet(path, SCHEMAS["bars"])


@pytest.mark.parametrize(
    "frame",
    [
        bars([1.0]).drop("volume"),
        bars([1.0]).with_columns(close=pl.lit("1.0")),
        bars([1.0]).with_columns(extra=pl.lit(1)),
        bars([1.0]).with_columns(pl.col("open_time").dt.replace_time_zone(None)),
    ],
)
def test_a_file_of_other_columns_is_named(tmp_path: Path, frame: pl.DataFrame) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    frame.write_parquet(tmp_path / FOLDER / "2024.parquet")

    with pytest.raises(BadData, match=str(tmp_path / FOLDER / "2024.parquet")):
        kept(tmp_path)


def test_a_file_with_its_columns_in_another_order_is_read_or_named(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    bars([1.0]).select(reversed(SCHEMAS["bars"])).write_parquet(tmp_path / FOLDER / "2024.parquet")
    with suppress(BadData):
        assert kept(tmp_path).equals(bars([1.0]))


# Disks that refuse.


def test_a_file_in_place_of_the_folder_is_bad_data_that_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "BTC-USDT_USDT").write_text("in the way")

    with pytest.raises(BadData, match=r"2024\.parquet can't be written"):
        store(tmp_path).append(BTC, "bars", "1d", bars([100.0]))


def test_a_folder_in_place_of_the_file_leaves_nothing_aside(tmp_path: Path) -> None:
    blocked = tmp_path / "2024.parquet"
    blocked.mkdir()

    with pytest.raises(BadData, match=r"2024\.parquet can't be written"):
        write_parquet(blocked, bars([100.0]))
    assert list(tmp_path.iterdir()) == [blocked]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("rows", [3, 100_000])
def test_a_full_disk_is_bad_data_and_the_file_that_stood_there_stays(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "2024.parquet"
    write_parquet(path, bars([100.0]))
    before = path.read_bytes()
    (tmp_path / f".2024.parquet.{os.getpid()}.part").symlink_to("/dev/full")
    frame = pl.DataFrame(
        {"close": [chance.random() for chance in [random.Random(1)] for _ in range(rows)]}
    )

    with pytest.raises(BadData, match=r"2024\.parquet can't be written: .*[Nn]o space left"):
        write_parquet(path, frame)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_could_not_be_written_is_not_kept_in_memory_either(tmp_path: Path) -> None:
    writer = store(tmp_path)
    writer.append(BTC, "bars", "1d", bars([100.0]))
    blocked = tmp_path / FOLDER / f".2024.parquet.{os.getpid()}.part"
    blocked.mkdir()
    with pytest.raises(BadData):
        writer.append(BTC, "bars", "1d", bars([None, 101.0]))

    assert writer.read(BTC, "bars", "1d").equals(bars([100.0]))

    blocked.rmdir()
    writer.append(BTC, "bars", "1d", bars([None, 101.0]))

    assert kept(tmp_path).equals(bars([100.0, 101.0]))


# Read-only.


def test_a_read_only_store_keeps_in_memory_and_never_writes(tmp_path: Path) -> None:
    store(tmp_path).append(BTC, "bars", "1d", bars([100.0]))
    before = files(tmp_path)
    reader = store(tmp_path, read_only=True)
    reader.append(BTC, "bars", "1d", bars([None, 101.0]))
    reader.append(ETH, "bars", "1d", bars([7.0]))

    assert reader.read(BTC, "bars", "1d").equals(bars([100.0, 101.0]))
    assert files(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["BTC-USDT_USDT"]


def test_a_store_that_forgets_sees_what_another_has_written(tmp_path: Path) -> None:
    reader = store(tmp_path, read_only=True)
    assert reader.read(BTC, "bars", "1d").height == 0
    store(tmp_path).append(BTC, "bars", "1d", bars([100.0]))
    assert reader.read(BTC, "bars", "1d").height == 0
    reader.forget()

    assert reader.read(BTC, "bars", "1d").equals(bars([100.0]))
