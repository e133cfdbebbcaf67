"""
The account identity, against a margin account of its own kind: wallet, entry prices, realised and
unrealised profit. It shares nothing with the code under test but the values it hands over.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import BTC, ETH, MONDAY, contract, d, position, quote, snapshot
from hedged.core.account import AccountState, Attribution, attribute, state_of
from hedged.core.market import Fill, Flow, FundingPayment, Margin, Position, Side, Snapshot

EXACT = d("1e-12")
TERMS = ("hedge_pnl", "basis_pnl", "funding", "fees", "slippage", "flows")


@dataclass
class Line:
    """One instrument of the toy account."""

    multiplier: Decimal
    indexed: bool
    mark: Decimal = Decimal(100)
    index: Decimal = Decimal(99)
    short: Decimal = Decimal(0)
    entry: Decimal = Decimal(0)
    listed: bool = True


@dataclass
class Toy:
    """A margin account that realises against entry prices, and books every term as it happens."""

    lines: dict[str, Line]
    wallet: Decimal = Decimal(0)
    now: datetime = MONDAY
    booked: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(TERMS, Decimal(0)))
    events: list[Fill | FundingPayment | Flow] = field(default_factory=list)

    @property
    def equity(self) -> Decimal:
        unrealised = (x.short * x.multiplier * (x.entry - x.mark) for x in self.lines.values())
        return self.wallet + sum(unrealised, Decimal(0))

    def book(self, term: str, amount: Decimal) -> None:
        self.booked[term] += amount

    def move(self, symbol: str, mark: Decimal, index: Decimal) -> None:
        """The market moves while a position is held: the definition of hedge and basis P&L."""
        line = self.lines[symbol]
        units = line.short * line.multiplier
        if line.indexed:
            self.book("hedge_pnl", -units * (index - line.index))
            self.book("basis_pnl", -units * ((mark - index) - (line.mark - line.index)))
        else:
            self.book("hedge_pnl", -units * (mark - line.mark))
        line.mark, line.index = mark, index

    def trade(self, symbol: str, side: Side, contracts: Decimal, worse: Decimal, fee: Decimal) -> None:
        line = self.lines[symbol]
        price = line.mark - worse if side == "sell" else line.mark + worse
        if side == "sell":
            total = line.short + contracts
            line.entry = (line.short * line.entry + contracts * price) / total
            line.short = total
        else:
            self.wallet += contracts * line.multiplier * (line.entry - price)
            line.short -= contracts
        self.wallet -= fee
        self.book("fees", fee)
        self.book("slippage", contracts * line.multiplier * worse)
        self.events.append(
            Fill(
                at=self.now,
                symbol=symbol,
                side=side,
                contracts=contracts,
                fill_price=price,
                mark_price=line.mark,
                index_price=line.index if line.indexed else None,
                fee=fee,
                client_order_id="",
            )
        )

    def settle_funding(self, symbol: str, rate: Decimal) -> None:
        """A positive rate is paid by longs, so a short receives it."""
        line = self.lines[symbol]
        amount = line.short * line.multiplier * line.mark * rate
        self.wallet += amount
        self.book("funding", amount)
        self.events.append(
            FundingPayment(
                at=self.now,
                symbol=symbol,
                funding_rate=rate,
                contracts=-line.short,
                mark_price=line.mark,
                amount=amount,
            )
        )

    def pay_in(self, amount: Decimal) -> None:
        self.wallet += amount
        self.book("flows", amount)
        self.events.append(Flow(at=self.now, amount=amount))

    def seen(self) -> Snapshot:
        """What a venue would report, events since the last look included; the account goes on."""
        listed = {s: x for s, x in self.lines.items() if x.listed}
        events, self.events = self.events, []
        return snapshot(
            at=self.now,
            instruments=tuple(contract(s, contract_multiplier=x.multiplier) for s, x in listed.items()),
            quotes=tuple(
                quote(s, at=self.now, mark=str(x.mark), index_price=x.index if x.indexed else None)
                for s, x in listed.items()
            ),
            positions=tuple(
                Position(symbol=s, contracts=-x.short, entry_price=x.entry)
                for s, x in listed.items()
                if x.short
            ),
            margin=Margin(wallet_balance=self.wallet, equity=self.equity, maintenance_margin=d(0)),
            fills=tuple(e for e in events if isinstance(e, Fill)),
            funding_payments=tuple(e for e in events if isinstance(e, FundingPayment)),
            flows=tuple(e for e in events if isinstance(e, Flow)),
        )


PRICES = st.decimals("0.01", "500", places=4)
ACTIONS = st.one_of(
    st.tuples(st.just("move"), st.sampled_from([BTC, ETH]), PRICES, PRICES),
    st.tuples(
        st.sampled_from(["sell", "buy"]),
        st.sampled_from([BTC, ETH]),
        st.integers(1, 5000),
        st.decimals("-2", "2", places=3),
        st.decimals("0", "3", places=4),
    ),
    st.tuples(st.just("funding"), st.sampled_from([BTC, ETH]), st.decimals("-0.01", "0.01", places=6)),
    st.tuples(st.just("flow"), st.decimals("-1000", "1000", places=2)),
)


def play(toy: Toy, action: tuple[Any, ...]) -> None:
    """One thing happens; a buy is cut to what is held, for a hedge never turns long."""
    match action:
        case ("flow", amount):
            toy.pay_in(amount)
        case (_, symbol, *_) if not toy.lines[symbol].listed:
            return
        case ("move", symbol, mark, index):
            toy.move(symbol, mark, index)
        case ("funding", symbol, rate):
            toy.settle_funding(symbol, rate)
        case ("sell" | "buy" as side, symbol, lots, worse, fee):
            most = toy.lines[symbol].short if side == "buy" else d(10**9)
            contracts = min(d(lots) / 1000, most)
            if contracts:
                toy.trade(symbol, side, contracts, worse, fee)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    periods=st.lists(st.lists(ACTIONS, max_size=8), min_size=1, max_size=4),
    multipliers=st.tuples(*[st.sampled_from(["1", "0.001", "10", "100"])] * 2),
    indexed=st.tuples(st.booleans(), st.booleans()),
    eth_is_new=st.booleans(),
)
def test_every_cent_of_a_random_account_has_its_name(
    periods: list[list[tuple[Any, ...]]],
    multipliers: tuple[str, str],
    indexed: tuple[bool, bool],
    eth_is_new: bool,
) -> None:
    toy = Toy(
        {
            BTC: Line(d(multipliers[0]), indexed[0]),
            ETH: Line(d(multipliers[1]), indexed[1], listed=not eth_is_new),
        }
    )
    toy.pay_in(d(10_000))
    before: AccountState = state_of(toy.seen())
    for actions in periods:
        toy.booked = dict.fromkeys(TERMS, Decimal(0))
        toy.lines[ETH].listed = True
        for action in actions:
            toy.now += timedelta(minutes=1)
            play(toy, action)
        equity_before = before.equity
        after = toy.seen()
        found = attribute(before, after)
        before = state_of(after)

        assert abs(found.unexplained) < EXACT
        for term in TERMS:
            assert abs(getattr(found, term) - toy.booked[term]) < EXACT, term
        assert found.equity_change == toy.equity - equity_before
        if not any(indexed):
            assert found.basis_pnl == 0


def short(units: int, mark: str | int, index: str | int | None, equity: str | int) -> Snapshot:
    return snapshot(
        positions=(position(-units),),
        quotes=(quote(mark=mark, index_price=None if index is None else d(index)),),
        margin=Margin(wallet_balance=d(0), equity=d(equity), maintenance_margin=d(0)),
    )


def fill(side: Side, contracts: int, price: str | int, mark: str | int, **changed: Any) -> Fill:
    plain: dict[str, Any] = {"at": MONDAY, "index_price": None, "fee": d(0), "client_order_id": ""}
    plain["symbol"] = BTC
    return Fill(
        side=side,
        contracts=d(contracts),
        fill_price=d(price),
        mark_price=d(mark),
        **plain | changed,
    )


def test_a_short_gains_what_the_index_falls_and_what_the_contango_shrinks() -> None:
    found = attribute(state_of(short(2, 102, 100, 1000)), short(2, 91, 90, 1022))

    assert found.hedge_pnl == 20
    assert found.basis_pnl == 2
    assert found.unexplained == 0
    assert found.price_of_protection == -2


def test_a_short_loses_what_a_backwardation_closes() -> None:
    found = attribute(state_of(short(2, 98, 100, 1000)), short(2, 100, 100, 996))

    assert (found.hedge_pnl, found.basis_pnl, found.unexplained) == (0, -4, 0)


def test_without_an_index_all_of_the_move_is_the_hedges() -> None:
    found = attribute(state_of(short(2, 102, None, 1000)), short(2, 91, None, 1022))

    assert (found.hedge_pnl, found.basis_pnl, found.unexplained) == (22, 0, 0)


def test_money_that_nobody_booked_is_unexplained() -> None:
    found = attribute(state_of(short(2, 100, 100, 1000)), short(2, 90, 90, 1013))

    assert (found.hedge_pnl, found.unexplained) == (20, -7)


def test_what_was_traded_of_a_contract_that_is_not_quoted_is_unexplained_but_for_its_fee() -> None:
    """It is no leg any more, and not held: a person bought and sold it."""
    traded = fill("buy", 1, 7, 7, symbol=ETH, fee=d(1))
    after = replace(short(2, 100, 100, 996), fills=(traded,))
    found = attribute(state_of(short(2, 100, 100, 1000)), after)

    assert (found.fees, found.slippage, found.unexplained) == (1, 0, -3)


def test_selling_below_and_buying_above_the_mark_is_slippage_and_better_prices_are_negative() -> None:
    def slipped(traded: Fill) -> Decimal:
        after = snapshot(fills=(traded,))
        return attribute(state_of(snapshot()), after).slippage

    assert slipped(fill("sell", 2, 99, 100)) == 2
    assert slipped(fill("buy", 2, 101, 100)) == 2
    assert slipped(fill("sell", 2, 101, 100)) == -2
    assert slipped(fill("buy", 2, 99, 100)) == -2


def test_a_fill_splits_the_period_at_its_own_mark() -> None:
    # Short 1 from 100 to 90, then short 3 from 90 to 80.
    before = short(1, 100, None, 1000)
    after = short(3, 80, None, 1040)
    traded = snapshot(
        positions=after.positions,
        quotes=after.quotes,
        margin=after.margin,
        fills=(fill("sell", 2, 90, 90),),
    )
    found = attribute(state_of(before), traded)

    assert (found.hedge_pnl, found.slippage, found.unexplained) == (40, 0, 0)


UNTOLD = "not told"


@given(st.integers(90, 110), st.integers(90, 110), st.integers(80, 120), st.integers(1, 5))
def test_a_fill_without_its_mark_changes_where_the_money_is_told_and_not_how_much(
    price: int, mark: int, after_mark: int, contracts: int
) -> None:
    """The mark of a fill only parts slippage from the hedge's gain."""
    before, seen = short(1, 100, None, 1000), short(1 + contracts, after_mark, None, 1000)
    whole = fill("sell", contracts, price, mark)
    blind = replace(whole, mark_price=None, untold=UNTOLD)
    told = attribute(state_of(before), replace(seen, fills=(whole,)))
    found = attribute(state_of(before), replace(seen, fills=(blind,)))

    assert found.unexplained == told.unexplained
    assert found.hedge_pnl - found.slippage == told.hedge_pnl - told.slippage
    assert (found.slippage, found.untold, found.untold_notional) == (0, 1, contracts * price)
    assert (told.untold, told.untold_notional) == (0, 0)


