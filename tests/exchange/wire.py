"""
A request and a reply as plain values, and how the reply is delivered.

A dialect turns a `Call` into a `Reply`; the transport, a socket or none, carries the `Delivery`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import parse_qsl

Manner = Literal["whole", "none", "reset", "close", "half_header", "truncated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request; *path* without the host, *query* and *body* as sent, header names lower case."""

    method: str
    host: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def params(self) -> dict[str, str]:
        """Query and form, or the JSON body's fields as text."""
        text = self.body.decode(errors="replace")
        if text.startswith("{"):
            fields = json.loads(text)
            return {**dict(parse_qsl(self.query)), **{k: as_text(v) for k, v in fields.items()}}
        return dict(parse_qsl(self.query, keep_blank_values=True)) | dict(
            parse_qsl(text, keep_blank_values=True)
        )

    @property
    def place(self) -> str:
        """``fapi.binance.com/fapi/v1/order``: what fault patterns and the recorder look at."""
        return f"{self.host}{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """
    An answer: *body* is JSON to be, or text as it is.

    *refused* is the engine's word for a refusal, for those who wait for one (a late landing).
    """

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    refused: str = ""

    def payload(self) -> bytes:
        if isinstance(self.body, str):
            return self.body.encode()
        return json.dumps(self.body, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A reply and the manner in which it arrives, or does not."""

    reply: Reply
    manner: Manner = "whole"


class Params:
    """A request's parameters as the venues read them. *missing* and *malformed* make the errors."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values

    def text(self, name: str, default: str = "") -> str:
        return self.values.get(name) or default

    def need(self, name: str) -> str:
        """Raises `Missing`."""
        value = self.values.get(name)
        if not value:
            raise Missing(name)
        return value

    def whole(self, name: str, default: int) -> int:
        """Raises `Malformed`."""
        value = self.values.get(name)
        if not value:
            return default
        if not value.lstrip("-").isdigit():
            raise Malformed(name)
        return int(value)

    def decimal(self, name: str) -> Decimal | None:
        """Raises `Malformed`."""
        value = self.values.get(name)
        if not value:
            return None
        try:
            number = Decimal(value)
        except ArithmeticError:
            raise Malformed(name) from None
        if not number.is_finite():
            raise Malformed(name)
        return number

    def flag(self, name: str) -> bool:
        return self.values.get(name, "").lower() == "true"

    def moment(self, name: str) -> datetime | None:
        """A stamp in milliseconds. Raises `Malformed`."""
        return from_millis(self.whole(name, 0)) if self.values.get(name) else None


class Missing(Exception):
    """A mandatory parameter was not sent."""


class Malformed(Exception):
    """A parameter can't be read."""


def millis(at: datetime) -> int:
    """Milliseconds since the epoch, without a float between."""
    span = at - datetime(1970, 1, 1, tzinfo=UTC)
    return span.days * 86_400_000 + span.seconds * 1000 + span.microseconds // 1000


def from_millis(stamp: int) -> datetime:
    return datetime.fromtimestamp(stamp // 1000, UTC).replace(microsecond=stamp % 1000 * 1000)


def plain(number: Decimal) -> str:
    """A number without an exponent and without trailing zeros: ``0.1``, ``0``, ``100``."""
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def fixed(number: Decimal, places: int = 8) -> str:
    """A number with *places* decimals: ``0.10000000``."""
    return f"{number:.{places}f}"


def decimals(step: Decimal) -> int:
    """Decimals of a step: 0.001 has 3, 10 has 0."""
    return max(0, -int(step.normalize().as_tuple().exponent))


def as_text(value: Any) -> str:
    """A JSON value as a form would have sent it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
