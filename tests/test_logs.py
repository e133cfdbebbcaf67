"""No secret leaves through the log, in whatever encoding and by whatever road."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

import pytest
import structlog

from hedged import logs

# As long as an exchange's keys, and with all that an encoding may touch.
PLAIN = "Kq7aB3xZ9LmW2nP4rT6vY8cD1eF5gH0jKq3sU7wX9zA2bC4dE6fG8hJ1kM5nQ0pR"
ODD = 'pa"ss\\wo/rd +é&canary'
STYLES = ("json", "console")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root, hook = logging.getLogger(), sys.excepthook
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], sys.excepthook = handlers, hook
    root.setLevel(level)
    structlog.contextvars.clear_contextvars()


def logged(style: str, say: Callable[[], object], *secrets: str, level: str = "debug") -> str:
    """All that is logged while *say* runs."""
    out = io.StringIO()
    logs.configure(level, style, secrets, out)
    say()
    return out.getvalue()


def fail_with(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


def assert_hidden(text: str, secret: str) -> None:
    """Not even a part of *secret* is in *text*, also where a box wraps or shortens it."""
    parts = {secret[i : i + 10] for i in range(len(secret) - 9)}
    leaked = sorted(part for part in parts if part in text)

    assert not leaked
    assert logs.HIDDEN in text


def encodings(secret: str) -> dict[str, str]:
    raw = secret.encode()
    return {
        "raw": secret,
        "json": json.dumps(secret),
        "json kept wide": json.dumps(secret, ensure_ascii=False),
        "repr": repr(secret),
        "url": quote(secret, safe=""),
        "form": quote_plus(secret),
        "base64": base64.b64encode(raw).decode(),
        "base64 after a name": base64.b64encode(b"me:" + raw).decode(),
        "base64 before more": base64.b64encode(b"a" + raw + b"; and more").decode(),
        "base64 for urls": base64.urlsafe_b64encode(raw).decode(),
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
    }


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("secret", [PLAIN, ODD])
@pytest.mark.parametrize("name", list(encodings(PLAIN)))
def test_every_encoding_of_a_secret_is_hidden_in_messages_and_fields(
    style: str, secret: str, name: str
) -> None:
    encoded = encodings(secret)[name]
    log = structlog.get_logger()
    for text in (
        logged(style, lambda: log.info(f"sent {encoded} off"), secret),
        logged(style, lambda: log.info("sent", field=encoded), secret),
        logged(style, lambda: log.info("sent", deep={"headers": [{"sign": encoded}]}), secret),
    ):
        inner = encoded[2:-2] if name in ("json", "json kept wide", "repr") else encoded.rstrip("=")

        assert inner not in text
        assert json.dumps(inner)[1:-1] not in text
        assert repr(inner)[1:-1] not in text
        assert logs.HIDDEN in text


@pytest.mark.parametrize("style", STYLES)
def test_a_traceback_shows_no_secret_not_even_a_part_of_one(style: str) -> None:
    def fail() -> None:
        request = {"headers": {"X-KEY": PLAIN}, "nested": [{"url": f"https://host/?key={PLAIN}"}]}
        try:
            fail_with(ValueError(f"refused: {request}"))
        except ValueError as error:
            try:
                fail_with(RuntimeError("while sending"), error)
            except RuntimeError:
                structlog.get_logger().exception("unexpected")

    text = logged(style, fail, PLAIN)

    assert_hidden(text, PLAIN)
    assert "while sending" in text


@pytest.mark.parametrize("style", STYLES)
def test_a_traceback_shows_no_values_of_variables(style: str) -> None:
    def fail() -> None:
        holding_nobody_must_know = "41.999 coins"
        try:
            fail_with(ValueError(len(holding_nobody_must_know)))
        except ValueError:
            structlog.get_logger().exception("unexpected")

    assert "41.999 coins" not in logged(style, fail).replace('= "41.999 coins"', "")


@pytest.mark.parametrize("style", STYLES)
def test_what_libraries_log_is_hidden_too(style: str) -> None:
    def fail() -> None:
        library = logging.getLogger("ccxt.base")
        library.warning("GET https://host/?key=%s", PLAIN)
        try:
            fail_with(ValueError(PLAIN))
        except ValueError:
            library.exception("request %s failed", PLAIN)

    text = logged(style, fail, PLAIN)

    assert_hidden(text, PLAIN)
    assert "ccxt.base" in text


@pytest.mark.parametrize("style", STYLES)
def test_an_error_that_nobody_caught_is_hidden_too(style: str) -> None:
    def fail() -> None:
        try:
            fail_with(ValueError(PLAIN))
        except ValueError as error:
            sys.excepthook(type(error), error, error.__traceback__)

    assert_hidden(logged(style, fail, PLAIN), PLAIN)


def test_what_is_bound_to_a_cycle_is_hidden_and_stays_in_every_line() -> None:
    def say() -> None:
        structlog.contextvars.bind_contextvars(cycle_id="main/weekly", key=PLAIN)
        structlog.get_logger().info("order", filled=1)
        logging.getLogger("library").error("odd")

    lines = [json.loads(line) for line in logged("json", say, PLAIN).splitlines()]

    assert [line["cycle_id"] for line in lines] == ["main/weekly"] * 2
    assert {line["key"] for line in lines} == {logs.HIDDEN}


@pytest.mark.parametrize("style", STYLES)
def test_a_whole_log_holds_no_canary(style: str) -> None:
    secrets = [f"{PLAIN}{i}" for i in range(3)]

    async def lost() -> None:
        raise ValueError(secrets[0])

    async def loop() -> None:
        handler = asyncio.get_running_loop().call_exception_handler
        try:
            await lost()
        except ValueError as error:
            handler({"message": "Task exception was never retrieved", "exception": error})

    def work() -> None:
        log = structlog.get_logger().bind(account=secrets[1])
        log.debug("observed", payload={"key": secrets[0], secrets[1]: [secrets[2]]})
        log.warning("retried", error=ValueError(secrets[2]))
        for i, secret in enumerate(secrets):
            log.info("event %s", secret, place=i)
        thread = threading.Thread(target=lambda: log.error("thread", key=secrets[0].encode()))
        thread.start()
        thread.join()
        asyncio.run(loop())

    text = logged(style, work, *secrets)

    assert_hidden(text, PLAIN)
    assert len(text.splitlines()) > 6


def test_json_lines_stay_json_whatever_is_hidden_or_logged() -> None:
    def say() -> None:
        log = structlog.get_logger()
        log.info(ODD, field=ODD, other=object(), number=float("nan"), raw=ODD.encode())
        try:
            fail_with(ValueError(ODD))
        except ValueError:
            log.exception("failed", lines="a\nb")

    lines = logged("json", say, ODD).splitlines()

    assert [json.loads(line)["level"] for line in lines] == ["info", "error"]


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    text = logged("json", lambda: structlog.get_logger().info("x", a="abcdefgh-long-tail"), "abcdefgh",
                  "abcdefgh-long-tail")  # fmt: skip

    assert "tail" not in text


@pytest.mark.parametrize("secret", ["", "abc"])
def test_a_secret_too_short_to_encode_is_hidden_as_it_stands(secret: str) -> None:
    text = logged("json", lambda: structlog.get_logger().info("x", field="-abc-"), secret)

    assert json.loads(text)["field"] == ("-[hidden]-" if secret else "-abc-")


def test_lines_below_the_level_are_not_written() -> None:
    def say() -> None:
        log = structlog.get_logger()
        log.info("quiet")
        log.warning("loud")
        logging.getLogger("library").info("quiet too")

    lines = [json.loads(line)["event"] for line in logged("json", say, level="warning").splitlines()]

    assert lines == ["loud"]


@pytest.mark.parametrize("style", ["auto", "json"])
def test_a_log_that_is_no_terminal_is_json(style: str) -> None:
    assert json.loads(logged(style, lambda: structlog.get_logger().info("x")))["event"] == "x"


def test_a_library_s_own_level_does_not_raise_into_the_library() -> None:
    text = logged("json", lambda: logging.getLogger("library").log(35, "notice"))

    assert json.loads(text)["event"] == "notice"


def test_a_library_s_wrong_format_does_not_raise_into_the_library(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = ("%s and %s", "one")

    logged("json", lambda: logging.getLogger("library").warning(*wrong))


@pytest.mark.parametrize(
    ("url", "hidden"),
    [
        ("tgram://123456789:AbC_def-12/4711", ["123456789:AbC_def-12", "123456789", "AbC_def-12"]),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", ["T1JJ3T3L2", "A1BRTD4JD"]),
        ("mailto://me:swordfish@example.com?to=you@example.org", ["swordfish"]),
        ("json://localhost:8080/webhooks/alerts", []),
        ("json://10.0.0.1/webhooks", []),
        ("ntfy://my-own-topic", ["my-own-topic"]),
        ("json://host.example/pa%20ss-word", ["pa ss-word"]),
    ],
)
def test_the_parts_of_an_address_that_tell_something_are_hidden(url: str, hidden: list[str]) -> None:
    found = logs.secrets_in(url)

    assert set(hidden) <= set(found)
    assert {"localhost", "example.com", "webhooks", "alerts", "10.0.0.1"}.isdisjoint(found)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_lines_that_fit_and_no_word_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    out = Terminal()
    logs.configure("info", "auto", (), out)
    because = "no rule fired; planned, not sent: the target is 20%, and it is not fully executed yet"
    structlog.get_logger().info("cycle_recorded", because=because, head="0" * 64)
    lines = logs.COLOUR.sub("", out.getvalue()).splitlines()

    assert lines[0].endswith("[info] cycle_recorded because='no rule")
    assert all(line.startswith("    ") for line in lines[1:])
    assert all(len(line) <= 60 for line in lines[:-1])
    assert lines[-1] == f"    head={'0' * 64}"
    assert because in " ".join(line.strip() for line in lines)


def test_a_secret_is_hidden_before_its_line_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out, secret = Terminal(), "a pass phrase of many words"
    logs.configure("info", "console", (secret,), out)
    structlog.get_logger().info("said", what=secret)

    assert logs.HIDDEN in out.getvalue()
    assert "phrase" not in out.getvalue()


def test_a_traceback_keeps_its_lines() -> None:
    assert logs.folded("one two\nthree    four", 5) == "one\n    two\nthree    four"
