"""
A loopback exchange as a process of its own: ``python -m exchange --venue binance --port 0``.

More venues answer at the same port: ``--beside second=bybit`` is another account with the key
``second-key``, told by ``/_control/second/...``. The first line printed is the port. Its clock is the
computer's (``/_control/clock`` moves it); its state lives in memory and ends with it.
"""

from __future__ import annotations

import argparse
import asyncio
import signal

from exchange.clocks import Running
from exchange.opening import VENUES
from exchange.server import Server
from exchange.venue import KEY, SECRET, Key, Venue


async def serve(args: argparse.Namespace) -> None:
    """Answer until told to end."""
    rights = frozenset(args.rights.split(","))

    def opened(name: str, key: str) -> Venue:
        known = Key(name=key, secret=args.secret, rights=rights)
        venue = VENUES[name](Running(), deposit=args.deposit, keys=(known,))
        venue.engine.remember_s = args.remember
        return venue

    venue = opened(args.venue, args.key)
    beside = {name: opened(kind, f"{name}-key") for name, kind in args.beside}
    kinds = [args.venue, *(kind for _, kind in args.beside)]
    for place, one in enumerate(beside.values(), start=1):
        one.engine.state.place = kinds[:place].count(kinds[place])  # each an account of its own
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with Server(venue, port=args.port, beside=beside) as server:
        print(server.port, flush=True)
        await ended.wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m exchange", description=__doc__)
    parser.add_argument("--venue", choices=sorted(VENUES), required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--beside", action="append", default=[], metavar="NAME=VENUE", type=lambda t: t.split("=", 1)
    )
    parser.add_argument("--deposit", type=int, default=10_000, help="USDT in the futures wallet")
    parser.add_argument("--key", default=KEY)
    parser.add_argument("--secret", default=SECRET)
    parser.add_argument("--rights", default="read,futures")
    parser.add_argument("--remember", type=float, default=0.0, help="seconds, for stale answers")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
