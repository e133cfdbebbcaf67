"""Files and environment become settings, or an error that names the place and the fix."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedged.errors import SettingsError
from hedged.settings.load import Loaded, load, load_venue
from hedged.settings.model import Settings
from hedged.settings.sections import Hedge

SMALL = """
[venue]
start = 2021-05-10T00:05:00Z
end = 2022-12-31T00:05:00Z

[paper]
collateral = 100_000

[hedge]
legs = [{ symbol = "BTC/USDT:USDT" }]

[[instrument]]
symbol = "BTC/USDT:USDT"
lot = 0.001
tick = 0.1

[[portfolio]]
name = "main"
account = "paper"

[[rule]]
name = "below"
when = "close < sma_50"
raise_to = 0.30
"""


def written(folder: Path, text: str = SMALL, name: str = "base.toml") -> Path:
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def changed(before: str, after: str, text: str = SMALL) -> str:
    assert before in text
    return text.replace(before, after, 1)


def with_line(table: str, line: str) -> str:
    """`SMALL` with *line* in its *table*, which is added where it is not there."""
    if table in SMALL:
        return changed(table, f"{table}\n{line}")
    return f"{SMALL}\n{table}\n{line}\n"


def told(folder: Path, text: str, environ: dict[str, str] | None = None) -> str:
    """What the error says."""
    with pytest.raises(SettingsError) as caught:
        load([written(folder, text)], environ or {})
    return str(caught.value)


def loaded(folder: Path, text: str = SMALL, environ: dict[str, str] | None = None) -> Loaded:
    return load([written(folder, text)], environ or {})


KEYS = st.sampled_from(["band", "mix_band", "max_step"])

# Layers.


def test_a_small_file_is_enough_and_its_numbers_are_exact(tmp_path: Path) -> None:
    found = loaded(tmp_path).settings

    assert found.instrument[0].lot == Decimal("0.001")
    assert found.rule[0].raise_to == Decimal("0.30")
    assert found.hedge is not None
    assert found.hedge.band == Decimal("0.05")


def test_a_later_file_merges_tables_key_by_key(tmp_path: Path) -> None:
    mine = written(tmp_path, "[hedge]\nband = 0.1\n[paper]\nfee_bps = 2\n", "mine.toml")
    found = load([written(tmp_path), mine], {})

    assert found.settings.hedge is not None
    assert found.settings.hedge.band == Decimal("0.1")
    assert found.settings.hedge.legs[0].symbol == "BTC/USDT:USDT"
    assert found.settings.paper.collateral == 100_000
    assert found.settings.paper.fee_bps == 2
    assert found.origins["hedge.band"] == str(mine)
    assert found.origins["paper.collateral"] == str(tmp_path / "base.toml")


def test_a_later_file_replaces_a_list_as_a_whole(tmp_path: Path) -> None:
    rules = '[[rule]]\nname = "mine"\nwhen = "true"\nset_to = 0\n'
    found = load([written(tmp_path), written(tmp_path, rules, "mine.toml")], {})

    assert [rule.name for rule in found.settings.rule] == ["mine"]
    assert found.origins["rule"] == str(tmp_path / "mine.toml")


def test_the_order_of_the_files_decides(tmp_path: Path) -> None:
    base, mine = written(tmp_path), written(tmp_path, "[paper]\ncollateral = 5\n", "mine.toml")

    assert load([base, mine], {}).settings.paper.collateral == 5
    assert load([mine, base], {}).settings.paper.collateral == 100_000


def test_the_environment_wins_over_every_file(tmp_path: Path) -> None:
    found = loaded(tmp_path, environ={"HEDGED__HEDGE__BAND": "0.2", "HEDGED__RULE": "[]"})

    assert found.settings.hedge is not None
    assert found.settings.hedge.band == Decimal("0.2")
    assert found.settings.rule == ()
    assert found.origins["hedge.band"] == "environment"


def test_a_table_in_the_environment_is_json_with_exact_numbers(tmp_path: Path) -> None:
    found = loaded(
        tmp_path, environ={"HEDGED__SIGNAL__ATH_SEED": '{"price": 0.1, "date": "2017-12-17"}'}
    )

    assert found.settings.signal.ath_seed is not None
    assert found.settings.signal.ath_seed.price == Decimal("0.1")


def test_variables_of_other_programs_are_not_read(tmp_path: Path) -> None:
    assert loaded(tmp_path, environ={"HEDGED_CONFIG": "x", "PATH": "/bin"}).settings.rule


def test_a_relative_path_is_meant_from_the_file_that_states_it(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    mine = written(below, '[service]\nstate_dir = "kept"\n[venue]\ndata = "recorded"\n', "mine.toml")
    found = load([written(tmp_path), mine], {}).settings

    assert found.service.state_dir == below / "kept"
    assert Path(found.venue.data) == below / "recorded"


def test_the_shipped_history_is_a_word_and_not_a_path(tmp_path: Path) -> None:
    text = with_line("[venue]", 'data = "demo"')

    assert loaded(tmp_path, text).settings.venue.data == "demo"


@settings(deadline=None, derandomize=True, max_examples=40)
@given(layers=st.lists(st.dictionaries(KEYS, st.sampled_from(["0.1", "0.2", "0.3"])), max_size=4))
def test_the_last_layer_that_states_a_key_decides_it_and_is_its_origin(
    tmp_path_factory: pytest.TempPathFactory, layers: list[dict[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("layers")
    files = [written(folder)]
    for i, layer in enumerate(layers):
        lines = "\n".join(f"{key} = {value}" for key, value in layer.items())
        files.append(written(folder, f"[hedge]\n{lines}\n", f"{i}.toml"))
    found = load(files, {})

    for key in ("band", "mix_band", "max_step"):
        stated = [(i, layer[key]) for i, layer in enumerate(layers) if key in layer]
        if stated:
            place, value = stated[-1]
            assert getattr(found.settings.hedge, key) == Decimal(value)
            assert found.origins[f"hedge.{key}"] == str(folder / f"{place}.toml")
        else:
            assert getattr(found.settings.hedge, key) == Hedge.model_fields[key].default
            assert f"hedge.{key}" not in found.origins


# Secrets.


def test_a_secret_comes_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    secret = written(tmp_path, "[hidden] key\n", "secret")
    found = loaded(tmp_path, environ={"HEDGED__SERVICE__STATE_DIR_FILE": str(secret)})

    assert str(found.settings.service.state_dir) == "[hidden] key"


def test_a_secret_of_an_account_can_be_a_file(tmp_path: Path) -> None:
    secret = written(tmp_path, "canary-key\n", "secret")
    secret.chmod(0o600)
    environ = {"HEDGED__ACCOUNT__PAPER__API_KEY_FILE": str(secret)}
    account = loaded(tmp_path, environ=environ).settings.account["paper"]

    assert account.api_key is not None
    assert account.api_key.get_secret_value() == "canary-key"
    assert "canary" not in repr(account)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    secret = written(tmp_path, "canary-key\n", "secret")
    secret.chmod(mode)
    said = told(tmp_path, SMALL, {"HEDGED__ACCOUNT__PAPER__API_KEY_FILE": str(secret)})

    assert f"others can read {secret}; run chmod 600 on it" in said
    assert "canary" not in said


@pytest.mark.parametrize(
    ("mode", "fit"), [(0o400, True), (0o440, True), (0o444, False), (0o460, False), (0o404, False)]
)
def test_a_credential_of_systemd_is_taken_though_its_access_list_shows_as_a_group(
    tmp_path: Path, mode: int, fit: bool
) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    secret = written(folder, "canary-key\n", "api_key")
    secret.chmod(mode)
    environ = {
        "HEDGED__ACCOUNT__PAPER__API_KEY_FILE": str(secret),
        "CREDENTIALS_DIRECTORY": str(folder),
    }
    if not fit:
        assert "others can read" in told(tmp_path, SMALL, environ)
        return
    key = loaded(tmp_path, environ=environ).settings.account["paper"].api_key

    assert key is not None
    assert key.get_secret_value() == "canary-key"


def test_only_the_folder_of_the_credentials_is_excepted(tmp_path: Path) -> None:
    secret = written(tmp_path, "canary-key\n", "secret")
    secret.chmod(0o440)
    environ = {
        "HEDGED__ACCOUNT__PAPER__API_KEY_FILE": str(secret),
        "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"),
    }

    assert "others can read" in told(tmp_path, SMALL, environ)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HEDGED__VENUE__SOCKS_PROXY_FILE", "socks5://me:canary@h:1"),
        ("HEDGED__VENUE__HTTPS_PROXY_FILE", "http://me:canary@h:1"),
        ("HEDGED__venue__socks_proxy_FILE", "socks5://me:canary@h:1"),
        ("HEDGED__account__paper__api_key_FILE", "canary"),
    ],
)
def test_no_secret_of_a_file_is_excepted_by_its_table_or_its_spelling(
    tmp_path: Path, name: str, text: str
) -> None:
    secret = written(tmp_path, text, "secret")
    loaded(tmp_path, environ={name: str(secret)})
    secret.chmod(0o644)
    said = told(tmp_path, SMALL, {name: str(secret)})

    assert f"{name}: others can read {secret}; run chmod 600 on it" in said
    assert "canary" not in said


INLINE = [
    ("[account.paper]", 'api_key = "canary"', "account.paper.api_key"),
    ("[account.paper]", 'api_secret = "canary"', "account.paper.api_secret"),
    ("[alerts]", 'urls = ["json://localhost/canary"]', "alerts.urls"),
    ("[venue]", 'https_proxy = "http://me:canary@h:1"', "venue.https_proxy"),
    ("[venue]", 'socks_proxy = "socks5://me:canary@h:1"', "venue.socks_proxy"),
]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
@pytest.mark.parametrize(("table", "line", "key"), INLINE)
def test_settings_with_a_secret_in_them_that_others_can_read_are_refused(
    tmp_path: Path, table: str, line: str, key: str, mode: int
) -> None:
    file = written(tmp_path, with_line(table, line), "own.toml")
    load([file], {})
    file.chmod(mode)
    with pytest.raises(SettingsError) as caught:
        load([file], {})

    assert str(caught.value) == f"{file}: {key}: others can read {file}; run chmod 600 on it"


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("[venue]", 'https_proxy = "http://h:1"'),
        ("[alerts]", "urls = []"),
        ("[account.paper]", 'uid = "1"'),
    ],
)
def test_settings_without_a_secret_may_be_read_by_all(tmp_path: Path, table: str, line: str) -> None:
    file = written(tmp_path, with_line(table, line), "own.toml")
    file.chmod(0o644)

    load([file], {})


def test_every_secret_of_the_settings_is_one_that_others_must_not_read() -> None:
    tables = Settings.model_json_schema()["$defs"]
    found = {
        key
        for table in tables.values()
        for key, told_of in table.get("properties", {}).items()
        if "password" in str(told_of)
    }

    assert found == {key.rpartition(".")[2] for *_, key in INLINE}


@pytest.mark.parametrize("secret", ["[1]", "{}", '{"a": 1}', "  spaced  ", "007", "true"])
def test_a_secret_is_taken_as_it_stands(tmp_path: Path, secret: str) -> None:
    file = written(tmp_path, f"{secret}\n", "secret")
    file.chmod(0o600)
    environ = {"HEDGED__ACCOUNT__PAPER__API_KEY_FILE": str(file)}
    key = loaded(tmp_path, environ=environ).settings.account["paper"].api_key

    assert key is not None
    assert key.get_secret_value() == secret


def test_a_portfolio_on_an_account_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    said = told(tmp_path, SMALL, {"HEDGED__ACCOUNT__PAPR__API_KEY": "canary-key"})

    assert "portfolio main is on account paper" in said
    assert "canary" not in said


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = told(tmp_path, SMALL, {"HEDGED__SERVICE__MODE_FILE": str(tmp_path / "nowhere")})

    assert "HEDGED__SERVICE__MODE_FILE" in said
    assert "nowhere" in said


def test_a_secret_given_both_ways_is_refused(tmp_path: Path) -> None:
    secret = written(tmp_path, "paper", "secret")
    both = {"HEDGED__SERVICE__MODE": "paper", "HEDGED__SERVICE__MODE_FILE": str(secret)}

    assert "are both set" in told(tmp_path, SMALL, both)


def test_no_error_repeats_a_secret(tmp_path: Path) -> None:
    text = f'{SMALL}\n[account.paper]\napi_key = "canary-key"\napi_secret = ["canary-secret"]\nx = 1\n'
    said = told(tmp_path, text, {"HEDGED__ACCOUNT__PAPER__API_SECRE": "canary-other"})

    assert "account.paper.api_secret: " in said
    assert "account.paper.api_secre: unknown key; did you mean 'api_secret'?" in said
    assert "canary" not in said


# Unknown keys.


@pytest.mark.parametrize(
    ("text", "key", "near"),
    [
        (with_line("[hedge]", "bnad = 0.1"), "hedge.bnad", "band"),
        (f"{SMALL}\n[hegde]\nband = 0.1\n", "hegde", "hedge"),
        (changed("raise_to", "raise_too"), "rule.0.raise_too", "raise_to"),
        (changed('USDT" }', 'USDT", wieght = 1 }'), "hedge.legs.0.wieght", "weight"),
        (changed('account = "paper"', 'account = "paper"\nhedge = { max_rati = 1 }'),
         "portfolio.0.hedge.max_rati", "max_ratio"),
    ],
)  # fmt: skip
def test_an_unknown_key_in_a_file_is_told_with_the_nearest_one(
    tmp_path: Path, text: str, key: str, near: str
) -> None:
    line = next(line for line in told(tmp_path, text).splitlines() if key in line)

    assert line == f"{tmp_path / 'base.toml'}: {key}: unknown key; did you mean {near!r}?"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("HEDGED__HEDGE__BNAD", "environment: hedge.bnad: unknown key; did you mean 'band'?"),
        ("HEDGED__HEGDE__BAND", "environment: hegde: unknown key; did you mean 'hedge'?"),
        ("HEDGED__HEGDE", "environment: hegde: unknown key; did you mean 'hedge'?"),
    ],
)
def test_an_unknown_key_in_the_environment_is_told_with_the_nearest_one(
    tmp_path: Path, name: str, line: str
) -> None:
    assert told(tmp_path, SMALL, {name: "0.1"}) == line


def test_a_key_like_no_other_is_told_with_all_that_are_known(tmp_path: Path) -> None:
    said = told(tmp_path, with_line("[signal]", "zzz = 1"))

    assert said.endswith(
        "signal.zzz: unknown key; known here: ath_seed, ath_volume_ratio, bar, basket, index, symbol"
    )


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = changed("raise_to", "raise_too", changed("lot = 0.001", "lot = -1"))
    text = changed("collateral = 100_000", "collateral = nan", text)
    lines = told(tmp_path, text, {"HEDGED__HEGDE__BAND": "1"}).splitlines()

    for key in ("rule.0.raise_too", "instrument.0.lot", "paper.collateral", "hegde"):
        assert sum(key in line for line in lines) == 1


def test_all_faults_between_tables_are_told_at_once(tmp_path: Path) -> None:
    text = changed("close < sma_50", "close > ath", changed("tick = 0.1", "tick = 0.1\ninverse = true"))
    said = told(tmp_path, text)

    assert "is inverse" in said
    assert "ath_seed" in said


def test_a_fault_in_a_list_is_not_told_as_an_empty_list_too(tmp_path: Path) -> None:
    said = told(tmp_path, changed("lot = 0.001", "lot = 0"))

    assert said.splitlines() == [
        f"{tmp_path / 'base.toml'}: instrument.0.lot: Input should be greater than 0"
    ]


def test_the_error_names_the_file_that_is_at_fault(tmp_path: Path) -> None:
    mine = written(tmp_path, "hedge = 5\n", "mine.toml")
    with pytest.raises(SettingsError) as caught:
        load([written(tmp_path), mine], {})

    assert str(caught.value).startswith(f"{mine}: hedge: ")


# Values that are out of bounds.

OUT_OF_BOUNDS = [
    *((with_line("[hedge]", f"band = {value}"), "hedge.band")
      for value in ("nan", "inf", "-inf", "-0.1", "0.51")),
    *((with_line("[hedge]", f"max_ratio = {value}"), "hedge.max_ratio")
      for value in ("1.01", "true", "nan")),
    *((with_line("[hedge]", f"max_step = {value}"), "hedge.max_step") for value in ("0", "1.1")),
    (with_line("[hedge]", "initial_ratio = 1.5"), "hedge.initial_ratio"),
    (with_line("[hedge]", "mix_band = -0.01"), "hedge.mix_band"),
    (changed("lot = 0.001", "lot = nan"), "instrument.0.lot"),
    (changed("lot = 0.001", "lot = 0"), "instrument.0.lot"),
    (changed("lot = 0.001", "lot = true"), "instrument.0.lot"),
    (changed("tick = 0.1", "tick = -0.1"), "instrument.0.tick"),
    (changed("tick = 0.1", "tick = 0.1\nnotional_min = -1"), "instrument.0.notional_min"),
    (changed("= 100_000", "= inf"), "paper.collateral"),
    (changed("= 100_000", "= true"), "paper.collateral"),
    (with_line("[paper]", "fee_bps = 1001"), "paper.fee_bps"),
    (with_line("[paper]", "volume_share_max = 1.5"), "paper.volume_share_max"),
    (changed("raise_to = 0.30", "raise_to = 1.01"), "rule.0.raise_to"),
    (changed("raise_to = 0.30", "raise_to = nan"), "rule.0.raise_to"),
    (changed("raise_to = 0.30", "raise_by = 0"), "rule.0.raise_by"),
    (changed("raise_to = 0.30", "scale_by = -1.1"), "rule.0.scale_by"),
    (changed('account = "paper"', 'account = "paper"\nholding = [{ asset = "BTC", quantity = -1 }]'),
     "portfolio.0.holding.0.quantity"),
    *((with_line("[limits]", f"order_notional_max = {value}"), "limits.order_notional_max")
      for value in ("0", "-5", "nan", "1e18", "true")),
    *((with_line("[limits]", f"orders_per_tick_max = {value}"), "limits.orders_per_tick_max")
      for value in ("0", "-1", "1000", "nan", "2.5", "true")),
    *((with_line("[limits]", f"{key} = {value}"), f"limits.{key}")
      for key, most in (("orders_per_hour_max", 60), ("orders_per_day_max", 500),
                        ("rejects_in_a_row_max", 10))
      for value in ("0", "-1", str(most + 1), "nan", "2.5", "true")),
    (with_line("[limits]", "slippage_bps_max = 501"), "limits.slippage_bps_max"),
    (with_line("[limits]", "price_jump_max = 0.91"), "limits.price_jump_max"),
    (with_line("[signal]", "ath_seed = { price = inf, date = 2017-12-17 }"), "signal.ath_seed.price"),
    (with_line("[signal]", 'bar = "1x"'), "signal.bar"),
    *((with_line("[signal]", f"ath_volume_ratio = {value}"), "signal.ath_volume_ratio")
      for value in ("0", "-1", "100.1", "nan", "inf", "true")),
    (with_line("[signal]", 'symbol = "BTC/USDT:USDT-240230"'), "signal.symbol"),
    (changed('"BTC/USDT:USDT"\nlot', '"BTC/USDT:USDT-241301"\nlot'), "instrument.0.symbol"),
    (changed("tick = 0.1", "tick = 0.1\nexpiry = 2024-06-28"), "instrument.0.expiry"),
    (changed("tick = 0.1", "tick = 0.1\nexpiry = 2024-06-28T08:00:00"), "instrument.0.expiry"),
    (changed('account = "paper"', 'account = "../escape"'), "portfolio.0.account"),
    (changed('"BTC/USDT:USDT"\nlot', '"BTCUSDT"\nlot'), "instrument.0.symbol"),
    (with_line("[service]", 'mode = "real"'), "service.mode"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key"), OUT_OF_BOUNDS)
def test_a_value_out_of_bounds_is_refused_where_it_stands(tmp_path: Path, text: str, key: str) -> None:
    lines = told(tmp_path, text).splitlines()

    assert any(line.startswith(f"{tmp_path / 'base.toml'}: {key}: ") for line in lines)


@pytest.mark.parametrize("value", ["nan", "Infinity", "-1", "true", "much"])
def test_the_environment_has_the_same_bounds(tmp_path: Path, value: str) -> None:
    said = told(tmp_path, SMALL, {"HEDGED__HEDGE__BAND": value})

    assert said.startswith("environment: hedge.band: ")


@pytest.mark.parametrize(
    "text",
    [
        changed("= 100_000", "= 1e99999999999999999999"),
        changed("= 100_000", f"= {'9' * 5000}"),
        with_line("[schedule]", 'settle_delay = "99999999999999w"'),
        changed("raise_to", 'cooldown = "99999999999999w"\nraise_to'),
    ],
    ids=["exponent", "digits", "delay", "cooldown"],
)
def test_a_number_beyond_all_bounds_is_an_error_of_the_settings(tmp_path: Path, text: str) -> None:
    assert "base.toml" in told(tmp_path, text)


@pytest.mark.parametrize(
    "environ",
    [
        {"HEDGED__SERVICE": "x", "HEDGED__SERVICE__MODE": "paper"},
        {"HEDGED__SERVICE__MODE": "paper", "HEDGED__SERVICE__MODE__X": "1"},
    ],
)
def test_a_variable_below_one_that_is_a_value_is_an_error_of_the_settings(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    assert "HEDGED__SERVICE" in told(tmp_path, SMALL, environ) or "environment" in told(
        tmp_path, SMALL, environ
    )


# What must fit together.


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (with_line("[hedge]", "min_ratio = 0.6\nmax_ratio = 0.4"), "min_ratio is above max_ratio"),
        (changed("legs = [", 'legs = [{ symbol = "BTC/USDT:USDT" }, '), "one leg only"),
        (changed('"BTC/USDT:USDT" }', '"ETH/USDT:USDT" }'), "has no [[instrument]]"),
        (f'{SMALL}\n[[portfolio]]\nname = "other"\naccount = "paper"\n',
         "portfolios main and other both hedge with BTC/USDT:USDT on account paper"),
        (f'{SMALL}\n[[portfolio]]\nname = "main"\naccount = "second"\n', "called 'main'"),
        (f'{SMALL}\n[[rule]]\nname = "below"\nwhen = "true"\nset_to = 0\n', "called 'below'"),
        (f"{SMALL}\n[account.other]\n", "there is no [account.paper]"),
        (changed('"BTC/USDT:USDT" }', '"BTC/USDT:USDT", weight = 0 }'), "weight above 0"),
        (changed('name = "main"', 'name = "main"\nnumeraire = "EUR"'), "not in its numeraire EUR"),
        (SMALL.replace("BTC/USDT:USDT", "BTC/USD:BTC"), "is inverse"),
        (changed("raise_to = 0.30", ""), "give exactly one action"),
        (changed("raise_to = 0.30", "raise_to = 0.30\nset_to = 0"), "give exactly one action"),
        (changed("close < sma_50", "close > ath"), "needs signal.ath_seed"),
        (changed("close < sma_50", "drawdown < 0 - 0.2"), "needs signal.ath_seed"),
        (changed("close < sma_50", "breaks_ath_volume_7"), "needs signal.ath_seed"),
        (changed("tick = 0.1", "tick = 0.1\ninverse = true"), "is inverse"),
        (changed("end = 2022-12-31T00:05:00Z", ""), "needs start and end"),
        (changed("end = 2022", "end = 2020"), "end must be after start"),
        (changed("T00:05:00Z\nend", "T00:05:00\nend"), "write a time with its zone"),
        (changed("2021-05-10T00:05:00Z", "2021-05-10"), "write a time with its zone"),
        (with_line("[schedule]", 'review = "cron: 0 0 * * 1"'), "name the weekday"),
        (with_line("[schedule]", 'review = "cron: 0 0 * * 1-5"'), "name the weekday"),
        (with_line("[schedule]", 'review = "hourly"'), "write weekly, daily, monthly"),
        (with_line("[schedule]", 'guard_every = "45m"'), "divide an hour"),
        (with_line("[schedule]", 'guard_every = "30s"'), "divide a day"),
        (with_line("[schedule]", "settle_delay = 5"), "write a duration"),
        (changed("[hedge]\nlegs", "[other]\nlegs"), "unknown key"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused_with_the_fix(
    tmp_path: Path, text: str, says: str
) -> None:
    assert says in told(tmp_path, text)


def test_two_portfolios_share_an_instrument_on_two_accounts(tmp_path: Path) -> None:
    text = f'{SMALL}\n[[portfolio]]\nname = "other"\naccount = "second"\n'

    assert [p.name for p in loaded(tmp_path, text).settings.portfolio] == ["main", "other"]


def test_a_cron_that_can_not_be_is_refused_when_it_is_read(tmp_path: Path) -> None:
    assert "schedule.review" in told(tmp_path, with_line("[schedule]", 'review = "cron: 99 0 * * mon"'))


def test_a_portfolio_without_a_hedge_says_what_to_add(tmp_path: Path) -> None:
    text = changed('[hedge]\nlegs = [{ symbol = "BTC/USDT:USDT" }]', "")

    assert "portfolio main has no hedge; add [hedge] with legs" in told(tmp_path, text)


# Conditions.


@pytest.mark.parametrize(
    ("when", "says", "column"),
    [
        ("close < smaa_50", "unknown metric 'smaa_50', did you mean 'sma_50'?", 8),
        ("close + sma_50", "this is a number, where true or false is needed", 0),
        ("close < ", "not a condition", None),
        ("close < abs(1)", "a call is not in the rule language", 8),
    ],
)
def test_a_condition_that_is_wrong_is_told_with_a_caret_below_the_place(
    tmp_path: Path, when: str, says: str, column: int | None
) -> None:
    first, text, caret = told(tmp_path, changed("close < sma_50", when)).splitlines()

    assert first.startswith(f"{tmp_path / 'base.toml'}: rule.0.when: ")
    assert says in first
    assert text == f"    {when}"
    assert re.fullmatch(r" {4} *\^", caret)
    if column is not None:
        assert caret.index("^") == 4 + column


# Files.


def test_a_file_that_is_not_there_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"nowhere\.toml is not there; name a settings file with -c FILE"
    ):
        load([tmp_path / "nowhere.toml"], {})


def test_without_a_name_the_file_is_the_one_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, SMALL, "hedged.toml")
    monkeypatch.chdir(tmp_path)

    assert load([], {}).origins["paper.collateral"] == "hedged.toml"


def test_a_file_that_is_not_toml_is_named_with_the_line(tmp_path: Path) -> None:
    said = told(tmp_path, "[hedge]\nband = = 1\n")

    assert said.startswith(f"{tmp_path / 'base.toml'} is not TOML: ")
    assert "line 2" in said


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    for path in (tmp_path, tmp_path / "latin.toml"):
        with pytest.raises(SettingsError, match=f"{re.escape(str(path))} can't be read"):
            load([path], {})


def test_an_empty_file_says_all_that_is_missing(tmp_path: Path) -> None:
    lines = told(tmp_path, "").splitlines()

    for key in ("venue", "portfolio"):
        assert f"settings: {key}: is missing" in lines


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('index = "basket"', "index = 'basket' and a basket go together"),
        ('basket = { constituents = [{ symbol = "BTC/USDT:USDT", weight = 1 }] }', "go together"),
        ('index = "basket"\nbasket = { constituents = [] }', "constituents"),
        (
            'index = "basket"\nbasket = { cap = 0.4, constituents = ['
            '{ symbol = "BTC/USDT:USDT", weight = 1 }, { symbol = "ETH/USDT:USDT", weight = 1 }] }',
            "a cap of 0.4 is not between 1/2 and 1",
        ),
    ],
)
def test_an_index_that_cannot_be_is_told(tmp_path: Path, line: str, said: str) -> None:
    assert said in told(tmp_path, with_line("[signal]", line))


def test_a_beta_needs_no_more_returns_than_it_looks_at(tmp_path: Path) -> None:
    assert "bars_min is above bars" in told(tmp_path, with_line("[beta]", "bars = 20\nbars_min = 30"))


LIVE = """
[service]
mode = "live"
[venue]
kind = "binance"
[hedge]
legs = [{ symbol = "BTC/USDT:USDT" }, { symbol = "BTC/USDT:USDT", account = "second" }]
[account.main]
api_key = "canary-key"
api_secret = "canary-secret"
uid = "1"
[account.second]
venue = "bybit"
api_key = "canary-key"
api_secret = "canary-secret"
uid = "2"
[[portfolio]]
name = "main"
account = "main"
holdings_from = ["main", "second"]
"""


TWICE = (
    LIVE.replace('["main", "second"]', '["main", "again"]')
    + """
