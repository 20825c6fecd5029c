"""Every verifier that needs no store, behind the contract's workbench."""

from __future__ import annotations

import json
from typing import Any, ClassVar
from urllib.parse import parse_qs

import httpx

from spacekey.domain.authentication import Authenticated, Reason, Verdict
from spacekey.domain.clock import utc_now
from spacekey.domain.principal import Principal
from spacekey.domain.secret import Secret
from spacekey.domain.verifier import Verifier
from spacekey.middleware.observability.metrics import AppMetrics
from spacekey.middleware.observability.opentelemetry import Telemetry, TracedVerifier
from spacekey.middleware.verifiers.cached import CachedVerifier, ObservedCache, Reading, cache_over
from spacekey.middleware.verifiers.remote import UNCHANGED, RemoteVerifier
from spacekey.middleware.verifiers.wrapper import VerifierWrapper, _OnlyVerifies, as_verifier
from spacekey.server.bearers import WithPortalSessions, WithServices
from spacekey.verifiers import MemoryVerifier, VerifierChain
from support.verifiers.contract import Workbench

OWN = "sk_live_own"


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class InMemory(Workbench):
    """The in-memory verifier itself."""

    of: ClassVar[type[Verifier]] = MemoryVerifier

    def __init__(self) -> None:
        self.memory = MemoryVerifier()
        self.verifier = self.memory
        self.asked = 0

    async def issue(self, principal: Principal) -> Secret:
        return self.memory.issue_to(principal)

    async def refuse(self, secret: Secret, reason: Reason) -> None:
        self.memory.refuse(secret, reason)

    def reads(self) -> int:
        return self.asked

    async def outage(self) -> None:
        self.memory.outage = "gone"


class Chained(InMemory):
    """The same behind a chain."""

    of: ClassVar[type[Verifier]] = VerifierChain

    def __init__(self) -> None:
        super().__init__()
        self.verifier = VerifierChain({"sk": self.memory, "em": MemoryVerifier("em")})


class Cached(InMemory):
    """The same behind the cache, whose memory ends with each step of the clock."""

    of: ClassVar[type[Verifier]] = CachedVerifier

    def __init__(self) -> None:
        super().__init__()
        self.time = Time()
        self.verifier = CachedVerifier(self.read, clock=self.time)

    async def read(self, secret: Secret) -> Reading:
        self.asked += 1
        return Reading(await self.memory.verify(secret), 1.0)

    async def refuse(self, secret: Secret, reason: Reason) -> None:
        await super().refuse(secret, reason)
        self.time.now += 1.0

    async def outage(self) -> None:
        await super().outage()
        self.time.now += 1.0


class Observed(Cached):
    """The same with an observer."""

    of: ClassVar[type[Verifier]] = ObservedCache

    def __init__(self) -> None:
        super().__init__()
        self.verifier = cache_over(self.read, AppMetrics(), clock=self.time, now=utc_now, entries_max=100)


class Traced(Cached):
    """The same with spans."""

    of: ClassVar[type[Verifier]] = TracedVerifier

    def __init__(self) -> None:
        super().__init__()
        self.verifier = Telemetry().verifier(self.verifier)


class Wrapped(Cached):
    """The same in a wrapper that changes nothing."""

    of: ClassVar[type[Verifier]] = VerifierWrapper

    def __init__(self) -> None:
        super().__init__()
        self.verifier = VerifierWrapper(self.verifier)


async def no_service(digest: bytes) -> None:
    """The answer for every digest where there are no services."""


class BesideServices(Cached):
    """The same for every secret that is no service's."""

    of: ClassVar[type[Verifier]] = WithServices

    def __init__(self) -> None:
        super().__init__()
        self.verifier = WithServices(no_service, utc_now, self.verifier)


async def no_session(digest: bytes) -> None:
    """The answer for every digest where there are no portal sessions."""


class BesidePortalSessions(Cached):
    """The same for every secret that is no portal session's."""

    of: ClassVar[type[Verifier]] = WithPortalSessions

    def __init__(self) -> None:
        super().__init__()
        self.verifier = WithPortalSessions(no_session, {}, utc_now, self.verifier)


class Bare:
    """The least that a user of the package can write."""

    def __init__(self, memory: MemoryVerifier) -> None:
        self.memory = memory

    async def verify(self, secret: Secret) -> Verdict:
        """What the memory says."""
        return await self.memory.verify(secret)


class Adapted(InMemory):
    """An object with ``verify`` alone."""

    of: ClassVar[type[Verifier]] = _OnlyVerifies

    def __init__(self) -> None:
        super().__init__()
        self.verifier = as_verifier(Bare(self.memory))


class Remote(InMemory):
    """The same behind introspection over httpx."""

    of: ClassVar[type[Verifier]] = RemoteVerifier

    tells_reasons = False

    def __init__(self) -> None:
        super().__init__()
        self.time = Time()
        self.down = False
        transport = httpx.MockTransport(self.answer)
        self.verifier = RemoteVerifier("https://keys.test/", OWN, transport=transport, clock=self.time)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """Introspection as Spacekey does it."""
        assert request.method == "POST"
        assert request.headers["authorization"] == f"Bearer {OWN}"
        self.asked += 1
        if self.down:
            raise httpx.ConnectError("gone")
        if str(request.url) == "https://keys.test/api/v1/introspect/batch":
            assert request.headers["content-type"] == "application/json"
            return httpx.Response(200, json={"results": [await self.result(row) for row in _rows_of(request)]})
        assert str(request.url) == "https://keys.test/api/v1/introspect"
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        (token,) = parse_qs(request.content.decode())["token"]
        return httpx.Response(200, json=introspection_of(await self.memory.verify(Secret(token))))

    async def result(self, row: dict[str, str]) -> dict[str, Any]:
        """One result of a batch."""
        answer = introspection_of(await self.memory.verify(Secret(row["token"])))
        version = str(hash(json.dumps(answer)))
        if not answer["active"]:
            return answer
        return UNCHANGED if row.get("version") == version else {**answer, "version": version}

    async def refuse(self, secret: Secret, reason: Reason) -> None:
        await super().refuse(secret, reason)
        self.time.now += 1.0

    async def outage(self) -> None:
        self.down = True
        self.time.now += 1.0


def _rows_of(request: httpx.Request) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(request.content)["tokens"]
    return rows


def introspection_of(verdict: Verdict, max_age: float = 1.0) -> dict[str, Any]:
    """What Spacekey's endpoint answers."""
    if not isinstance(verdict, Authenticated):
        return {"active": False}
    who = verdict.principal
    return {
        "active": True,
        "sub": who.id,
        "token_type": "Bearer",
        "kind": who.kind.value,
        "workspace_id": who.workspace_id,
        "space_id": who.space_id,
        "environment": who.environment,
        "scope": " ".join(sorted(who.scopes)),
        "exp": None if who.expires_at is None else int(who.expires_at.timestamp()),
        "expires_at": None if who.expires_at is None else who.expires_at.isoformat(),
        "iat": 1_700_000_000,
        "name": who.name,
        "rate_limit": None
        if who.rate_limit is None
        else {"per_minute": who.rate_limit.per_minute, "burst": who.rate_limit.burst},
        "max_age": max_age,
    }


BENCHES: list[type[InMemory]] = [
    InMemory, Chained, Cached, Observed, Traced, Wrapped, BesideServices, BesidePortalSessions, Adapted, Remote
]  # fmt: skip
"""One for every such verifier; tests/layout/test_every_verifier.py finds those that are missing."""
