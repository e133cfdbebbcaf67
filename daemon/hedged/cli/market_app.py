"""
The commands of ``market`` and their arguments; `cli.market` and `cli.fetch` do what they say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hedged.cli.arguments import Config, Json

market_app = typer.Typer(
    help="What an exchange lists, and its past. Needs no key.", no_args_is_help=True
)
Kind = Literal["perpetual", "dated", "index"]
VenueName = Annotated[
    str | None,
    typer.Option("--venue", metavar="NAME", help="The exchange. Default: venue.kind, or binance"),
]


@market_app.command("instruments", short_help="Print the contracts that can hedge.")
def market_instruments(
    words: Annotated[
        str | None,
        typer.Argument(metavar="[WORDS]", help="Which contract is that? Such as 'BTC front quarter'."),
    ] = None,
    config: Config = None,
    venue: VenueName = None,
    base: Annotated[
        str | None, typer.Option("--base", metavar="COIN", help="Only this coin's, such as BTC.")
    ] = None,
    kind: Annotated[
        Kind | None, typer.Option("--kind", help="Only perpetuals, dated contracts or indices.")
    ] = None,
    json: Json = False,
) -> None:
    """
    Print the contracts that can hedge, or the one that words mean: 'BTC perpetual', 'BTC USDC
    perpetual', 'BTC inverse perpetual', 'ALL index perpetual', 'BTC front quarter', 'BTC next
    quarter', 'BTC 2026-06-26', or a symbol. Without a settings file Binance is asked.

    Example: hedged market instruments --base BTC
    """
    from hedged.cli.market import show_instruments

    show_instruments(config or [], words, venue, base, kind, json=json)


@market_app.command("fetch", short_help="Download bars, funding and open interest.")
def market_fetch(
    symbols: Annotated[
        str, typer.Option("--symbols", metavar="LIST", help="Contracts, separated by commas.")
    ],
    since: Annotated[str, typer.Option("--since", metavar="DATE", help="The first day.")],
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="Up to 00:00 UTC of it. Default: now")
    ] = None,
    bar: Annotated[str, typer.Option("--bar", metavar="LENGTH", help="Such as 1h.")] = "1d",
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="Where it is kept.")] = Path(
        "history"
    ),
    config: Config = None,
    venue: VenueName = None,
    json: Json = False,
) -> None:
    """
    Download bars, settled funding and open interest into a folder that venue.data can name. Asks for
    what is not kept there yet, so that a run that was broken off goes on where it stood.

    Example: hedged market fetch --symbols BTC/USDT:USDT,ETH/USDT:USDT --since 2024-01-01
    """
    from hedged.cli.fetch import fetch_history

    fetch_history(config or [], venue, symbols, since, until, bar, into, json=json)
