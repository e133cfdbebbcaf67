"""Checked settings become the core's values."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import resources
from pathlib import Path

import pytest

from builders import BTC, ETH, d
from hedged.core.beta import BetaPolicy
from hedged.core.encoding import encode
from hedged.core.exposure import CASH_DEFAULT
from hedged.core.gate import Limits
from hedged.core.guard import Band
from hedged.core.metrics.basket import Basket, Constituent
from hedged.core.metrics.vocabulary import AthSeed
from hedged.core.policy import Policy, decode_policy
from hedged.core.rules import Action
from hedged.core.sizing import HedgeLeg
from hedged.core.target import RatioPolicy
from hedged.settings.load import load
from hedged.settings.model import Settings
from hedged.settings.policies import instrument_of, policy_of
from hedged.settings.sections import Portfolio
from hedged.settings.venues import Instrument

TWO = """
[venue]
start = 2021-05-10T00:05:00Z
end = 2022-12-31T00:05:00Z
[paper]
collateral = 100_000
[exposure]
ignore = ["DUST"]
unpriced_max = { XYZ = 3 }
[signal]
ath_seed = { price = 19798.68, date = 2017-12-17 }
[hedge]
legs = [{ symbol = "BTC/USDT:USDT", weight = 0.3 }, { symbol = "ETH/USDT:USDT", weight = 0.7 }]
[[instrument]]
symbol = "BTC/USDT:USDT"
lot = 0.001
tick = 0.1
tiers = [{ notional_max = 50_000, rate = 0.004, leverage_max = 125 }]
[[instrument]]
symbol = "ETH/USDT:USDT"
lot = 0.01
tick = 0.01
[[instrument]]
symbol = "BTC/XUSD:XUSD"
lot = 0.001
tick = 0.1
[[rule]]
name = "common"
when = "close < sma_50"
scale_by = -0.40
fires = "while"
cooldown = "4w"
[[portfolio]]
name = "first"
account = "paper"
[[portfolio]]
name = "second"
account = "other"
numeraire = "XUSD"
signal = { symbol = "BTC/USDT:USDT", bar = "4h" }
rule = []
[portfolio.hedge]
legs = [{ symbol = "BTC/XUSD:XUSD" }]
min_ratio = 0.1
max_ratio = 0.8
max_step = 0.25
initial_ratio = 0.2
band = 0.02
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    path = tmp_path_factory.mktemp("two") / "two.toml"
    path.write_text(TWO)
    return load([path], {}).settings


def policies(settings: Settings) -> tuple[Policy, Policy]:
    first, second = (policy_of(settings, portfolio) for portfolio in settings.portfolio)
    return first, second


def test_a_portfolio_takes_the_common_signal_hedge_and_rules(two: Settings) -> None:
    first, _ = policies(two)
    (rule,) = first.rules

    assert first.legs == (HedgeLeg(symbol=BTC, weight=d("0.3")), HedgeLeg(symbol=ETH, weight=d("0.7")))
    assert rule.action == Action(verb="scale_by", by=d("-0.40"))
    assert (rule.fires, rule.cooldown) == ("while", timedelta(weeks=4))
    assert first.signal.ath_seed == AthSeed(price=d("19798.68"), date=date(2017, 12, 17))


def test_a_portfolio_s_own_tables_replace_the_common_ones(two: Settings) -> None:
    _, second = policies(two)

    assert second.rules == ()
    assert second.legs == (HedgeLeg(symbol="BTC/XUSD:XUSD", weight=d(1)),)
    assert second.ratio == RatioPolicy(
        min_ratio=d("0.1"), max_ratio=d("0.8"), max_step=d("0.25"), initial_ratio=d("0.2")
    )
    assert second.band == Band(band=d("0.02"), mix_band=d("0.10"))
    assert (second.signal.bar, second.signal.ath_seed) == ("4h", None)


def test_the_signal_is_by_default_the_leg_of_largest_weight(two: Settings) -> None:
    first, second = policies(two)

    assert first.signal.symbol == ETH
    assert second.signal.symbol == BTC


def test_the_numeraire_is_cash_and_the_stablecoins_stay_so(two: Settings) -> None:
    first, second = policies(two)

    assert first.exposure.cash == CASH_DEFAULT | {"USDT"}
    assert second.exposure.cash == CASH_DEFAULT | {"XUSD"}
    assert first.exposure.ignore == {"DUST"}
    assert first.exposure.unpriced_max == {"XYZ": d(3)}


def test_the_defaults_are_those_of_the_core(two: Settings) -> None:
    first, _ = policies(two)

    assert first.band == Band()
    assert first.ratio == RatioPolicy(initial_ratio=None)
    assert first.limits == Limits(price_age_s_max=d(30), position_age_s_max=d(15))


def test_beta_is_one_unless_it_is_asked_for(two: Settings, tmp_path: Path) -> None:
    first, _ = policies(two)
    file = tmp_path / "beta.toml"
    file.write_text(TWO.replace("[venue]", '[beta]\nmethod = "ewma"\nhalf_life = 20\n[venue]'))
    estimated, _ = policies(load([file], {}).settings)

    assert first.beta == BetaPolicy()
    assert estimated.beta == BetaPolicy(method="ewma", half_life=20)