def test_a_fee_that_is_not_told_is_unexplained_and_never_zero_by_silence() -> None:
    blind = replace(fill("sell", 2, 100, 100), fee=None, untold=UNTOLD)
    after = replace(short(2, 100, None, 997), fills=(blind,))
    found = attribute(state_of(short(0, 100, None, 1000)), after)

    assert (found.fees, found.unexplained) == (0, -3)
    assert (found.untold, found.untold_notional) == (1, 200)


def test_a_fill_without_any_price_leaves_its_cost_unexplained() -> None:
    blind = replace(fill("sell", 2, 99, 100), fill_price=None, mark_price=None, untold=UNTOLD)
    after = replace(short(2, 90, None, 1018), fills=(blind,))
    found = attribute(state_of(short(0, 100, None, 1000)), after)

    assert (found.hedge_pnl, found.slippage, found.unexplained) == (20, 0, -2)
    assert found.untold_notional == 180  # at the mark that is known


def test_a_contract_seen_first_with_a_fill_without_a_mark_begins_at_its_price() -> None:
    blind = replace(fill("sell", 2, 99, 100), mark_price=None, untold=UNTOLD)
    after = replace(short(2, 90, None, 1018), fills=(blind,))
    found = attribute(AccountState(equity=d(1000), legs={}), after)

    assert (found.hedge_pnl, found.unexplained) == (18, 0)


