"""A channel: what it sends, why it did not, and that its address stays a secret."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from typing import ClassVar

import pytest

from hedged.alerts.channels import HANGING_MAX, Channel
from webhooks import TOKEN, Webhook, dead


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with Webhook() as made:
        yield made


async def test_a_message_arrives_as_it_was_written(hook: Webhook) -> None:
    text = "close < sma_50 & more\nsecond line"
    error = await Channel(1, hook.url).send("[live] main: hedge raised 20% -> 50%", text, "critical")
    (posted,) = hook.posted

    assert error == ""
    assert posted["title"] == "[live] main: hedge raised 20% -> 50%"
    assert posted["message"] == text
    assert posted["type"] == "failure"


async def test_a_refusal_says_why_and_nothing_of_the_address(hook: Webhook) -> None:
    hook.status = 403
    error = await Channel(1, hook.url).send("title", "text", "info")

    assert "error=403" in error
    assert TOKEN not in error


async def test_a_dead_channel_fails_and_says_so() -> None:
    error = await Channel(2, dead()).send("title", "text", "info")

    assert "Connection error" in error
    assert TOKEN not in error


async def test_a_channel_that_hangs_is_cut_off_and_later_not_asked_any_more(hook: Webhook) -> None:
    hook.hangs = True
    channel = Channel(1, hook.url, cut_off_s=0.05)
    began = time.monotonic()
    errors = [await channel.send("title", "text", "info") for _ in range(HANGING_MAX + 1)]

    assert errors == ["no answer within 0.05 s"] * HANGING_MAX + ["3 earlier messages still hang"]
    assert time.monotonic() - began < 2
    hanging = [t for t in threading.enumerate() if t.name.startswith("alert channel")]
    assert all(thread.daemon for thread in hanging)


async def test_the_loop_goes_on_while_a_channel_hangs(hook: Webhook) -> None:
    hook.hangs = True
    sending = asyncio.create_task(Channel(1, hook.url, cut_off_s=0.3).send("title", "text", "info"))
    turns = 0
    while not sending.done():
        await asyncio.sleep(0.01)
        turns += 1

    assert turns >= 10


async def test_an_address_that_nobody_knows_is_told_when_it_is_used() -> None:
    channel = Channel(3, "carrierpigeon://canary-Token-4711")

    assert not channel.usable
    assert "does not know" in await channel.send("title", "text", "info")


async def test_what_the_library_logs_reaches_neither_the_log_nor_the_terminal(
    hook: Webhook, capfd: pytest.CaptureFixture[str]
) -> None:
    class Root(logging.Handler):
        lines: ClassVar[list[str]] = []

        def emit(self, record: logging.LogRecord) -> None:
            if record.name.startswith("apprise"):
                self.lines.append(record.getMessage())

    hook.status = 500
    handler = Root()
    logging.getLogger().addHandler(handler)
    try:
        await Channel(1, hook.url).send("title", "text", "info")
        await Channel(2, dead()).send("title", "text", "info")
        Channel(3, "carrierpigeon://canary-Token-4711")
    finally:
        logging.getLogger().removeHandler(handler)

    assert handler.lines == []
    assert TOKEN not in "".join(capfd.readouterr())


def test_a_name_tells_nothing_and_a_label_only_the_kind(hook: Webhook) -> None:
    one, same, other = Channel(1, hook.url), Channel(2, hook.url), Channel(1, f"{hook.url}x")

    assert one.name == same.name != other.name
    assert TOKEN not in one.name
    assert one.label == "1 (json)"
