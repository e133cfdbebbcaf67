"""Words in the place of symbols: where they may stand, and what is left when they are looked up."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from hedged.errors import SettingsError
from hedged.settings.kinds import Contract, is_words
from hedged.settings.load import load
from hedged.settings.model import Settings
from hedged.settings.policies import policy_of
from hedged.settings.words import Words, with_symbols, words_of

TEXT = """
[venue]
kind = "binance"
[paper]
collateral = 1000
[signal]
symbol = "ALL index perpetual"
bar = "4h"
[hedge]
legs = [{ symbol = "BTC perpetual", weight = 2 }, { symbol = "ETH/USDT:USDT" }]
band = 0.07
[[portfolio]]
name = "main"
account = "one"
[[portfolio]]
name = "second"
account = "two"
numeraire = "USDC"
hedge = { legs = [{ symbol = "ETH perpetual" }] }
[[portfolio.holding]]
asset = "BTC"
quantity = 1
[[portfolio.holding]]
asset = "ETH"
quantity = 1
price_symbol = "ETH perpetual"
"""
RECORDED = """
[venue]
start = 2021-05-10T00:05:00Z
end = 2021-05-31T00:05:00Z
[paper]
collateral = 1000
[hedge]
legs = [{ symbol = "BTC perpetual" }, { symbol = "ETH/USDT:USDT" }]
[[instrument]]
symbol = "ETH/USDT:USDT"
lot = 1
tick = 1
[[portfolio]]
name = "main"
account = "one"
signal = { symbol = "BTC front quarter" }
"""
PLACED = [
    ("hedge.legs.0.symbol", "BTC perpetual", "main", "one", "USDT"),
    ("signal.symbol", "ALL index perpetual", "main", "one", "USDT"),
    ("portfolio.1.hedge.legs.0.symbol", "ETH perpetual", "second", "two", "USDC"),
    ("signal.symbol", "ALL index perpetual", "second", "two", "USDC"),
    ("portfolio.1.holding.1.price_symbol", "ETH perpetual", "second", "two", "USDC"),
]
SYMBOLS = ("BTC/USDT:USDT", "ALL/USDT:USDT", "ETH/USDC:USDC", "ALL/USDC:USDC", "ETH/USDC:USDC")


def settings_of(folder: Path, text: str = TEXT) -> Settings:
    file = folder / "hedged.toml"
    file.write_text(text)
    return load([file], {}).settings


def plain(settings: Settings, symbols: tuple[str, ...] = SYMBOLS) -> Settings:
    return with_symbols(settings, dict(zip(words_of(settings), symbols, strict=True)))


def test_every_place_is_told_with_its_key_its_account_and_its_currency(tmp_path: Path) -> None:
    found = words_of(settings_of(tmp_path))

    assert [(w.key, w.text, w.portfolio, w.account, w.settle) for w in found] == PLACED


def test_symbols_take_the_place_of_words_and_nothing_else_changes(tmp_path: Path) -> None:
    before = settings_of(tmp_path)
    after = plain(before)
    main, second = after.portfolio

    assert words_of(after) == ()
    assert [leg.symbol for leg in after.hedge_of(main).legs] == ["BTC/USDT:USDT", "ETH/USDT:USDT"]
    assert after.hedge_of(second).legs[0].symbol == "ETH/USDC:USDC"
    assert (after.signal_of(main).symbol, after.signal_of(second).symbol) == (
        "ALL/USDT:USDT", "ALL/USDC:USDC",
    )  # fmt: skip
    assert [one.price_symbol for one in second.holding] == [None, "ETH/USDC:USDC"]
    written = TEXT
    for text, symbol in (("BTC perpetual", SYMBOLS[0]), ("ALL index perpetual", SYMBOLS[1])):
        written = written.replace(text, symbol)
    same = settings_of(tmp_path, written.replace("ETH perpetual", SYMBOLS[2]))
    assert policy_of(after, main) == policy_of(same, same.portfolio[0])
    assert after.service == before.service


def test_without_words_the_settings_stay_the_same(tmp_path: Path) -> None:
    settings = plain(settings_of(tmp_path))

    assert with_symbols(settings, {}) == settings


def test_two_portfolios_that_turn_out_to_own_one_contract_are_refused(tmp_path: Path) -> None:
    text = TEXT.replace('account = "two"\nnumeraire = "USDC"', 'account = "one"')
    settings = settings_of(tmp_path, text.replace("BTC perpetual", "ETH USDT perpetual"))
    same = ("ETH/USDT:USDT", "ALL/USDT:USDT", "ETH/USDT:USDT", "ALL/USDT:USDT", "ETH/USDT:USDT")

    with pytest.raises(SettingsError, match=r"one leg only .*\('ETH USDT perpetual' is ETH/USDT:USDT"):
        plain(settings, same)
    alone = text.replace('"BTC perpetual"', '"BTC/USDT:USDT"')
    with pytest.raises(SettingsError, match="portfolios main and second both hedge with ETH/USDT:USDT"):
        plain(settings_of(tmp_path, alone), same[1:])


def test_a_policy_is_not_made_of_words(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)

    with pytest.raises(SettingsError, match=r"hedge\.legs\.0\.symbol is 'BTC perpetual', .* write the"):
        policy_of(settings, settings.portfolio[0])


def test_recorded_history_has_nothing_to_look_words_up_in(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        settings_of(tmp_path, RECORDED)
    said = str(error.value)

    assert "hedge.legs.0.symbol is 'BTC perpetual', and recorded history lists nothing" in said
    assert "portfolio.0.signal.symbol is 'BTC front quarter'" in said
    assert "write the symbol, such as 'BTC/USDT:USDT'" in said
    assert "no [[instrument]]" not in said
    assert "numeraire" not in said


CONTRACT = TypeAdapter(Contract)


@pytest.mark.parametrize(
    "text",
    ["BTC/USDT:USDT", "BTC/USDT:USDT-260626", "BTC perpetual", "btc usdc perpetual", "BTC 2026-06-26"],
)
def test_a_contract_is_a_symbol_or_words(text: str) -> None:
    assert CONTRACT.validate_python(text) == text


@pytest.mark.parametrize(
    "text",
    ["BTCUSDT", "", "BTC", "btc/usdt:usdt", "BTC/USDT", "BTC perpetual!", "BTC/USDT:USDT-260230"],
)
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        CONTRACT.validate_python(text)


@given(st.text(max_size=30))
def test_nothing_is_both_and_a_symbol_has_no_spaces(text: str) -> None:
    try:
        CONTRACT.validate_python(text)
    except ValidationError:
        return
    assert is_words(text) == (" " in text) == ("/" not in text)


def test_words_are_told_apart_by_all_that_they_depend_on() -> None:
    one = Words(key="signal.symbol", text="BTC perpetual", portfolio="a", account="x", settle="USDT")

    assert len({one, Words(key=one.key, text=one.text, portfolio="b", account="x", settle="USDT")}) == 2