def test_money_that_is_told_in_part_is_counted_as_far_as_it_is() -> None:
    payment = FundingPayment(
        at=MONDAY, symbol=BTC, funding_rate=None, contracts=None, mark_price=None, amount=d(3),
        untold=UNTOLD,
    )  # fmt: skip
    flows = (
        Flow(at=MONDAY, amount=d(-10), untold="a kind that is not known"),
        Flow(at=MONDAY, amount=None, untold=UNTOLD),
        Flow(at=MONDAY, amount=d(5)),
    )
    after = replace(short(1, 100, None, 1000), flows=flows, funding_payments=(payment,))
    found = attribute(state_of(short(1, 100, None, 1000)), after)

    assert (found.funding, found.flows, found.unexplained) == (3, -5, 2)
    assert (found.untold, found.untold_flows) == (3, 10)


def test_the_price_of_protection_is_what_was_paid_less_what_was_received() -> None:
    account = Attribution(
        hedge_pnl=d(1000), fees=d(5), slippage=d(3), funding=d(2), basis_pnl=d(-4), flows=d(100)
    )

    assert account.price_of_protection == 10


def test_the_first_pass_has_nothing_to_explain() -> None:
    assert attribute(None, short(2, 100, 100, 1000)) == Attribution()


def test_two_periods_add_up_term_by_term() -> None:
    one = attribute(state_of(short(2, 102, 100, 1000)), short(2, 91, 90, 1022))
    two = attribute(state_of(short(2, 91, 90, 1022)), short(2, 95, 96, 1015))
    both = attribute(state_of(short(2, 102, 100, 1000)), short(2, 95, 96, 1015))

    assert one + two == both
    assert both.unexplained == 1
