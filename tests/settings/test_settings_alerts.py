"""``[alerts]``: addresses are secrets wherever they come from, and what is doubtful is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from commands import DATA
from hedged.core.alerts import KINDS
from hedged.errors import SettingsError
from hedged.settings.load import Loaded, load
from hedged.settings.show import lines_of, secrets_of

TELEGRAM = "tgram://123456789:canary_Bot-Token/4711"
MAIL = "mailto://somebody:canarypassword@example.com?to=me@example.org,you@example.org"


def loaded(environ: dict[str, str]) -> Loaded:
    return load([DATA / "demo.toml"], environ)


def urls(environ: dict[str, str]) -> list[str]:
    return [url.get_secret_value() for url in loaded(environ).settings.alerts.urls]


def test_by_default_all_is_told_and_nobody_hears_it() -> None:
    alerts = loaded({}).settings.alerts

    assert (alerts.urls, alerts.kinds, alerts.severity_min) == ((), None, "info")
    assert alerts.repeat_after == timedelta(hours=6)


@pytest.mark.parametrize(
    "text", [f'["{TELEGRAM}", "{MAIL}"]', f"{TELEGRAM}\n{MAIL}", f"{TELEGRAM} {MAIL}"]
)
def test_addresses_come_from_the_environment(text: str) -> None:
    assert urls({"HEDGED__ALERTS__URLS": text}) == [TELEGRAM, MAIL]


def test_addresses_come_from_a_file_that_others_can_not_read(tmp_path: Path) -> None:
    file = tmp_path / "urls"
    file.write_text(f"{TELEGRAM}\n{MAIL}\n")
    file.chmod(0o600)
    found = urls({"HEDGED__ALERTS__URLS_FILE": str(file)})
    file.chmod(0o644)

    assert found == [TELEGRAM, MAIL]
    with pytest.raises(SettingsError, match="others can read"):
        urls({"HEDGED__ALERTS__URLS_FILE": str(file)})


@pytest.mark.parametrize(
    "text", ["canary-token", "tgram://", f'["{TELEGRAM}", "canary token"]', f"{MAIL} {MAIL}"]
)
def test_what_is_no_address_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(SettingsError, match=r"alerts\.urls") as raised:
        urls({"HEDGED__ALERTS__URLS": text})

    assert "canary" not in str(raised.value)


def test_no_address_is_shown_and_the_log_hides_its_parts_too() -> None:
    found = loaded({"HEDGED__ALERTS__URLS": f"{TELEGRAM} {MAIL}"})
    shown = {key: value for key, value, _ in lines_of(found)}
    secrets = secrets_of(found.settings)

    assert shown["alerts.urls.0"] == shown["alerts.urls.1"] == "[hidden]"
    assert "canary" not in str(shown) + repr(found)
    assert {TELEGRAM, MAIL, "123456789", "canary_Bot-Token", "canarypassword"} <= set(secrets)
    assert "example.com" not in secrets


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("REPEAT_AFTER", "5m", "at least '15m'"),
        ("SEVERITY_MIN", "loud", "critical"),
        ("KINDS", '["gossip"]', "liquidation"),
        ("URL", TELEGRAM, "did you mean 'urls'"),
    ],
)
def test_what_can_not_be_is_refused(key: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        loaded({f"HEDGED__ALERTS__{key}": value})


def test_kinds_can_be_chosen() -> None:
    alerts = loaded({"HEDGED__ALERTS__KINDS": '["hold", "liquidation"]'}).settings.alerts

    assert alerts.kinds == {"hold", "liquidation"} < set(KINDS)
