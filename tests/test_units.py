"""systemd/: the unit is as tight as it says, fits the daemon, and lets it work."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from confined import values
from exchange.running import Running, running
from hedged.cli import exits
from hedged.service.loop import LEAVE_S_MAX
from hedged.service.notify import FEED_S_MAX
from hedged.service.watchdog import PASS_TIME_MAX
from hedged.settings.load import load

ROOT = Path(__file__).parent.parent
SYSTEMD = ROOT / "systemd"
UNIT = SYSTEMD / "hedged@.service"
KEYS, LIVE, ALERTS = (SYSTEMD / f"{name}.conf" for name in ("keys", "live", "alerts"))
EXPOSURE_MAX = 12  # tenths
DAY_MS, MINUTE_MS = 86_400_000, 60_000
USES = ("paper", "alert", "live")

analyzed = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
seccomp = pytest.mark.skipif(ctypes.util.find_library("seccomp") is None, reason="no libseccomp here")


def installed(folder: Path, use: str) -> Path:
    """The unit of one use with its drop-ins, the command in it replaced by one that is here."""
    text = UNIT.read_text().replace("/opt/hedged/bin/hedged", sys.executable)
    unit = folder / f"hedged@{use}.service"
    unit.write_text(text)
    parts = {"paper": (), "alert": (KEYS,), "live": (KEYS, LIVE)}[use]
    for part in parts:
        place = folder / f"hedged@{use}.service.d" / part.name
        place.parent.mkdir(exist_ok=True)
        place.write_text(part.read_text().replace("/opt/hedged/bin/hedged", sys.executable))
    return unit


def analyze(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *map(str, args)], capture_output=True, text=True, check=False
    )


@analyzed
@pytest.mark.parametrize("use", USES)
def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path, use: str) -> None:
    found = analyze("verify", "--man=no", installed(tmp_path, use))

    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@analyzed
@pytest.mark.parametrize("use", USES)
def test_its_exposure_is_at_most_as_told(tmp_path: Path, use: str) -> None:
    unit = installed(tmp_path, use)
    asked = ("security", "--offline=true", "--no-pager")

    assert analyze(*asked, f"--threshold={EXPOSURE_MAX}", unit).returncode == 0
    assert analyze(*asked, "--threshold=5", unit).returncode != 0  # so the threshold means something


def traded(exchange: Running) -> None:
    """Twelve flat days, the last minutes of them traded, and a settled funding."""
    now = exchange.control("state")["now_ms"]
    today, minute = now // DAY_MS * DAY_MS, now // MINUTE_MS * MINUTE_MS
    opened = [today - i * DAY_MS for i in range(12, 0, -1)]
    opened += [minute - i * MINUTE_MS for i in range(6, 0, -1)]
    bars = [[at, "60000", "60000", "60000", "60000", "100"] for at in opened]
    exchange.control("candles", symbol="BTCUSDT", bars=bars)
    exchange.control("funding", symbol="BTCUSDT", rate="0.0001", at_ms=minute)


@analyzed
@seccomp
def test_the_daemon_works_under_what_the_unit_denies(tmp_path: Path) -> None:
    """A whole pass on an exchange's prices: ccxt, Polars, TA-Lib and SQLite in the sandbox."""
    with running("binance", "--rights", "read") as exchange:
        traded(exchange)
        config = tmp_path / "paper.toml"
        config.write_text(f"""
[service]
state_dir = "state"
[venue]
kind = "binance"
endpoint = "{exchange.url}"
[paper]
collateral = 20_000
[hedge]
legs = [{{ symbol = "BTC/USDT:USDT" }}]
initial_ratio = 0.5
[[portfolio]]
name = "main"
account = "paper"
holding = [{{ asset = "BTC", quantity = 0.5 }}]
[[rule]]
name = "falling"
when = "close < sma_5 or doji_3"
raise_to = 0.75
""")
        unit = tmp_path / "hedged.service"
        unit.write_text(UNIT.read_text().replace("%S/hedged/%i", str(tmp_path / "state")))
        command = [sys.executable, "-m", "hedged", "run", "--once", "-c", str(config)]
        confined = [sys.executable, "-m", "confined", str(unit)]
        path = os.pathsep.join((str(ROOT / "daemon"), str(ROOT / "tests")))
        environ = {**os.environ, "PYTHONPATH": path}
        ran, denied = (
            subprocess.run(
                [*confined, *asked],
                env=environ,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            for asked in (command, [sys.executable, "-c", "import os; os.nice(-1)"])
        )

    assert ran.returncode in (exits.DONE, exits.HELD), ran.stderr
    assert "review of" in ran.stdout
    assert (tmp_path / "state" / "journal.sqlite").exists()
    assert "PermissionError" in denied.stderr


def test_its_times_fit_the_daemons() -> None:
    (watchdog,), (stop,) = values(UNIT, "WatchdogSec"), values(UNIT, "TimeoutStopSec")
    (start,) = values(UNIT, "TimeoutStartSec")

    assert float(watchdog) == 60 >= 3 * FEED_S_MAX
    assert float(stop) >= LEAVE_S_MAX + 10
    assert float(start.removesuffix("min")) * 60 > PASS_TIME_MAX.total_seconds()


def test_it_starts_again_after_whatever_a_start_can_mend() -> None:
    (never,) = values(UNIT, "RestartPreventExitStatus")

    assert values(UNIT, "Restart") == ["on-failure"]
    assert values(UNIT, "StartLimitIntervalSec") == ["0"]
    assert {int(code) for code in never.split()} == {exits.USAGE, exits.SETTINGS}


def test_only_the_live_drop_in_sends_orders() -> None:
    assert [("--live" in line) for line in values(UNIT, "ExecStart")] == [False]
    assert values(LIVE, "ExecStart") == [
        "", values(UNIT, "ExecStart")[0].replace("hedged run", "hedged run --live")
    ]  # fmt: skip
    assert values(KEYS, "ExecStart") == []


def test_no_key_is_in_the_unit_or_its_environment() -> None:
    for file in (UNIT, KEYS, LIVE):
        for value in values(file, "Environment"):
            name, _, given = value.partition("=")
            assert "API" not in name or (name.endswith("_FILE") and given.startswith("%d/"))
    loaded = [value.partition(":") for value in values(KEYS, "LoadCredential")]
    named = {value.partition("=%d/")[2] for value in values(KEYS, "Environment")}

    assert {name for name, _, _ in loaded} == named
    assert all(path == f"/etc/hedged/keys/%i/{name}" for name, _, path in loaded)


def test_the_wired_credentials_are_settings_of_the_account(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    environ = {
        "CREDENTIALS_DIRECTORY": str(folder),
        "HEDGED__ACCOUNT__PAPER__FUTURES_WALLETS": "true",  # that of the portfolio, listed too
    }
    for value in values(KEYS, "Environment"):
        name, _, path = value.partition("=")
        file = Path(path.replace("%d", str(folder)))
        file.write_text("canary")
        file.chmod(0o440)
        environ[name] = str(file)
    account = load([ROOT / "config" / "replay.toml"], environ).settings.account["main"]

    assert account.api_key is not None
    assert account.api_secret is not None
    assert account.api_secret.get_secret_value() == "canary"


def test_the_wired_addresses_of_alerts_are_settings(tmp_path: Path) -> None:
    (credential,) = values(ALERTS, "LoadCredential")
    ((name, _, path),) = (value.partition("=") for value in values(ALERTS, "Environment"))
    file = tmp_path / path.removeprefix("%d/")
    file.write_text("json://127.0.0.1/canary\n")
    file.chmod(0o400)
    found = load([ROOT / "config" / "replay.toml"], {name: str(file)}).settings.alerts.urls

    assert credential == f"{file.name}:/etc/hedged/keys/%i/{file.name}"
    assert [one.get_secret_value() for one in found] == ["json://127.0.0.1/canary"]


def test_a_command_at_an_instance_has_its_settings_its_state_and_its_keys(tmp_path: Path) -> None:
    keys = tmp_path / "keys" / "live"
    keys.mkdir(parents=True)
    for name in ("main.api_key", "main.api_secret", "my_two.api_key", "alerts.urls", "notes.txt"):
        (keys / name).touch()
    told = subprocess.run(
        ["/bin/sh", SYSTEMD / "hedged-at", "live", "-0"], text=True, capture_output=True, check=True,
        env={"PATH": os.environ["PATH"], "HEDGED_ETC": str(tmp_path), "HEDGED_BIN": "/usr/bin/env"},
    ).stdout.split("\0")  # fmt: skip

    assert {line for line in told if line.startswith(("HEDGED__", "HEDGED_CONFIG"))} == {
        f"HEDGED_CONFIG={tmp_path}/live.toml",
        "HEDGED__SERVICE__STATE_DIR=/var/lib/hedged/live",
        f"HEDGED__ACCOUNT__MAIN__API_KEY_FILE={keys}/main.api_key",
        f"HEDGED__ACCOUNT__MAIN__API_SECRET_FILE={keys}/main.api_secret",
        f"HEDGED__ACCOUNT__MY_TWO__API_KEY_FILE={keys}/my_two.api_key",
        f"HEDGED__ALERTS__URLS_FILE={keys}/alerts.urls",
    }
