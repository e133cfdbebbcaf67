"""
``[alerts]``: where alerts go, which ones, and how often a standing one is repeated.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from hedged.core.alerts import Kind, Severity
from hedged.settings.kinds import Duration, Section

REPEAT_MIN = timedelta(minutes=15)

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://\S+$")


def _lines(value: Any) -> Any:
    """One address a line, as a file of secrets or an environment variable has them."""
    return tuple(value.split()) if isinstance(value, str) else value


class Alerts(Section):
    """The table; every address is a secret, for most hold a token."""

    urls: Annotated[tuple[SecretStr, ...], BeforeValidator(_lines)] = Field(
        (), description="addresses as Apprise writes them, such as tgram://TOKEN/CHAT"
    )
    kinds: frozenset[Kind] | None = Field(None, description="only these kinds; none: all of them")
    severity_min: Severity = Field("info", description="info, warning or critical, and what is graver")
    repeat_after: Duration = Field(
        timedelta(hours=6), description="how often a condition that stands is told again"
    )

    @field_validator("urls")
    @classmethod
    def _addresses(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for i, url in enumerate(value, start=1):
            if not _URL.match(url.get_secret_value()):
                raise ValueError(
                    f"entry {i} is no address such as 'tgram://TOKEN/CHAT' (not shown here)"
                )
        if len({url.get_secret_value() for url in value}) < len(value):
            raise ValueError("two entries are the same")
        return value

    @field_validator("repeat_after")
    @classmethod
    def _seldom(cls, value: timedelta) -> timedelta:
        if value < REPEAT_MIN:
            raise ValueError("write at least '15m'")
        return value
