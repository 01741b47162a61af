"""The one way to providers: pooled connections for all of a process's requests, whichever library makes them.

Imported late: it loads aiohttp and httpx2.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import ssl
from collections.abc import Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2

from aster.llm.mending import mended

MOST_BYTES = 64 * 2**20
"""Of an answer; a longer one is not read to its end."""

CONNECTIONS = 20_000
"""Open at the same time, at most, unless it is said otherwise: libraries' own limits are 100 or 1,000."""

CONNECT_S = 60.0

OPENING = 200
"""Connections that are being opened at the same time, at most."""

SPARE_FILES = 512
"""Files that a process opens besides connections."""


class Trip:
    """What became of a request on its way, whatever the library that made it says.

    Attributes:
        sent: it may have reached the provider, so that work may have been done.
        bad_counts: the provider's names of counts that could not be read.
    """

    def __init__(self) -> None:
        self.sent = False
        self.bad_counts: tuple[str, ...] = ()


_trip: ContextVar[Trip | None] = ContextVar("aster_llm_trip", default=None)


@contextlib.contextmanager
def a_trip() -> Iterator[Trip]:
    """Note what becomes of the one request that is made within."""
    trip = Trip()
    token = _trip.set(trip)
    try:
        yield trip
    finally:
        _trip.reset(token)


class Connector(aiohttp.TCPConnector):
    """Opens connections a few at a time: thousands at once overrun a server's queue, and wait to be retried."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._opening = asyncio.Semaphore(OPENING)

    async def _create_connection(self, *given: Any) -> Any:
        async with self._opening:
            return await super()._create_connection(*given)


Headers = list[tuple[str, str]]


class Answer(NamedTuple):
    """What came back, whole; `headers` are those that hold for the body as it is here."""

    status: int
    headers: Headers
    body: bytes


class Wire(httpx2.AsyncBaseTransport):
    """Carries requests over aiohttp, which takes a third of the processor time of httpx's own transport.

    Args:
        connections: open at the same time, at most, as far as this process may open files; a request beyond waits.
    """

    def __init__(self, connections: int) -> None:
        self._connections = room_for(connections)
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return its whole answer, mended where it must be.

        Raises:
            httpx2.TransportError: there is none.
        """
        limit = request.extensions.get("timeout", {}).get("read")
        url, headers = request.url, request.headers.multi_items()
        proxy = _proxy(url.scheme, url.host)
        answer = await self.send(request.method, str(url), headers, await request.aread(), limit, proxy)
        return httpx2.Response(answer.status, headers=answer.headers, content=answer.body, request=request)

    async def post(self, place: httpx2.URL, headers: Headers, body: bytes, limit_s: float | None) -> Answer:
        """Send a body and return the whole answer, without the way through httpx; else as `handle_async_request`."""
        return await self.send("POST", str(place), headers, body, limit_s, _proxy(place.scheme, place.host))

    async def send(
        self, method: str, url: str, headers: Headers, body: bytes, limit_s: float | None, proxy: str | None
    ) -> Answer:
        """Send a request and return its whole answer; see `handle_async_request`.

        Args:
            limit_s: seconds between two pieces of the answer, at most.
        """
        trip = _trip.get() or Trip()
        with _as_httpx(trip):
            async with self._open().request(
                method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                proxy=proxy,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=limit_s),
                trace_request_ctx=trip,
            ) as response:
                body = await _read(response)
        body, trip.bad_counts = mended(body)
        return Answer(response.status, _kept(response), body)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_request_headers_sent.append(_note_sent)
            self._session = aiohttp.ClientSession(
                connector=Connector(limit=self._connections, ssl=_tls(), keepalive_timeout=15),
                skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept"),
                trace_configs=[trace],
                read_bufsize=2**18,
            )
        return self._session


def room_for(connections: int) -> int:
    """Return how many connections this process can have open; its limit of open files is raised for them if it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):  # some systems say that there is no limit, and have one
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - SPARE_FILES))


def _tls() -> ssl.SSLContext:
    """Return one context for all connections: making it costs tens of milliseconds."""
    return httpx2.create_ssl_context(trust_env=True)


@lru_cache(maxsize=64)
def _proxy(scheme: str, host: str) -> str | None:
    """Return the proxy that the environment names for a host. aiohttp would ask a thread for it, at every request."""
    return None if proxy_bypass(host) else getproxies().get(scheme)


async def _note_sent(_session: object, context: object, _params: object) -> None:
    trip = getattr(context, "trace_request_ctx", None)
    if isinstance(trip, Trip):
        trip.sent = True


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return an answer's body.

    Raises:
        aiohttp.ClientPayloadError: it broke off, or is longer than any answer is.
    """
    if (response.content_length or 0) > MOST_BYTES:
        raise aiohttp.ClientPayloadError("the answer is too long")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MOST_BYTES:
            raise aiohttp.ClientPayloadError("the answer is too long")
    return bytes(body)


def _kept(response: aiohttp.ClientResponse) -> list[tuple[str, str]]:
    """Return the headers that still hold for a body that was decoded and perhaps mended."""
    gone = ("content-encoding", "content-length", "transfer-encoding")
    return [(name, value) for name, value in response.headers.items() if name.lower() not in gone]


@contextlib.contextmanager
def _as_httpx(trip: Trip) -> Iterator[None]:
    """Turn aiohttp's errors into those that the providers' libraries know."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx2.ConnectTimeout(str(error) or "no connection in time") from error
    except (aiohttp.ServerTimeoutError, TimeoutError) as error:
        raise httpx2.ReadTimeout(str(error) or "no answer in time") from error
    except aiohttp.InvalidURL as error:
        raise httpx2.UnsupportedProtocol(f"not an address: {error}") from error
    except aiohttp.ClientConnectorError as error:
        raise httpx2.ConnectError(str(error)) from error
    except (aiohttp.ClientError, OSError) as error:
        broken = httpx2.ReadError if trip.sent else httpx2.ConnectError
        raise broken(str(error) or type(error).__name__) from error
