"""No verifier escapes the contract, and no wrapper loses a capability of what it wraps."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import spacekey.domain
import spacekey.middleware
import spacekey.models
import spacekey.resolvers
import spacekey.schema
import spacekey.server
from spacekey import Limit, MemoryLimiter, TokenMiddleware, requires
from spacekey.domain.authentication import Authenticated, Reason, Unavailable, Verdict
from spacekey.domain.clock import utc_now
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.secret import Secret
from spacekey.domain.usage import UsageBatch
from spacekey.domain.verifier import Verifier, VerifiesSecrets
from spacekey.middleware.observability.opentelemetry import Telemetry, TracedVerifier
from spacekey.middleware.usage.collector import UsageCollector
from spacekey.middleware.verifiers.wrapper import OPTIONAL, VerifierWrapper
from spacekey.server.bearers import WithPortalSessions, WithServices
from spacekey.verifiers import MemoryVerifier, VerifierChain
from support.asgi_calls import bearer, call, start_up
from support.verifiers.contract import principal
from support.verifiers.stateless import BENCHES, no_service, no_session
from support.verifiers.stored import STORED_BENCHES

PACKAGES = (
    spacekey.domain,
    spacekey.middleware,
    spacekey.models,
    spacekey.resolvers,
    spacekey.schema,
    spacekey.server,
)


def every_class() -> set[type]:
    """Every class that is written in the product and can be made."""
    found: set[type] = set()
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if module.name.endswith(("__main__", "migrations.env")) or ".versions." in module.name:
                continue
            for _, one in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                made = one in (Verifier, VerifiesSecrets) or not inspect.isabstract(one)
                if made and one.__module__.startswith("spacekey."):
                    found.add(one)
    return found


def test_every_class_that_verifies_runs_through_the_contract() -> None:
    protocols = {Verifier, VerifiesSecrets}
    verifying = {one for one in every_class() if inspect.iscoroutinefunction(vars(one).get("verify"))} - protocols
    extending = {one for one in every_class() if Verifier in one.__mro__} - protocols
    tested = {bench.of for bench in (*BENCHES, *STORED_BENCHES)}
    assert verifying <= extending, "a verifier that does not extend the protocol"
    assert extending == tested, (
        "a verifier without a bench in support/verifiers/stateless.py or support/verifiers/stored.py"
    )


def test_no_capability_is_looked_for_by_its_name() -> None:
    root = Path(__file__).resolve().parents[2]
    for folder in ("domain", "middleware", "resolvers", "schema", "server"):
        for file in (root / folder).rglob("*.py"):
            for name in (*OPTIONAL, "verify"):
                looked_for = f'"{name}"'
                lines = [line for line in file.read_text().splitlines() if looked_for in line and "attr(" in line]
                assert lines == [] or file.name == "argument_checks.py", file


class Nowhere:
    """A sink that keeps nothing."""

    async def send(self, batch: UsageBatch) -> None:
        """Forget it."""

    async def aclose(self) -> None:
        """Nothing to close."""


class Able(Verifier):
    """A verifier that offers everything there is."""

    def __init__(self) -> None:
        self.memory = MemoryVerifier("sk")
        self.secret = self.memory.issue("jobs:read")
        self.known_scopes: frozenset[str] | None = frozenset({"jobs:read"})
        self.usage: UsageCollector = UsageCollector(Nowhere())
        self.asked: list[str] = []

    async def verify(self, secret: Secret) -> Verdict:
        self.asked.append("verify")
        return await self.memory.verify(secret)

    def peek(self, authorization: bytes) -> Verdict | None:
        self.asked.append("peek")
        secret = Secret.from_bearer(authorization)
        return None if secret is None else self.memory._verdicts.get(secret.digest())

    async def aclose(self) -> None:
        self.asked.append("aclose")
        await self.usage.aclose()


WRAPPERS: dict[type[Verifier], Callable[[Verifier], Verifier]] = {
    VerifierWrapper: VerifierWrapper,
    TracedVerifier: lambda inner: Telemetry().verifier(inner),
    WithServices: lambda inner: WithServices(no_service, utc_now, inner),
    WithPortalSessions: lambda inner: WithPortalSessions(no_session, {}, utc_now, inner),
    VerifierChain: lambda inner: VerifierChain({"sk": inner}),
}
NESTED: dict[str, Callable[[Verifier], Verifier]] = {
    **{kind.__name__: made for kind, made in WRAPPERS.items()},
    "a chain of two": lambda inner: VerifierChain({"sk": inner, "em": Telemetry().verifier(inner)}),
    "a chain's end": lambda inner: VerifierChain({}, otherwise=inner),
    "spans over a chain": lambda inner: Telemetry().verifier(VerifierChain({"sk": VerifierWrapper(inner)})),
}


def test_every_wrapper_is_among_them() -> None:
    assert {one for one in every_class() if VerifierWrapper in one.__mro__} | {VerifierChain} == set(WRAPPERS)


@pytest.mark.parametrize("wrapped", NESTED.values(), ids=NESTED)
async def test_a_wrapper_forwards_what_the_wrapped_verifier_offers(wrapped: Callable[[Verifier], Verifier]) -> None:
    inner = Able()
    verifier = wrapped(inner)
    assert verifier.known_scopes is not None
    assert "jobs:read" in verifier.known_scopes
    assert "jobs:raed" not in verifier.known_scopes
    assert verifier.usage is not None
    peeked = verifier.peek(inner.secret.bearer())
    assert isinstance(peeked, Authenticated)
    assert Authenticated(replace(peeked.principal, issuer="")) == await inner.memory.verify(inner.secret)
    assert inner.asked == ["peek"]
    await verifier.aclose()
    assert inner.asked.count("aclose") >= 1


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("checks", [False, True])
def test_a_wrapper_checks_the_form_of_a_header_only_if_the_wrapped_verifier_does(
    wrapper: type[Verifier], checks: bool
) -> None:
    inner = Able()
    inner.peek_checks_form = checks
    assert WRAPPERS[wrapper](inner).peek_checks_form in (False, checks)


@pytest.mark.parametrize("wrapped", NESTED.values(), ids=NESTED)
async def test_known_scopes_stop_the_start_through_every_wrapper(wrapped: Callable[[Verifier], Verifier]) -> None:
    async def jobs(_: Request) -> Response:
        return Response()

    for scope, starts in (("jobs:read", True), ("jobs:raed", False)):
        app = TokenMiddleware(Starlette(routes=[Route("/jobs", requires(scope)(jobs))]), wrapped(Able()))
        said = await start_up(app)
        assert (said is None) == starts
        assert said is None or ("jobs:raed" in said and "jobs:read" in said)


@pytest.mark.parametrize("wrapped", NESTED.values(), ids=NESTED)
async def test_requests_are_counted_through_every_wrapper(wrapped: Callable[[Verifier], Verifier]) -> None:
    async def jobs(_: Request) -> Response:
        return Response()

    inner = Able()
    app = TokenMiddleware(Starlette(routes=[Route("/jobs", requires("jobs:read")(jobs))]), wrapped(inner))
    try:
        assert (await call(app, "GET", "/jobs", bearer(inner.secret.reveal()))).status == 200
        assert [(row.allowed, row.scopes) for row in inner.usage.take(10)] == [(1, ("jobs:read",))]
    finally:
        await inner.usage.aclose()


async def test_a_chain_counts_each_token_with_its_own_issuer() -> None:
    one, two = Able(), Able()
    two.memory = MemoryVerifier("em")
    two.secret = two.memory.issue_to(principal(id="of_two"))
    third = MemoryVerifier("gg")
    chain = VerifierChain({"sk": one, "em": two, "gg": third})
    assert chain.known_scopes is None, "the third may know any"

    async def jobs(_: Request) -> Response:
        return Response()

    app = TokenMiddleware(Starlette(routes=[Route("/jobs", requires("jobs:read")(jobs))]), chain)
    uncounted = third.issue_to(principal(id="of_three"))
    try:
        for secret in (one.secret, two.secret, two.secret, uncounted):
            assert (await call(app, "GET", "/jobs", bearer(secret.reveal()))).status == 200
        counts = [[(row.token_id, row.allowed) for row in each.usage.take(10)] for each in (one, two)]
        assert counts == [[("key_1", 1)], [("of_two", 2)]]
    finally:
        await chain.aclose()


@pytest.mark.parametrize("nested", [False, True], ids=["in one chain", "in a chain in a chain"])
async def test_tokens_of_two_issuers_with_one_id_share_neither_a_limit_nor_a_count(nested: bool) -> None:
    issuers = [Able(), Able(), Able()]
    for issuer, prefix in zip(issuers, ("sk", "em", "gg"), strict=True):
        issuer.memory = MemoryVerifier(prefix)
        issuer.secret = issuer.memory.issue_to(principal(id="same", rate_limit=Limit(1, 1)))
    one, two, three = issuers
    chain = VerifierChain({"sk": one, "em": VerifierChain({}, two) if nested else two}, otherwise=three)
    entered, others_served = asyncio.Event(), asyncio.Event()

    async def jobs(_: Request) -> Response:
        if not entered.is_set():
            entered.set()
            await others_served.wait()
        return Response()

    routes = [Route("/jobs", requires("jobs:read")(jobs))]
    app = TokenMiddleware(Starlette(routes=routes), chain, limits=MemoryLimiter())
    try:
        first = asyncio.create_task(call(app, "GET", "/jobs", bearer(one.secret.reveal())))
        await entered.wait()  # it is counted when its response begins, after the others were verified
        statuses = [(await call(app, "GET", "/jobs", bearer(each.secret.reveal()))).status for each in (two, three)]
        others_served.set()
        assert [(await first).status, *statuses] == [200, 200, 200]
        two.memory.refuse(two.secret, Reason.REVOKED)
        assert (await call(app, "GET", "/jobs", bearer(two.secret.reveal()))).status == 401
        assert (await call(app, "GET", "/jobs", bearer(one.secret.reveal()))).status == 429
        counts = [[(row.allowed, row.denied, row.limited) for row in each.usage.take(10)] for each in issuers]
        assert counts == [[(1, 0, 1)], [(1, 1, 0)], [(1, 0, 0)]]
    finally:
        await chain.aclose()


class Alone:
    """A third party's verifier that has only ``verify``."""

    def __init__(self, memory: MemoryVerifier) -> None:
        self.memory = memory

    async def verify(self, secret: Secret) -> Verdict:
        return await self.memory.verify(secret)


