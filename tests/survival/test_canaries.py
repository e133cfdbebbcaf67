"""No secret, in no form, in anything that the daemon prints, logs or keeps, whatever goes wrong."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import pytest

from commands import answer
from exchange.running import Running, running
from hedged.venue import retry
from hedged.venue.binance.dialect import Binance
from survival.canaries import CANARIES, SHORTEST, forms, scan
from survival.world import ORDER, World

VENUES = ("binance", "bybit")
PAIRS = tuple(zip(CANARIES[:6], CANARIES[6:], strict=True))
"""A key and its secret; six accounts for the twelve canaries."""

READING = {"binance": "*/account*", "bybit": "*/account/*"}
KEY_IN = {"binance": "x-mbx-apikey", "bybit": "x-bapi-api-key"}
LOOKING = (
    ("explain",), ("explain", "--json"), ("status",), ("status", "--json"), ("journal", "verify"),
    ("journal", "replay"), ("config", "show"), ("config", "show", "--json"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that fails is tried again after real seconds."""
    monkeypatch.setattr(retry, "ATTEMPTS_MAX", 1)


@contextmanager
def account(folder: Path, venue: str, key: str, secret: str) -> Iterator[World]:
    """An account whose key and secret are canaries, and the settings that name them."""
    with running(venue, "--deposit", "500000", "--key", key, "--secret", secret) as exchange:
        lived = World(folder, exchange)
        lived.hold(Decimal(1), key=key, secret=secret)
        yield lived


EACH_ONCE = [(VENUES[place % 2], pair) for place, pair in enumerate(PAIRS)]


@pytest.mark.parametrize(("venue", "pair"), EACH_ONCE, ids=range(6))
def test_no_secret_of_an_account_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, venue: str, pair: tuple[str, str]
) -> None:
    said: dict[str, str] = {}

    def hedged(*args: str) -> int:
        told = answer(monkeypatch, *args, "-c", str(tmp_path / "hedged.toml"))
        said[f"{len(said)} {' '.join(args)}"] = told.out + told.err
        return told.code

    with account(tmp_path, venue, *pair) as lived:
        control = lived.exchange.control
        control("fault", name="echo", path=READING[venue], count=None)
        failed = [hedged("check"), hedged("plan"), hedged("run", "--once", "--live")]
        control("clear_faults")
        control("fault", name="echo", method="POST", path=ORDER[venue])
        hedged("run", "--once", "--live", "--json")
        for args in LOOKING:
            hedged(*args)

    texts = "".join(said.values())
    assert all(failed)
    assert texts.count(KEY_IN[venue]) >= 3, "the exchange told its request back, and it was passed on"
    assert scan([tmp_path / "state"], pair, said) == []


def test_a_traceback_tells_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an unexpected error says: in the log, on the screen, in the reason of the freeze."""
    key, secret = PAIRS[0]

    async def broken(*_: object) -> None:
        held = {"apiKey": key, "secret": secret}
        raise KeyError(f"{held} {quote(secret)} {base64.b64encode(key.encode()).decode()}")

    with account(tmp_path, "binance", key, secret) as lived:
        monkeypatch.setattr(Binance, "account", broken)
        ran = answer(monkeypatch, "run", "--once", "--live", "-c", str(lived.settings))
        shown = answer(monkeypatch, "status", "-c", str(lived.settings))

    said = {"run": ran.out + ran.err, "status": shown.out + shown.err}
    assert ran.code != 0
    assert "Traceback" in ran.err
    assert scan([tmp_path / "state"], (key, secret), said) == []


def test_no_secret_is_in_the_arguments_or_the_output_of_the_process(tmp_path: Path) -> None:
    key, secret = PAIRS[1]
    with account(tmp_path, "binance", key, secret) as lived:
        lived.exchange.control("fault", name="echo", path=READING["binance"], count=None)
        daemon = lived.start()
        assert lived.arrived("*", "*", 1, 30)
        arguments = Path(f"/proc/{daemon.process.pid}/cmdline")
        argv = arguments.read_bytes().decode() if arguments.exists() else ""
        environ = Path(f"/proc/{daemon.process.pid}/environ")
        given = environ.read_bytes().decode(errors="replace") if environ.exists() else ""
        while "HTTP 500" not in daemon.said() and daemon.runs() and daemon.age_s < 60:
            threading.Event().wait(0.05)
        daemon.leave()

    assert "HTTP 500" in daemon.said()
    found = scan(
        [tmp_path / "state"], (key, secret), {"argv": argv, "env": given, "out": daemon.said()}
    )
    assert found == []


@contextmanager
def proxy(refused: list[bytes]) -> Iterator[int]:
    """A proxy that lets nobody pass and tells the request back; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client:
                    asked_for = client.recv(65_536)
                    refused.append(asked_for)
                    head = f"HTTP/1.1 407 No\r\nContent-Length: {len(asked_for)}\r\n"
                    client.sendall(
                        head.encode() + b"X-Asked: " + asked_for[:200].replace(b"\r\n", b" ")
                    )
                    client.sendall(b"\r\n\r\n" + asked_for)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize("canary", [CANARIES[0], CANARIES[5], CANARIES[8]])