def test_a_basket_is_the_cores_and_goes_into_the_journal(tmp_path: Path) -> None:
    basket = (
        'index = "basket"\nbasket = { constituents = [{ symbol = "BTC/USDT:USDT", weight = 3 }, '
        '{ symbol = "ETH/USDT:USDT", weight = 1 }], rebalance = "weekly", cap = 0.6 }\n'
    )
    file = tmp_path / "basket.toml"
    file.write_text(TWO.replace("[signal]\n", f"[signal]\n{basket}"))
    first, _ = policies(load([file], {}).settings)

    assert first.signal.index == "basket"
    assert first.signal.basket == Basket(
        kind="basket",
        constituents=(Constituent(symbol=BTC, weight=d(3)), Constituent(symbol=ETH, weight=d(1))),
        rebalance="weekly",
        cap=d("0.6"),
    )
    assert decode_policy(encode(first)) == first


def test_the_style_of_orders_goes_into_the_policy(two: Settings) -> None:
    resting = two.model_copy(
        update={"orders": two.orders.model_copy(update={"style": "post_only_then_ioc"})}
    )

    assert [made.order_style for made in policies(two)] == ["ioc", "ioc"]
    assert {made.order_style for made in policies(resting)} == {"post_only_then_ioc"}


def test_a_policy_survives_being_written_and_read(two: Settings) -> None:
    for policy in policies(two):
        assert decode_policy(encode(policy)) == policy


def test_the_currencies_of_an_instrument_are_read_off_its_symbol(two: Settings) -> None:
    made = instrument_of(two.instrument[0])

    assert (made.base, made.quote, made.settle) == ("BTC", "USDT", "USDT")
    assert made.tiers[0].notional_max == 50_000
    assert made.tiers[0].deduction == 0


def test_a_dated_inverse_contract_keeps_its_settle_coin() -> None:
    listed = Instrument(
        symbol="ETH/USD:ETH-240628", lot=d(1), tick=d("0.05"), contract_multiplier=d(10), inverse=True
    )
    made = instrument_of(listed)

    assert (made.base, made.quote, made.settle, made.inverse) == ("ETH", "USD", "ETH", True)
    assert made.contract_multiplier == 10
    assert made.expiry == datetime(2024, 6, 28, 8, tzinfo=UTC)


DATED = """
[venue]
start = 2021-05-10T00:05:00Z
end = 2022-12-31T00:05:00Z
[paper]
collateral = 100_000
[signal]
ath_volume_ratio = 2.5
[hedge]
legs = [{ symbol = "BTC/USDT:USDT-240628" }]
[[instrument]]
symbol = "BTC/USDT:USDT-240628"
lot = 0.001
tick = 0.1
[[instrument]]
symbol = "BTC/USDT:USDT"
lot = 0.001
tick = 0.1
[[portfolio]]
name = "main"
account = "paper"
"""


def dated(folder: Path, text: str = DATED) -> tuple[Settings, Policy]:
    (folder / "dated.toml").write_text(text)
    found = load([folder / "dated.toml"], {}).settings
    return found, policy_of(found, found.portfolio[0])


def test_a_dated_contract_expires_at_eight_on_the_day_in_its_name(tmp_path: Path) -> None:
    settings, made = dated(tmp_path)
    at = datetime(2024, 6, 28, 8, tzinfo=UTC)

    assert [instrument_of(listed).expiry for listed in settings.instrument] == [at, None]
    assert made.signal.expiry == at


def test_an_expiry_that_is_listed_wins_and_is_told_in_utc(tmp_path: Path) -> None:
    listed = DATED.replace("tick = 0.1", "tick = 0.1\nexpiry = 2024-06-28T18:00:00+02:00", 1)
    settings, made = dated(tmp_path, listed)
    at = datetime(2024, 6, 28, 16, tzinfo=UTC)

    assert instrument_of(settings.instrument[0]).expiry == at
    assert made.signal.expiry == at
    assert made.signal.expiry.tzinfo is UTC
    assert decode_policy(encode(made)) == made


@pytest.mark.parametrize(
    ("symbol", "expiry"),
    [
        ("ETH/USDT:USDT", None),
        ("ETH/USDT:USDT-240927", datetime(2024, 9, 27, 8, tzinfo=UTC)),
        ("ETH/USDT:USDT-990101", datetime(2099, 1, 1, 8, tzinfo=UTC)),
    ],
)
def test_a_signal_that_is_no_instrument_has_the_expiry_of_its_name(
    tmp_path: Path, symbol: str, expiry: datetime | None
) -> None:
    _, made = dated(tmp_path, DATED.replace("[signal]", f'[signal]\nsymbol = "{symbol}"'))

    assert made.signal.expiry == expiry


def test_what_is_a_high_volume_can_be_set(two: Settings, tmp_path: Path) -> None:
    first, _ = policies(two)
    _, made = dated(tmp_path)

    assert first.signal.ath_volume_ratio == d("1.5")
    assert made.signal.ath_volume_ratio == d("2.5")


def test_the_demo_s_settings_make_the_article_s_matrix() -> None:
    shipped = Path(str(resources.files("hedged") / "demo_data" / "demo.toml"))
    settings = load([shipped], {}).settings
    portfolio: Portfolio = settings.portfolio[0]
    made = policy_of(settings, portfolio)

    assert [str(rule.action) for rule in made.rules] == [
        "raise_to 0.75", "raise_to 0.30", "set_to 0", "lower_by 0.10", "lower_to 0.10",
    ]  # fmt: skip
    assert sum((leg.weight for leg in made.legs), Decimal(0)) == 1
    assert made.ratio.initial_ratio == d("0.20")
