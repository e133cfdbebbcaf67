"""What reaches the service manager, through real sockets."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hedged.service.notify import FEED_S_MAX, Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A manager's socket with the name that ``NOTIFY_SOCKET`` has."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@hedged-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        heard.settimeout(5)
        yield name, heard


def test_what_is_told_arrives_in_one_datagram(manager: tuple[str, socket.socket]) -> None:
    name, heard = manager

    assert Notifier(name).tell(READY="1", STATUS="paper; two\nlines\tof é")
    assert heard.recv(4096).decode() == "READY=1\nSTATUS=paper; two lines of é\n"


def test_a_status_can_tell_nothing_but_a_status(manager: tuple[str, socket.socket]) -> None:
    name, heard = manager
    Notifier(name).tell(STATUS="x\nMAINPID=1\r\nSTOPPING=1")

    assert heard.recv(4096).decode().splitlines() == ["STATUS=x MAINPID=1 STOPPING=1"]


def test_without_a_manager_nobody_is_told_and_all_is_well() -> None:
    assert Notifier.of({}).tell(READY="1")
    assert Notifier.of({"NOTIFY_SOCKET": ""}).address is None


def test_a_manager_that_is_gone_is_no_error_and_not_told(tmp_path: Path) -> None:
    assert not Notifier(str(tmp_path / "gone")).tell(READY="1")


def test_a_manager_whose_queue_is_full_is_not_waited_for(tmp_path: Path) -> None:
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(name)
        before, told = time.monotonic(), 0
        while Notifier(name).tell(STATUS="x" * 1000):
            told += 1
        took_s = time.monotonic() - before

    assert told
    assert took_s < 1


@pytest.mark.parametrize(
    ("environ", "feed_s"),
    [
        ({}, FEED_S_MAX),
        ({"WATCHDOG_USEC": "60000000"}, 20),
        ({"WATCHDOG_USEC": "30000000"}, 10),
        ({"WATCHDOG_USEC": "600000000"}, FEED_S_MAX),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 10),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, FEED_S_MAX),
        ({"WATCHDOG_USEC": "0"}, FEED_S_MAX),
        ({"WATCHDOG_USEC": "soon"}, FEED_S_MAX),
    ],
)
def test_it_is_fed_three_times_before_it_bites(environ: dict[str, str], feed_s: float) -> None:
    assert Notifier.of(environ).feed_s == feed_s
