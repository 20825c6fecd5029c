"""Verification by a remote Spacekey: OAuth 2.0 token introspection (RFC 7662) over httpx.

Needs the ``remote`` extra. The server's ``max_age`` is obeyed exactly, counted from before the request was sent.
"""

import asyncio
import json
import logging
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.types import Scope

from spacekey.domain.errors import ConfigurationError, Unavailable
from spacekey.domain.extras import extra
from spacekey.domain.outcome import CannotTell, Verdict
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Recalled, Verifier

with extra("spacekey[remote]"):
    import httpx

from .cached import ENTRIES_MAX, Reading
from .clock import Clock, WallClock, boot_clock, utc_now
from .introspection import reading_of
from .observed import VerifierObserver, cache_over
from .remote_usage import RemoteUsage
from .sender import held_to_environment, sender
from .settings import check_environment, check_own_token, check_seconds
from .told_sender import told_fields
from .usage import UsageCollector

log = logging.getLogger("spacekey.middleware")

ANSWER_BYTES_MAX = 65_536
_RETRY_AFTER_SECONDS_MAX = 60


class RemoteVerifier(Verifier):
    """Asks ``{url}/api/v1/introspect``, keeping connections open and answers for as long as the server allows.

    :param url: the remote Spacekey, ``https://…``; plain ``http`` only to this machine unless ``allow_plain_http``.
    :param token: this app's own token, which needs the scope ``tokens:introspect``.
    :param environment: this app's environment, ``live`` or ``test``. Tokens of another one are refused, and the remote
        Spacekey tells their owner, which ``TokenMiddleware(environment=…)`` alone cannot. None accepts all.
    :param deadline_seconds: for one verification, a retry included; then the answer is "cannot tell".
    :param entries_max: how many principals are remembered.
    :param collect_usage: whether ``TokenMiddleware`` counts requests and reports them to the remote Spacekey in
        batches (``usage``). Closing the verifier sends the last one.
    :param observer: told of hits, misses and reads, such as ``AppMetrics``; see docs/metrics.md.
    :param transport: an httpx transport, for tests and for servers in the same process.
    :raises ConfigurationError: for a URL that is none, or would send secrets in the clear, and for a token,
        environment or deadline that cannot be.
    """

    def __init__(
        self,
        url: str,
        token: Secret | str,
        *,
        environment: str | None = None,
        deadline_seconds: float = 1.0,
        entries_max: int = ENTRIES_MAX,
        collect_usage: bool = True,
        observer: VerifierObserver | None = None,
        allow_plain_http: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = boot_clock,
        now: WallClock = utc_now,
    ) -> None:
        own = token if isinstance(token, Secret) else Secret(token)
        check_own_token(own.reveal())
        check_environment(environment)
        check_seconds("deadline_seconds", deadline_seconds)
        api = _api(url, allow_plain_http)
        self._url = f"{api}/introspect"
        self._deadline_seconds = deadline_seconds
        self._environment = environment
        self._cache = cache_over(self._read, observer, clock=clock, now=now, entries_max=entries_max)
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {own.reveal()}", "Accept": "application/json"},
            timeout=deadline_seconds,
            transport=transport,
            trust_env=False,  # a .netrc or proxy variable must not redirect secrets
        )
        reports = RemoteUsage(self._client, f"{api}/usage")
        self.usage: UsageCollector | None = (
            UsageCollector(reports, now=None if now is utc_now else now) if collect_usage else None
        )

    def peek(self, secret: Secret) -> Verdict | None:
        """What the remote Spacekey said less than its ``max_age`` ago; None when it must be asked."""
        return self._cache.peek(secret)

    def recall(self, scope: Scope) -> Recalled | None:
        """Return what the cache remembers of the request's token."""
        return self._cache.recall(scope)

    async def verify(self, secret: Secret) -> Verdict:
        """What the remote Spacekey says, or said less than its ``max_age`` ago."""
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await self._cache.verify(secret)
        except TimeoutError:
            return CannotTell("introspection took too long")

    async def aclose(self) -> None:
        """Report what was counted, and close the connections."""
        if self.usage is not None:
            await self.usage.aclose()
        await self._cache.aclose()
        await self._client.aclose()

    async def _read(self, secret: Secret) -> Reading:
        """One introspection. Asking changes nothing, so a broken connection is tried once more on a new one.

        It tells who sent the token, for its owner. Of several who wait for one answer that is the one who asked first.

        :raises Unavailable: when there is no usable answer.
        """
        form = {"token": secret.reveal(), "token_type_hint": "access_token", **told_fields(sender())}
        if self._environment is not None:
            form["environment"] = self._environment
        held_to = held_to_environment()
        if held_to is not None:
            form["used_in"] = held_to
        try:
            async with asyncio.timeout(self._deadline_seconds):
                try:
                    status, headers, body = await self._post(form)
                except (httpx.ConnectError, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                    status, headers, body = await self._post(form)
        except TimeoutError:
            raise Unavailable("introspection took too long") from None
        except httpx.HTTPError as error:
            raise Unavailable(f"introspection failed with {type(error).__name__}") from None
        if status == httpx.codes.OK:
            return _parsed(body)
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            log.error("introspection refused this app's own token (%d); it needs the scope tokens:introspect", status)
        raise Unavailable(f"introspection answered {status}", _retry_after_seconds(headers))

    async def _post(self, form: dict[str, str]) -> tuple[int, httpx.Headers, bytes]:
        async with self._client.stream("POST", self._url, data=form) as response:
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise Unavailable("introspection answered with too much")
            return response.status_code, response.headers, body


def _parsed(body: bytes) -> Reading:
    try:
        return reading_of(json.loads(body))
    except (ValueError, RecursionError):
        log.exception("introspection answered with garbage")
        raise Unavailable("introspection answered with garbage") from None


def _retry_after_seconds(headers: httpx.Headers) -> int:
    """The server's ``Retry-After`` in seconds (RFC 9110 §10.2.3), bounded; its date form counts as 1."""
    text = headers.get("retry-after", "")
    return min(max(int(text), 1), _RETRY_AFTER_SECONDS_MAX) if text.isascii() and text.isdigit() else 1


def _api(url: str, allow_plain_http: bool) -> str:
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ConfigurationError("url: write the remote Spacekey's address, such as 'https://keys.example.com'")
    if parts.path.rstrip("/").endswith("/api/v1"):
        raise ConfigurationError("url: write it without '/api/v1', which is added")
    if parts.scheme == "http" and not allow_plain_http and not _is_this_machine(parts.hostname):
        raise ConfigurationError("url: tokens would travel in the clear; use https, or set allow_plain_http=True")
    return url.rstrip("/") + "/api/v1"


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