[account.again]
api_key = "other-key"
api_secret = "canary-secret"
uid = "1"
"""
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TWICE, "account.again.uid and account.main.uid are the same, and both are in holdings_from"),
        (
            TWICE.removesuffix('uid = "1"\n').replace("other-key", "canary-key"),
            "account.again.api_key and account.main.api_key are the same, and both are in holdings",
        ),
        (
            LIVE.replace('venue = "bybit"\n', "").replace('uid = "2"', 'uid = "1"')
            .replace('{ symbol = "BTC/USDT:USDT", account', '{ symbol = "ETH/USDT:USDT", account'),
            "account.main.uid and account.second.uid are the same, and both are ",
        ),
    ],
)  # fmt: skip
def test_an_account_under_two_names_would_count_twice(tmp_path: Path, text: str, said: str) -> None:
    found = told(tmp_path, text)

    assert said in found
    assert "by portfolio main: the account would count twice" in found
    assert "canary" not in found


def test_accounts_of_two_exchanges_may_have_one_number_and_a_key_of_its_own_may_read(
    tmp_path: Path,
) -> None:
    assert loaded(tmp_path, LIVE.replace('uid = "2"', 'uid = "1"'))
    assert loaded(tmp_path, TWICE.replace('["main", "again"]', '["again"]'))


def test_live_needs_no_contracts_and_no_account_on_paper(tmp_path: Path) -> None:
    found = loaded(tmp_path, LIVE).settings

    assert found.service.mode == "live"
    assert found.hedge_accounts(found.portfolio[0]) == {"main", "second"}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('mode = "live"', 'mode = "paper"', "mode = 'paper' needs [paper] with collateral"),
        ('kind = "binance"', 'kind = "replay"\nclock = "wall"', "history takes no orders"),
        ('uid = "2"', "", "[account.second] needs uid, the exchange's number of the account"),
        ('uid = "1"', "", "[account.main] needs uid, the exchange's number of the account"),
        ('account = "second" }', 'account = "third" }', "there is no [account.third]"),
        ('["main", "second"]', '["main", "fourth"]', "there is no [account.fourth]"),
        (', account = "second" }', " }", "one leg only on each account"),
        ('kind = "binance"', 'kind = "binance"\nendpoint = "http://example.com:80"', "this machine"),
        ('kind = "binance"', 'kind = "binance"\nendpoint = "http://127.0.0.1"', "this machine"),
        ('kind = "binance"', 'kind = "binance"\nendpoint = "http://127.0.0.1:80\\n"', "this machine"),
        ('kind = "binance"', 'kind = "binance"\nendpoint = "http://127.0.0.1:٣"', "this machine"),
        (
            'kind = "binance"',
            'kind = "binance"\nendpoint = "http://127.0.0.1.evil.com:1"',
            "this machine",
        ),
        (
            'kind = "binance"',
            'kind = "binance"\nhttps_proxy = "http://p:1"\nsocks_proxy = "socks5://p:1"',
            "https_proxy and socks_proxy are set; keep one of them",
        ),
    ],
)
def test_live_settings_that_do_not_agree_are_told(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    told_of = told(tmp_path, changed(before, after, LIVE))

    assert said in told_of
    assert "canary" not in told_of


def test_live_orders_may_rest_first_and_take_at_once_by_default(tmp_path: Path) -> None:
    rest = f'{LIVE}[orders]\nstyle = "post_only_then_ioc"\n'

    assert loaded(tmp_path, LIVE).settings.orders.style == "ioc"
    assert loaded(tmp_path, rest).settings.orders.style == "post_only_then_ioc"


def test_on_paper_nothing_may_rest(tmp_path: Path) -> None:
    said = told(tmp_path, with_line("[orders]", 'style = "post_only_then_ioc"'))

    assert "orders.style = 'post_only_then_ioc' needs mode = 'live': on paper nothing rests" in said
    assert loaded(tmp_path, with_line("[orders]", 'style = "ioc"')).settings.orders.style == "ioc"


def test_an_account_is_changed_only_where_that_is_asked_for(tmp_path: Path) -> None:
    def adjust(text: str) -> bool:
        return loaded(tmp_path, text).settings.account["main"].adjust

    assert not adjust(changed('uid = "1"', 'uid = "1"\nleverage = 3', LIVE))
    assert adjust(changed('uid = "1"', 'uid = "1"\nleverage = 3\nadjust = true', LIVE))
    assert adjust(changed('uid = "1"', 'uid = "1"\nmargin_mode = "cross"\nadjust = true', LIVE))
    assert "needs leverage or margin_mode" in told(
        tmp_path, changed('uid = "1"', 'uid = "1"\nadjust = true', LIVE)
    )


def test_a_file_of_holdings_lies_beside_the_settings(tmp_path: Path) -> None:
    text = LIVE.replace(
        'account = "main"\nholdings', 'account = "main"\nholdings_file = "cold.csv"\nholdings'
    )
    (portfolio,) = loaded(tmp_path, text).settings.portfolio

    assert portfolio.holdings_file == tmp_path / "cold.csv"


# The venue alone, for what needs no portfolio.


def test_without_any_file_the_venue_is_binance_and_the_environment_says_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = load_venue([], {"HEDGED__VENUE__ENDPOINT": "http://127.0.0.1:9"})

    assert load_venue([], {}).kind == "binance"
    assert (found.kind, found.endpoint) == ("binance", "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"HEDGED__VENUE__ENDPONT": "x"},
            "environment: venue.endpont: unknown key; did you mean 'endpoint'?",
        ),
        (
            {"HEDGED__VENUE__ENDPOINT": "http://example.com"},
            "venue.endpoint: an endpoint is a server of",
        ),
        ({"HEDGED__VENUE__KIND": "nasdaq"}, "environment: venue.kind: "),
        ({"HEDGED__VENUE": "x"}, "venue is a table"),
    ],
)
def test_a_wrong_environment_of_the_venue_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as caught:
        load_venue([], environ)

    assert said in str(caught.value)


def test_a_file_s_venue_is_that_of_the_whole_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path)

    assert load_venue([path], {}) == load([path], {}).settings.venue
    written(tmp_path, SMALL.replace("collateral", "colateral"), "hedged.toml")
    with pytest.raises(SettingsError, match="colateral"):
        load_venue([], {})


@pytest.mark.parametrize(
    ("consent", "told"),
    [
        ('lives = "1m"', "at least '5m'"),
        ('lives = "8d"', "at most '7d'"),
        ("reprice_tolerance = 0.2", "less than or equal to 0.1"),
        ('remind_every = "0s"', "at least '5m'"),
    ],
)
def test_terms_of_consent_have_bounds(tmp_path: Path, consent: str, told: str) -> None:
    file = tmp_path / "hedged.toml"
    file.write_text(
        (Path(__file__).parents[2] / "config" / "alert.toml").read_text().partition("[consent]")[0]
        + f"[consent]\n{consent}\n"
    )

    with pytest.raises(SettingsError, match=re.escape(told)):
        load([file], {})
