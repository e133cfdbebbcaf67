"""From alerts that wait to messages: few are sent as they are, many as one digest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import MONDAY
from hedged.core.alerts import SEVERITIES, Alert
from hedged.core.messages import DIGEST_FROM, DIGEST_LINES_MAX, messages


def alert(n: int = 0, **changed: Any) -> Alert:
    plain: dict[str, Any] = {
        "mode": "live",
        "scope": "main",
        "kind": "hold",
        "severity": "warning",
        "key": f"main/hold {n}",
        "what": f"HOLD number {n}",
        "text": "Nothing is traded.",
        "at": MONDAY + timedelta(minutes=n),
    }
    return Alert(**plain | changed)


def test_a_few_alerts_are_a_message_each_in_order() -> None:
    made = messages([alert(1), alert(2)])

    assert [message.title for message in made] == [
        "[live] main: HOLD number 1",
        "[live] main: HOLD number 2",
    ]
    assert made[0].text == "Nothing is traded.\n2024-01-01 00:01 UTC"
    assert made[0].severity == "warning"


def test_a_thousand_alerts_are_one_digest_with_the_gravest_first() -> None:
    waiting = [alert(n) for n in range(999)]
    waiting.insert(700, alert(7000, severity="critical", what="LIQUIDATED"))
    (digest,) = messages(waiting)
    lines = digest.text.splitlines()

    assert digest.title == "[live] 1000 alerts: 1 critical, 999 warning"
    assert lines[0] == "[live] main: LIQUIDATED"
    assert lines[-2] == f"and {1000 - DIGEST_LINES_MAX} more"
    assert len(lines) == DIGEST_LINES_MAX + 2
    assert (digest.severity, digest.alerts) == ("critical", 1000)


def test_what_is_the_same_is_one_line_with_its_count() -> None:
    (digest,) = messages([alert(n, what="HOLD") for n in range(DIGEST_FROM)])

    assert digest.text.splitlines()[0] == f"[live] main: HOLD (x{DIGEST_FROM})"
    assert "2024-01-01 00:00 to 2024-01-01 00:05 UTC" in digest.text


@given(st.lists(st.sampled_from(SEVERITIES), max_size=60))
def test_every_alert_is_told_of_once_and_the_gravest_is_never_hidden(severities: list[Any]) -> None:
    waiting = [alert(n, severity=severity) for n, severity in enumerate(severities)]
    made = messages(waiting)

    assert sum(message.alerts for message in made) == len(waiting)
    if waiting:
        gravest = max(severities, key=SEVERITIES.index)
        assert gravest in {message.severity for message in made}
        assert len(made) < DIGEST_FROM


@pytest.mark.parametrize("count", [DIGEST_FROM - 1, DIGEST_FROM])
def test_the_digest_begins_where_it_says(count: int) -> None:
    assert len(messages([alert(n) for n in range(count)])) == (count if count < DIGEST_FROM else 1)