@pytest.mark.parametrize("wrapped", [lambda inner: inner, *NESTED.values()], ids=["itself", *NESTED])
async def test_an_object_with_verify_alone_is_a_verifier_everywhere(wrapped: Callable[[Any], Any]) -> None:
    async def jobs(_: Request) -> Response:
        return Response()

    memory = MemoryVerifier("sk")
    secret = memory.issue("jobs:read")
    verifier = wrapped(Alone(memory))
    app = TokenMiddleware(Starlette(routes=[Route("/jobs", requires("jobs:read")(jobs))]), verifier)
    assert await start_up(app) is None
    assert (await call(app, "GET", "/jobs", bearer(secret.reveal()))).status == 200
    memory.outage = "gone"
    assert (await call(app, "GET", "/jobs", bearer(secret.reveal()))).status == 503
    if isinstance(verifier, Verifier):
        await verifier.aclose()


@pytest.mark.parametrize("name", OPTIONAL)
def test_an_object_with_some_capabilities_is_told_to_extend_the_protocol(name: str) -> None:
    some = type("Some", (Alone,), {name: lambda *_: None})
    with pytest.raises(ConfigurationError, match=rf"{name}.*class Some\(Verifier\)"):
        TokenMiddleware(Starlette(), some(MemoryVerifier()))


async def test_defaults_claim_nothing() -> None:
    class Least(Verifier):
        async def verify(self, secret: Secret) -> Verdict:
            return Unavailable("never")

    least = Least()
    secret = Secret("x")
    assert (least.known_scopes, least.usage, least.peek(secret.bearer())) == (None,) * 3
    await least.aclose()
