"""
Structured logs on standard error: JSON lines for machines, colours for a terminal.

Enters events, which are nouns with fields; leaves lines in which every known secret has been
replaced, after tracebacks were rendered, whatever the encoding it turned up in.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TextIO, cast
from urllib.parse import quote, quote_plus, unquote

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "[hidden]"
SECRET_LENGTH_MIN = 6
TOKEN_LENGTH_MIN = 8


class Redactor:
    """Replaces secrets in a rendered line: raw, JSON-escaped, URL-quoted, base64 and hexadecimal."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {form for secret in secrets for form in _forms(secret)}
        self._forms = sorted(found, key=len, reverse=True)

    def __call__(self, line: str) -> str:
        for form in self._forms:
            line = line.replace(form, HIDDEN)
        return line


def _forms(secret: str) -> set[str]:
    if len(secret) < SECRET_LENGTH_MIN:
        return {secret} if secret else set()
    raw = secret.encode()
    said = _spoken(secret)
    for form in tuple(said):  # a body of JSON within a line of JSON, a repr within a repr
        said |= _spoken(form)
    binary = {base64.b64encode(raw), base64.urlsafe_b64encode(raw)}
    encoded = {form.decode().rstrip("=") for form in binary}
    return said | encoded | {quote(secret, safe=""), quote_plus(secret), raw.hex(), raw.hex().upper()}


def _spoken(text: str) -> set[str]:
    """*text* as it stands, and as JSON and Python write it between quotes."""
    written = (json.dumps(text), json.dumps(text, ensure_ascii=False), repr(text))
    return {text, *(form[1:-1] for form in written)}


def secrets_in(url: str) -> list[str]:
    """
    What must be hidden of an address beside the whole of it, for a library may print a part: who
    signs on, what looks like a token in the path or the query, and a host that is none.
    """
    head, *tail = unquote(url).partition("://")[2].replace("?", "/").split("/")
    user, _, host = head.rpartition("@")
    signed = re.split(r"[:@]", user)
    # tgram://TOKEN/CHAT and the like have a token where others have a host.
    hosts = (
        ()
        if re.fullmatch(r"(localhost|[^:]+\.[^:]+|\[.*\])(:\d+)?", host)
        else (host, *host.split(":"))
    )
    parts = [part for text in tail for part in re.split(r"[&=,]", text)]
    tokens = [part for part in parts if len(part) >= TOKEN_LENGTH_MIN and re.search(r"[^a-z]", part)]
    found = [*signed, *hosts, *tokens]
    return [part for part in dict.fromkeys(found) if len(part) >= SECRET_LENGTH_MIN]


def configure(level: str, style: str, secrets: Iterable[str], stream: TextIO | None = None) -> None:
    """Set logging up for the whole process; *style* is ``auto``, ``json`` or ``console``."""
    out = _Sink(stream or sys.stderr)
    redact = Redactor(secrets)
    plain = style == "console" or (style == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if plain:
        render: Processor = structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    else:
        shared.append(structlog.processors.format_exc_info)
        render = structlog.processors.JSONRenderer(default=str)

    def redacted(logger: WrappedLogger, name: str, event: EventDict) -> str:
        return redact(str(render(logger, name, event)))

    structlog.configure(
        processors=[*shared, redacted],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", out)),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Handed()], level=logging.WARNING, force=True)
    sys.excepthook = lambda kind, error, trace: structlog.get_logger().critical(
        "unexpected", exc_info=(kind, error, trace)
    )


class _Sink:
    """A stream whose reader may go away: the log tells of the daemon, and must not end it."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def isatty(self) -> bool:
        return self.stream.isatty()

    def write(self, text: str) -> int:
        with suppress(OSError):
            return self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self.stream.flush()


class _Handed(logging.Handler):
    """Hands what libraries log to the same pipeline, so that it is redacted too."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = f"{record.msg} {record.args}"
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        event = structlog.get_logger(library=record.name)
        event.log(level, message, exc_info=record.exc_info)