@pytest.mark.parametrize("kind", ["https_proxy", "socks_proxy"])
def test_no_password_of_a_proxy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, canary: str
) -> None:
    refused: list[bytes] = []
    lived = World(tmp_path, Running("binance", ""))
    with proxy(refused) as port:
        scheme = "http" if kind == "https_proxy" else "socks5"
        lived.hold(
            Decimal(1), way=f'{kind} = "{scheme}://me:{quote(canary, safe="")}@127.0.0.1:{port}"'
        )
        told = {
            " ".join(args): answer(monkeypatch, *args, "-c", lived.settings)
            for args in (("config", "show"), ("config", "show", "--json"), ("check",), ("plan",))
        }

    assert refused
    assert told["check"].code
    assert told["plan"].code
    said = {args: one.out + one.err for args, one in told.items()}
    assert scan([], [canary], said) == []


@pytest.mark.parametrize(
    "wrong",
    [
        'api_key = ["{}"]',
        'api_key = {{ text = "{}" }}',
        'api_secrt = "{}"',
        'api_key = "{}',
        'uid = ["{}"]',
    ],
)
def test_settings_that_can_not_be_read_are_not_told_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    canary, lived = CANARIES[0], World(tmp_path, Running("binance", "http://127.0.0.1:1"))
    lived.hold(Decimal(1))
    text = lived.settings.read_text().replace(
        "[account.main]", "[account.other]\n" + wrong.format(canary)
    )
    lived.settings.write_text(text)
    told = [
        answer(monkeypatch, *args, "-c", lived.settings) for args in (("check",), ("config", "show"))
    ]

    assert all(one.code for one in told)
    assert scan([], [canary], {str(i): one.out + one.err for i, one in enumerate(told)}) == []


WRITTEN: dict[str, Callable[[str], str]] = {
    "raw": str,
    "url": lambda secret: f"https://x/?key={quote(secret, safe='')}&z=1",
    "hexadecimal": lambda secret: secret.encode().hex(),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 in a header": lambda secret: base64.b64encode(f"me:{secret}".encode()).decode(),
    "base64 before more": lambda secret: base64.b64encode(f"{secret}, and more".encode()).decode(),
    "JSON": json.dumps,
    "JSON in a line of JSON": lambda secret: json.dumps({"said": json.dumps({"key": secret})}),
    "a repr": repr,
}  # fmt: skip


@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("canary", CANARIES, ids=range(len(CANARIES)))
def test_the_look_finds_what_is_there(tmp_path: Path, how: str, canary: str) -> None:
    (tmp_path / "log").write_bytes(b"before " + WRITTEN[how](canary).encode() + b" after")

    assert scan([tmp_path], [canary])
    assert scan([], [canary], {"text": f"x{WRITTEN[how](canary)}y"})
    assert not scan([tmp_path], [other for other in CANARIES if other != canary])
    assert min(map(len, forms(canary).values())) >= SHORTEST
