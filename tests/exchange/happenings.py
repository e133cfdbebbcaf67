"""
What happens to an account without an order of its own: funding, delivery, liquidation, ADL.

Each takes the engine and changes its state; the engine calls those that are due.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from exchange.margins import liquidation_price, notional
from exchange.state import ZERO, FundingRate, Order, Position

if TYPE_CHECKING:
    from exchange.engine import Engine


def settle_due(engine: Engine) -> None:
    """Funding and deliveries whose time has come, each at its own stamp's rate and price."""
    for symbol, market in engine.state.markets.items():
        contract = market.contract
        if contract.delivery is None:
            while market.funding_due <= engine.now and market.trading:
                settle_funding(engine, symbol)
        elif market.trading and contract.delivery <= engine.now:
            deliver(engine, symbol)


def settle_funding(
    engine: Engine, symbol: str, rate: Decimal | None = None, at: datetime | None = None
) -> None:
    """
    Pay funding of *symbol* at *rate* (its running rate): longs pay a positive one.

    ``amount = -q * m * mark * rate``; stamped *at*, else as scheduled when it is due, else now.
    """
    engine.remember()
    market = engine.market(symbol)
    rate = market.funding_rate if rate is None else rate
    at = at or (market.funding_due if market.funding_due <= engine.now else engine.now)
    if at == market.funding_due:
        market.funding_due += timedelta(hours=market.contract.funding_hours)
    market.funding.append(FundingRate(at=at, rate=rate, mark_price=market.mark))
    for position in engine.slots(symbol):
        if position.quantity:
            value = notional(market.contract, position.quantity, market.mark)
            paid = value * rate if position.quantity > 0 else -value * rate
            booked = engine.enter(
                "funding",
                market.contract.settle,
                -paid,
                at=at,
                symbol=symbol,
                rate=rate,
                price=market.mark,
                quantity=position.quantity,
            )
            position.realised += booked


def deliver(engine: Engine, symbol: str, price: Decimal | None = None) -> None:
    """End a contract: resting orders are cancelled, positions close at the index (*price*)."""
    engine.remember()
    market = engine.market(symbol)
    market.delivery_price = market.index if price is None else price
    for order in engine.open_orders(symbol):
        engine.end(order, "expired", "delivery")
    for position in engine.slots(symbol):
        if position.quantity:
            engine.force(position, abs(position.quantity), market.delivery_price, "delivery")
    market.trading = False


def adl(engine: Engine, symbol: str, quantity: Decimal, price: Decimal | None = None) -> Order:
    """Reduce our largest position of *symbol* against a bankrupt one, at *price* (the mark)."""
    engine.remember()
    position = max(engine.slots(symbol), key=lambda p: abs(p.quantity))
    at = engine.market(symbol).mark if price is None else price
    return engine.force(position, min(quantity, abs(position.quantity)), at, "adl")


def liquidate_due(engine: Engine) -> None:
    """Liquidate every margin account whose equity no longer covers its maintenance."""
    for position in list(engine.state.positions.values()):
        if position.quantity and position.symbol in engine.state.isolated:
            need = engine.need(position, ())
            if position.isolated + need.unrealised <= need.maintenance:
                _liquidate(engine, [position])
    for positions, equity, maintained in _cross_accounts(engine):
        if positions and equity <= maintained:
            _liquidate(engine, positions)


def _cross_accounts(engine: Engine) -> list[tuple[list[Position], Decimal, Decimal]]:
    """(positions, equity, maintenance) of each cross account: one a coin, or one for all."""
    cross = [
        p
        for p in engine.state.positions.values()
        if p.quantity and p.symbol not in engine.state.isolated
    ]
    if engine.rules.unified:
        equity, _, maintained = engine.unified_totals()
        return [(cross, equity, maintained)]
    accounts = []
    for coin in {engine.contract(p.symbol).settle for p in cross}:
        held = [p for p in cross if engine.contract(p.symbol).settle == coin]
        account = engine.account(coin)
        maintained = sum((engine.need(p, ()).maintenance for p in held), ZERO)
        equity = account.wallet - account.isolated + account.cross_unrealised
        accounts.append((held, equity, maintained))
    return accounts


def liquidate(engine: Engine, symbol: str, quantity: Decimal | None = None) -> None:
    """Liquidate every position of *symbol*, due or not, or *quantity* of each."""
    engine.remember()
    _liquidate(engine, [p for p in engine.slots(symbol) if p.quantity], quantity)


def _liquidate(engine: Engine, positions: list[Position], quantity: Decimal | None = None) -> None:
    """
    Close at the mark and take the fee. What is lost ends at the margin of the position: insurance
    covers the rest, so an isolated one costs its own margin, a cross one never another's.
    """
    symbols = {p.symbol for p in positions}
    for order in engine.open_orders():
        if order.ticket.symbol in symbols:
            engine.end(order, "canceled", "liquidation")
    for position in positions:
        market = engine.market(position.symbol)
        contract, held = market.contract, abs(position.quantity)
        size = min(held, quantity or held)
        account = engine.account(contract.settle)
        isolated = position.symbol in engine.state.isolated
        floor = account.wallet - position.isolated if isolated else account.isolated
        engine.force(position, size, market.mark, "liquidation")
        left = engine.state.wallets.get(contract.settle, ZERO) - floor
        charge = notional(contract, size, market.mark) * contract.liquidation_fee
        taken = -left if left < 0 else -min(charge, left)
        engine.enter("insurance", contract.settle, taken, symbol=position.symbol)


def liquidation_price_of(engine: Engine, position: Position) -> Decimal | None:
    """Where *position* would be liquidated if nothing but its own price moved; None if nowhere."""
    market, contract = engine.market(position.symbol), engine.contract(position.symbol)
    if not position.quantity:
        return None
    own = engine.need(position, ())
    if position.symbol in engine.state.isolated:
        spare = position.isolated
    else:
        account = engine.account(contract.settle)
        held = [p for p in engine.state.positions.values() if p.symbol not in engine.state.isolated]
        same = [p for p in held if engine.contract(p.symbol).settle == contract.settle]
        others = sum((engine.need(p, ()).maintenance for p in same), ZERO) - own.maintenance
        spare = account.wallet - account.isolated + account.cross_unrealised - own.unrealised - others
        if engine.rules.unified:
            equity, _, maintained = engine.unified_totals()
            price = engine.usd(contract.settle) or Decimal(1)
            spare = (equity - maintained) / price - own.unrealised + own.maintenance
    return liquidation_price(contract, position.quantity, position.entry_price, spare, market.mark)
