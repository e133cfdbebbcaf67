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
import shutil
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
_INDENT = "    "
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Redactor:
    """Replaces secrets in a rendered line: raw, JSON-escaped, URL-quoted, base64 and hexadecimal."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: list[str] = []
        self.know(secrets)

    def know(self, secrets: Iterable[str]) -> None:
        """From here on these are the secrets."""
        found = {form for secret in secrets for form in _forms(secret)}
        self._forms = sorted(found, key=len, reverse=True)

    def __call__(self, line: str) -> str:
        for form in self._forms:
            line = line.replace(form, HIDDEN)
        return line


_known = Redactor()


def redacted(text: str) -> str:
    """*text* without the secrets that `configure` was told: for what is printed or kept, not logged."""
    return _known(text)


def _forms(secret: str) -> set[str]:
    if len(secret) < SECRET_LENGTH_MIN:
        return {secret} if secret else set()
    raw = secret.encode()
    said = _spoken(secret)
    for form in tuple(said):  # a body of JSON within a line of JSON, a repr within a repr
        said |= _spoken(form)
    encoded = {form for form in _in_base64(raw) if len(form) >= SECRET_LENGTH_MIN}
    return said | encoded | {quote(secret, safe=""), quote_plus(secret), raw.hex(), raw.hex().upper()}


def _in_base64(raw: bytes) -> set[str]:
    """*raw* alone, and what can be told of it amid other bytes, as in the header ``user:password``."""
    found = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        found.add(encode(raw).decode().rstrip("="))
        for before in range(3):  # a character of base64 tells of 6 bits: the outer ones are shared
            encoded = encode(bytes(before) + raw).decode().rstrip("=")
            shared = (before + len(raw)) % 3 != 0
            found.add(encoded[(0, 2, 3)[before] : len(encoded) - shared])
    return found


def _spoken(text: str) -> set[str]:
    """*text* as it stands, and as JSON and Python write it between quotes."""
    written = (json.dumps(text), json.dumps(text, ensure_ascii=False), repr(text))
    return {text, *(form[1:-1] for form in written)}


def secrets_in(url: str) -> list[str]:
    """
    What must be hidden of an address beside the whole of it, for a library may print a part: who
    signs on, what looks like a token in the path or the query, and a host that is none.
    """
    # Taken apart as it stands, for a password may have a quoted slash.
    head, *tail = url.partition("://")[2].replace("?", "/").split("/")
    user, _, host = head.rpartition("@")
    signed, tail = [unquote(part) for part in re.split(r"[:@]", user)], [unquote(part) for part in tail]
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
    _known.know(secrets)
    plain = style == "console" or (style == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
    ]
    if plain:
        shared.append(structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=True))
        render: Processor = structlog.dev.ConsoleRenderer(
            colors=out.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
            pad_event_to=0,
            pad_level=False,
        )
    else:
        shared.append(structlog.processors.TimeStamper(fmt="iso", utc=True))
        shared.append(structlog.processors.format_exc_info)
        render = structlog.processors.JSONRenderer(default=str)

    def render_redacted(logger: WrappedLogger, name: str, event: EventDict) -> str:
        line = redacted(str(render(logger, name, event)))
        return folded(line, shutil.get_terminal_size().columns) if plain and out.isatty() else line

    structlog.configure(
        processors=[*shared, render_redacted],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", out)),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Handed()], level=logging.WARNING, force=True)
    sys.excepthook = lambda kind, error, trace: structlog.get_logger().critical(
        "unexpected", exc_info=(kind, error, trace)
    )


def folded(text: str, width: int) -> str:
    """
    The first line of *text* in lines of at most *width* characters, broken at blanks, the later ones
    indented; a longer word and a traceback stay whole. Only after it was redacted: a secret with a
    line break in it would not be found.
    """
    first, newline, rest = text.partition("\n")
    lines: list[str] = []
    for word in first.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and len(COLOUR.sub("", longer)) > width:
            lines.append(_INDENT + word)
        else:
            lines[-1:] = [longer]
    return "\n".join(lines) + newline + rest


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
