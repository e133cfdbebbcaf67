"""
The one place where ccxt is called: endpoints by name, one budget a host, one way to send.

Enters an endpoint and its parameters; leaves the venue's answer as decoded JSON. ccxt signs and
connects; what an answer means is for the venue's translation to say, never for ccxt's classes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
import ccxt.async_support as ccxt
from ccxt.base.types import Entry

from hedged.errors import HedgedError, OutcomeUnknown, Unjudged, VenueRefused, VenueUnavailable
from hedged.logs import Redactor
from hedged.venue.budget import BACKOFF_S, WAIT_S_MAX, Budget, Budgets
from hedged.venue.given import NotGiven
from hedged.venue.retry_after import retry_after_s
from hedged.venue.session import Session

TIMEOUT_MS = 10_000
RECV_WINDOW_MS = 5_000
"""A request that reaches the venue later than this after it was signed is refused by it."""

ORDER_WAIT_S_MAX = 3.0
"""
An order that waited longer, for the budget, for other requests or for the journal's disk, is not sent:
its prices were looked at before, and the stamp of its claim, from which the quarantine counts, is old.
"""
AT_ONCE = 4
"""Requests of one wire that are under way together."""
TEXT_MAX = 300
FORBIDDEN = 403
TOO_MANY = frozenset({FORBIDDEN, 418, 429})
UNAVAILABLE = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A key of an account; its text is never shown."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """At most one way out."""

    https: str | None = None
    socks: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """
    How a venue speaks, as far as the wire must know.

    *weight_limits* are what each host allows in *weight_window_s* seconds; paths that it counts apart
    stand there with their first segment, ``api.binance.com/sapi``. With *weighs* a request has the
    weight that ccxt knows for it, or that of *costs*, in ccxt's own words, where ccxt's is not the
    venue's; else 1. *error_of* finds the raw code of an error in a decoded answer, *used_of* the weight
    that a host says is used, in its headers. *listed_by* are the requests that ccxt makes for a
    listing. *read_by_post* are endpoints that only read, and want a POST. *overasked* are codes that
    refuse because too much was asked, each with the seconds for which the host is left alone;
    *backoff_s* is that of an HTTP status that refuses so and names no time.
    """

    ccxt_id: str
    weight_limits: Mapping[str, float]
    weight_window_s: float
    error_of: Callable[[Any], str | None]
    used_of: Callable[[Mapping[str, str]], float | None]
    weighs: bool
    listed_by: tuple[str, ...]
    costs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    read_by_post: frozenset[str] = frozenset()
    overasked: Mapping[str, float] = field(default_factory=dict)
    backoff_s: float = BACKOFF_S


class Answered(Exception):
    """
    The venue answered with an error: the HTTP *status*, its raw *code* (None where the body has
    none) and its *text*.
    """

    def __init__(self, status: int, code: str | None, text: str) -> None:
        super().__init__(f"HTTP {status}, {code}: {text}" if code else f"HTTP {status}: {text}")
        self.status = status
        self.code = code
        self.text = text


class Permit(Protocol):
    """Who knows which orders may be sent."""

    def __call__(self, client_order_id: str, signed_at: datetime) -> bool:
        """
        Whether the order of this id may be sent, now, for the first and only time.

        *signed_at* is that instant on the venue's clock; a yes is on disk before it is returned.
        """


class Wire:
    """
    One account's line to one venue (or to its public side, without *credentials*).

    *permit* says which client order ids may be sent; without one nothing is ever sent.
    """

    def __init__(
        self,
        speech: Speech,
        budgets: Budgets,
        clock: Callable[[], datetime],
        *,
        credentials: Credentials | None = None,
        permit: Permit | None = None,
        endpoint: str | None = None,
        proxies: Proxies = Proxies(),
    ) -> None:
        self.speech = speech
        self.requests = 0
        self.now = clock
        self._budgets = budgets
        self._permit = permit
        self._endpoint = endpoint
        self._proxies = proxies
        self._redact = Redactor((credentials.api_key, credentials.api_secret) if credentials else ())
        self._http: aiohttp.ClientSession | None = None
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._exchange = _speaking(speech, clock, self._heard)(
            {
                "apiKey": credentials.api_key if credentials else "",
                "secret": credentials.api_secret if credentials else "",
                "enableRateLimit": False,  # `Budget` does that, for all wires together
                "timeout": TIMEOUT_MS,
                "session": None,
                "options": {
                    "recvWindow": RECV_WINDOW_MS,
                    "timeDifference": 0,
                    "maxRetriesOnFailure": 0,
                    **speech.options,
                },
                "has": {"fetchCurrencies": False},
            }
        )
        self._exchange.timeout_on_exit = 0  # it waits for sockets that are not its own

    async def read(self, endpoint: str, params: Mapping[str, Any] | None = None) -> Any:
        """
        The decoded answer of an *endpoint*, by ccxt's name for it, that only reads.

        Raises
        ------
        VenueUnavailable
            When there is no answer, or one that is an error.
        """
        entry = self._reading(endpoint)
        try:
            return await self._ask(entry, params or {}, order=False)
        except Answered as error:
            raise NotGiven(f"{self._named(entry)}: {error}", error.code) from None

    async def find(self, endpoint: str, params: Mapping[str, Any]) -> Any:
        """As `read`, with the reserve that is kept for orders; an error is raised as `Answered`."""
        return await self._ask(self._reading(endpoint), params, order=True)

    async def send(self, endpoint: str, params: Mapping[str, Any], client_order_id: str) -> Any:
        """
        The decoded answer of an *endpoint* that places an order, asked once and never again.

        Raises
        ------
        VenueRefused
            When nothing was sent, for the id is not in the journal.
        Unjudged
            When nothing was sent, for the host is not to be asked now, or it took too long until then.
        Answered
            When the venue answered with an error; whether the order landed is for its code to say.
        OutcomeUnknown
            When nobody knows whether the order landed.
        """
        entry = self._entry(endpoint)
        try:
            return await self._ask(entry, params, order=True, client_order_id=client_order_id)
        except _NotAsked as error:
            raise Unjudged(f"nothing was sent: {error}") from None
        except VenueUnavailable as error:
            raise OutcomeUnknown(str(error)) from None

    @property
    def may_send(self) -> bool:
        """Whether orders and changes of the account may go out here at all."""
        return self._permit is not None

    async def adjust(self, endpoint: str, params: Mapping[str, Any]) -> None:
        """
        Let an *endpoint* change a mode of the account.

        Raises
        ------
        VenueRefused
            When the venue answers with an error.
        VenueUnavailable
            When nobody knows whether it was changed.
        """
        try:
            await self.change(endpoint, params)
        except Answered as error:
            raise VenueRefused(str(error)) from None

    async def change(self, endpoint: str, params: Mapping[str, Any]) -> Any:
        """The decoded answer of an *endpoint* that cancels an order or changes a mode."""
        if self._permit is None:
            raise AssertionError("what may not send may not change anything")
        return await self._ask(self._entry(endpoint), params, order=True)

    async def markets(self) -> dict[str, dict[str, Any]]:
        """
        Everything the venue lists, as ccxt has it, by its unified symbol; asked anew.

        Raises
        ------
        VenueUnavailable
            When it does not answer, or answers something that ccxt can't read.
        """
        await self._open()
        for endpoint in self.speech.listed_by:
            entry = self._reading(endpoint)
            await self._budget(self._url(entry)).spend(self._weight(entry, {}), order=False)
        try:
            with _boundary(f"the markets of {self.speech.ccxt_id}"):
                found = await self._exchange.load_markets(reload=True)
        except Answered as error:
            raise VenueUnavailable(f"{self.speech.ccxt_id} lists nothing: {error}") from None
        return dict(found)

    def shown(self, row: Any) -> str:
        """What the venue says, as it may be kept and shown: without secrets, and not too long."""
        return _shortened(self._redact(json.dumps(row, default=str)))

    def clock_is_off(self, milliseconds: int) -> None:
        """The local clock is so far ahead of the venue's; requests are stamped with the venue's."""
        self._exchange.options["timeDifference"] = milliseconds

    async def close(self) -> None:
        """Let go of the sockets."""
        if self._http is not None:
            http, self._http = self._http, None
            await self._exchange.close()
            await http.close()

    async def _ask(
        self, entry: Any, params: Mapping[str, Any], *, order: bool, client_order_id: str | None = None
    ) -> Any:
        """One request. That of a new order has a *client_order_id*, claimed when nothing else waits."""
        began = self._budgets.monotonic()
        await self._open()
        budget = self._budget(self._url(entry))
        weight = self._weight(entry, params)
        wait_s_max = WAIT_S_MAX if client_order_id is None else ORDER_WAIT_S_MAX
        try:
            await budget.spend(weight, order=order, wait_s_max=wait_s_max)
        except VenueUnavailable as error:
            raise _NotAsked(str(error)) from None
        self.requests += 1
        async with self._at_once:
            if client_order_id is not None:
                self._claim(client_order_id, began)
            with _boundary(self._named(entry)):
                return await self._exchange.request(
                    entry.path, entry.api, entry.method, dict(params), entry.config
                )

    def _claim(self, client_order_id: str, began: float) -> None:
        """
        From here on the order may have been sent, and it never is again.

        It is not when too long has passed since it *began*, the wait for the claim itself included.
        """
        ahead = timedelta(milliseconds=self._exchange.options["timeDifference"])
        if self._permit is None or not self._permit(client_order_id, self.now() - ahead):
            raise VenueRefused(
                f"{client_order_id} may not be sent: no intent of it is in the journal, or it was sent"
            )
        waited_s = self._budgets.monotonic() - began
        if waited_s > ORDER_WAIT_S_MAX:
            raise Unjudged(f"nothing was sent: the order waited {waited_s:.1f} seconds on this machine")

    async def _open(self) -> None:
        """A session of our own: ccxt's would follow redirects, and can't be addressed to loopback."""
        if self._http is None:
            connector = None
            if self._proxies.socks:
                from aiohttp_socks import ProxyConnector

                connector = ProxyConnector.from_url(self._proxies.socks)
            self._http = aiohttp.ClientSession(connector=connector, proxy=self._proxies.https)
            self._exchange.session = Session(self._http, self._endpoint)

    def _heard(self, status: int, url: str, headers: Mapping[str, str], body: str, answer: Any) -> None:
        """Every answer passes here before anything else looks at it."""
        heard = {name.lower(): value for name, value in headers.items()}
        used = self.speech.used_of(heard)
        if used is not None:
            self._budget(url).told_used(used)
        code = self.speech.error_of(answer)
        self._wait_as_told(url, status, code, heard)
        if status >= 300 or code is not None:
            # A gateway may tell the request back, headers and all, and errors are kept and shown.
            raise Answered(status, code, _shortened(self._redact(body)))

    def _wait_as_told(
        self, url: str, status: int, code: str | None, headers: Mapping[str, str]
    ) -> None:
        """Leave the whole host alone, whatever it counts apart, for as long as it says."""
        told_s = retry_after_s(headers, self.now())
        if status in TOO_MANY and (status != FORBIDDEN or code is None):
            wait_s = told_s or self.speech.backoff_s
        elif code is not None and code in self.speech.overasked:
            wait_s = self.speech.overasked[code]
        elif status == UNAVAILABLE and told_s is not None:
            wait_s = told_s
        else:
            return
        host = urlsplit(url).netloc
        for meter in self.speech.weight_limits:
            if meter.partition("/")[0] == host:
                self._metered(meter).told_to_wait(wait_s)

    def _budget(self, url: str) -> Budget:
        """That of the host, or of the part of it that is counted apart."""
        parts = urlsplit(url)
        apart = f"{parts.netloc}/{parts.path.split('/')[1]}" if parts.path else ""
        return self._metered(apart if apart in self.speech.weight_limits else parts.netloc)

    def _metered(self, meter: str) -> Budget:
        speech = self.speech
        return self._budgets.of(meter, speech.weight_limits[meter], speech.weight_window_s)

    def _reading(self, endpoint: str) -> Any:
        entry = self._entry(endpoint)
        if entry.method != "GET" and endpoint not in self.speech.read_by_post:
            raise AssertionError(f"{endpoint} does not only read")
        return entry

    def _entry(self, endpoint: str) -> Any:
        """ccxt's own description of an endpoint; instances put plain functions over some of them."""
        for known in type(self._exchange).__mro__:
            entry = vars(known).get(endpoint)
            if isinstance(entry, Entry):
                cost = self.speech.costs.get(endpoint, entry.config)
                return Entry(entry.path, entry.api, entry.method, cost)
        raise AssertionError(f"{self.speech.ccxt_id} has no endpoint {endpoint}")

    def _url(self, entry: Any) -> str:
        """Where *entry* is asked, without its path."""
        api = entry.api if isinstance(entry.api, str) else entry.api[0]
        return str(self._exchange.implode_hostname(self._exchange.urls["api"][api]))

    def _named(self, entry: Any) -> str:
        return f"{entry.method} {urlsplit(self._url(entry)).netloc}/{entry.path}"

    def _weight(self, entry: Any, params: Mapping[str, Any]) -> float:
        if not self.speech.weighs:
            return 1.0
        return float(
            self._exchange.calculate_rate_limiter_cost(
                entry.api, entry.method, entry.path, dict(params), entry.config
            )
        )


