"""The settings as a person sees them: secrets hidden, each value with its origin."""

from __future__ import annotations

import json
from pathlib import Path

from hedged.settings.load import Loaded, load
from hedged.settings.model import Settings
from hedged.settings.show import lines_of, schema, secrets_of

KEY, SECRET = "canary-key-1234", "canary-secret-5678"

TEXT = f"""
[venue]
start = 2021-05-10T00:05:00Z
end = 2022-12-31T00:05:00Z
[paper]
collateral = 100_000
[exposure]
unpriced_max = {{ XYZ = 3 }}
[hedge]
legs = [{{ symbol = "BTC/USDT:USDT" }}]
[[instrument]]
symbol = "BTC/USDT:USDT"
lot = 0.001
tick = 0.1
[[portfolio]]
name = "main"
account = "paper"
[account.paper]
api_key = "{KEY}"
api_secret = "{SECRET}"
"""


def shown(
    folder: Path, environ: dict[str, str] | None = None
) -> tuple[Loaded, dict[str, tuple[str, str]]]:
    path = folder / "hedged.toml"
    path.touch(mode=0o600)
    path.write_text(TEXT)
    loaded = load([path], environ or {})
    return loaded, {key: (value, Path(origin).name) for key, value, origin in lines_of(loaded)}


def test_every_value_has_its_origin(tmp_path: Path) -> None:
    _, lines = shown(tmp_path, {"HEDGED__HEDGE__BAND": "0.1"})

    assert lines["paper.collateral"] == ("100000", "hedged.toml")
    assert lines["paper.fee_bps"] == ("5.5", "default")
    assert lines["hedge.band"] == ("0.1", "environment")
    assert lines["hedge.legs.0.symbol"] == ("BTC/USDT:USDT", "hedged.toml")


def test_a_table_of_free_keys_comes_from_the_file_that_has_it(tmp_path: Path) -> None:
    _, lines = shown(tmp_path)
    told = {key: line for key, line in lines.items() if key.startswith("exposure.unpriced_max")}

    assert {origin for _, origin in told.values()} == {"hedged.toml"}
    assert "Decimal" not in str(told)


def test_a_default_in_an_entry_of_a_list_is_a_default(tmp_path: Path) -> None:
    _, lines = shown(tmp_path)

    assert lines["instrument.0.lot"] == ("0.001", "hedged.toml")
    assert lines["instrument.0.contract_multiplier"] == ("1", "default")
    assert lines["portfolio.0.numeraire"] == ("USDT", "default")


def test_every_key_of_the_settings_is_shown(tmp_path: Path) -> None:
    _, lines = shown(tmp_path)

    for section in Settings.model_fields:
        assert any(key.split(".")[0] == section for key in lines)


def test_no_secret_is_shown(tmp_path: Path) -> None:
    loaded, lines = shown(tmp_path)

    assert lines["account.paper.api_key"][0] == "[hidden]"
    assert lines["account.paper.api_secret"][0] == "[hidden]"
    assert "canary" not in str(lines)
    assert "canary" not in repr(loaded)


def test_a_secret_that_is_not_set_is_not_shown_as_hidden(tmp_path: Path) -> None:
    _, lines = shown(tmp_path, {"HEDGED__ACCOUNT__OTHER__API_KEY": "canary-key"})

    assert lines["account.other.api_key"] == ("[hidden]", "environment")
    assert lines["account.other.api_secret"] == ("", "default")


def test_the_log_is_told_every_secret(tmp_path: Path) -> None:
    loaded, _ = shown(tmp_path)

    assert secrets_of(loaded.settings) == [KEY, SECRET]


def test_the_address_of_a_proxy_is_hidden_and_its_password_too(tmp_path: Path) -> None:
    address = "http://me:canary%2Fword@127.0.0.1:1"
    loaded, lines = shown(tmp_path, {"HEDGED__VENUE__HTTPS_PROXY": address})

    assert lines["venue.https_proxy"] == ("[hidden]", "environment")
    assert {address, "canary/word"} <= set(secrets_of(loaded.settings))
    assert loaded.settings.venue.way_out("https_proxy") == address
    assert loaded.settings.venue.way_out("socks_proxy") is None


def test_the_schema_is_json_and_knows_every_section() -> None:
    made = json.loads(json.dumps(schema()))

    assert made["type"] == "object"
    assert made["additionalProperties"] is False
    assert set(made["properties"]) == set(Settings.model_fields)


def test_every_table_of_the_schema_refuses_unknown_keys() -> None:
    for name, table in schema()["$defs"].items():
        if table["type"] == "object":
            assert table["additionalProperties"] is False, name


def test_the_schema_marks_secrets_and_bounds() -> None:
    tables = schema()["$defs"]

    assert "password" in json.dumps(tables["Account"]["properties"]["api_secret"])
    assert "maximum" in json.dumps(tables["Hedge"]["properties"]["max_ratio"])
