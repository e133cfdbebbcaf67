"""
What people and the exchange do to an account while the daemon is at work on it.

Enters a `World`; leaves events by the name of their fault. Whoever changes how the account trades
closes its positions first, for the exchange does not let it be done otherwise, and changes it back
when he is told; a delisting is for good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from exchange import happenings
from exchange.desk import Refused
from exchange.state import Ticket

if TYPE_CHECKING:
    from simulation.world import World

D = Decimal
ADL_RANK_TOP = 4
"""The highest that Binance tells."""
TRIES = 12
AGAIN_S = 240.0
STROKES = 6
"""How often a person undoes the hedge before he gives it up."""


def events(world: World) -> dict[str, Callable[[], None]]:
    """What may happen, by the name of its fault."""
    engine = world.engine
    return {
        "hedge_mode": lambda: _flipped(world, engine.set_hedge_mode),
        "isolated": lambda: _flipped(world, partial(engine.set_isolated, world.symbols()[0])),
        "manual_fight": lambda: _fight(world, STROKES),
        "collateral_out": lambda: _collateral_out(world),
        "delisting": lambda: _delist(world),
        "adl_rank_top": lambda: _rank(world),
    }


def _later(world: World, low: float, high: float, then: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(world.dice.uniform(low, high), then)


def _close_all(world: World) -> None:
    """By hand, as far as others offer that much."""
    engine = world.engine
    for order in engine.open_orders():
        engine.cancel(order)
    for symbol in world.symbols():
        held = engine.position(symbol).quantity
        if held:
            side = "buy" if held < 0 else "sell"
            engine.manual(
                Ticket(symbol=symbol, side=side, quantity=abs(held), kind="market", reduce_only=True)  # type: ignore[arg-type]
            )


def _flipped(world: World, setting: Callable[[bool], None]) -> None:
    """Another way of trading, for a while."""
    _close_all(world)
    setting(True)
    world.engine.watcher.happened("flipped", on=True)
    _later(world, 600.0, 5400.0, lambda: _flip_back(world, setting, TRIES))


def _flip_back(world: World, setting: Callable[[bool], None], tries: int) -> None:
    """What was sold meanwhile is in the way: then it is closed once more, a little later."""
    try:
        _close_all(world)
        setting(False)
    except Refused as refused:
        world.engine.watcher.happened("refused", reason=str(refused))
        if tries:
            _later(world, AGAIN_S, AGAIN_S * 2, lambda: _flip_back(world, setting, tries - 1))
        world.given_up = not tries
        return
    world.engine.watcher.happened("flipped", on=False)


def _fight(world: World, strokes: int) -> None:
    """Somebody buys back a part of what the daemon sells, again and again."""
    symbol = world.dice.choice(world.symbols())
    part = world.part_of(symbol)
    try:
        if part and world.engine.position(symbol).quantity < 0:
            world.engine.manual(
                Ticket(symbol=symbol, side="buy", quantity=part, kind="market", reduce_only=True)
            )
    except Refused as refused:
        world.engine.watcher.happened("refused", reason=str(refused))
    if strokes > 1:
        _later(world, 120.0, 1200.0, lambda: _fight(world, strokes - 1))


def _collateral_out(world: World) -> None:
    """Money leaves the futures wallet, down to a share of the short, and comes back in an hour."""
    engine = world.engine
    short = sum(
        (
            abs(engine.position(symbol).quantity)
            * engine.contract(symbol).multiplier
            * world.mark(symbol)
            for symbol in world.symbols()
        ),
        D(0),
    )
    left = (short or world.exposure() / 2) * D(str(round(world.dice.uniform(0.1, 0.7), 3)))
    amount = (engine.account("USDT").equity - left).quantize(D("0.01"))
    if amount <= 0:
        return
    engine.transfer("USDT", -amount)
    world.thin = True

    def back() -> None:
        engine.transfer("USDT", amount)
        world.thin = False

    _later(world, 1800.0, 7200.0, back)


def _delist(world: World) -> None:
    """A contract stops trading, is delivered, and then is not listed any more."""
    symbol = world.dice.choice(world.symbols())
    world.delisted.add(symbol)
    world.engine.halt(symbol)
    _later(world, 60.0, 3600.0, lambda: happenings.deliver(world.engine, symbol))
    _later(world, 4000.0, 9000.0, lambda: world.gone.add(symbol))


def _rank(world: World) -> None:
    """The account comes to the front of those that are deleveraged."""
    world.adl_rank = ADL_RANK_TOP

    def down() -> None:
        world.adl_rank = 1

    _later(world, 600.0, 7200.0, down)