@contextmanager
def _boundary(what: str) -> Iterator[None]:
    """
    Whatever comes out of ccxt but an answer is `VenueUnavailable`.

    Its texts are left out: they hold the URL, and that a signature. Its arithmetic stays inside: it may
    set how the process rounds decimals, and then a decision and its replay would round differently.
    """
    try:
        with localcontext():
            yield
    except (Answered, HedgedError):
        raise
    except Exception as error:  # noqa: BLE001 - ccxt raises KeyError and TypeError on odd payloads
        cause = type(error.__cause__).__name__ if error.__cause__ else ""
        told = f"{type(error).__name__} ({cause})" if cause else type(error).__name__
        raise VenueUnavailable(f"{what}: {told}") from None


class _NotAsked(VenueUnavailable):
    """Nothing left this machine."""


def _speaking(speech: Speech, clock: Callable[[], datetime], heard: Callable[..., None]) -> Any:
    """ccxt's class of the venue, with our clock, exact numbers, and no errors of its own."""

    def handle_errors(
        _self: Any, status: int, _reason: str, url: str, _method: str, headers: Any, body: str,
        answer: Any, *_request: Any,
    ) -> None:  # fmt: skip
        heard(status, url, headers, body, answer)

    members = {
        "handle_errors": handle_errors,
        "milliseconds": lambda _self: int(clock().timestamp() * 1000),
        "on_json_response": staticmethod(_decoded),
    }
    return type(speech.ccxt_id, (getattr(ccxt, speech.ccxt_id),), members)


def _decoded(body: str) -> Any:
    """JSON with exact numbers; NaN and Infinity, which are no JSON, are refused."""
    return json.loads(body, parse_float=Decimal, parse_constant=_refuse)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _shortened(body: str) -> str:
    return body if len(body) <= TEXT_MAX else f"{body[:TEXT_MAX]}..."
