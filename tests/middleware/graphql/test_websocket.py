"""GraphQL over WebSockets: who the caller is, how a denial is told, and when the connection ends."""

# Strawberry's field(directives=…) gives Any, so as a decorator it counts as untyped.
# mypy: disable-error-code=untyped-decorator

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
import strawberry
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute

from spacekey import TokenMiddleware, optional
from spacekey.credentials import header
from spacekey.domain.authentication import Authenticated, Reason, Rejected, Unavailable, Verdict
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.secret import Secret
from spacekey.middleware.graphql import ScopedGraphQL, ScopedSchema, ScopeEnforcement, requires_scopes
from spacekey.verifiers import MemoryVerifier
from support.graphql.socket import Closed, graphql_socket
from support.running_app import running
from support.web_socket import web_socket

GOOD = "sp_live_good"


def principal(*scopes: str) -> Principal:
    return Principal(id="key_1", kind=Kind.SPACE, scopes=frozenset(scopes))


class Answers:
    """A verifier that answers what the test wants, now and later."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = 0
        self._asking = asyncio.Event()

    async def to_be_asked(self, times: int) -> None:
        """Wait until it was asked so many more times."""
        for _ in range(times):
            self._asking.clear()
            await self._asking.wait()

    async def verify(self, secret: Secret) -> Verdict:
        self.asked += 1
        self._asking.set()
        if secret.reveal() != GOOD:
            return Rejected(Reason.UNKNOWN)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            await asyncio.Event().wait()
        answer: Verdict = self.answer
        return answer

    async def aclose(self) -> None:
        """Nothing to give back."""


@strawberry.type
class Query:
    open: str = "open"

    @strawberry.field(directives=[requires_scopes("jobs:read")])
    def jobs(self) -> str:
        return "jobs"


@strawberry.type
class Subscription:
    @strawberry.subscription(directives=[requires_scopes("jobs:read:progress")])
    async def progress(self) -> AsyncGenerator[int, None]:
        yield 1
        yield 2

    @strawberry.subscription(directives=[requires_scopes("jobs:read")])
    async def forever(self) -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.Event().wait()

    @strawberry.subscription(directives=[requires_scopes("jobs:read:progress")])
    async def waits(self) -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.Event().wait()


RUNS, MAY_END = asyncio.Event(), asyncio.Event()


@strawberry.type
class Mutation:
    @strawberry.mutation(directives=[requires_scopes("jobs:read")])
    async def slow(self) -> str:
        RUNS.set()
        await MAY_END.wait()
        return "done"


SCHEMA = ScopedSchema(Query, Mutation, Subscription, scopes=ScopeEnforcement(fail_on_undeclared=False))


def app(answer: Any = None, **options: Any) -> ScopedGraphQL:
    verifier = None if answer is None else answer if isinstance(answer, Answers) else Answers(answer)
    return ScopedGraphQL(SCHEMA, verifier=verifier, **options)


def is_denial(message: dict[str, Any], code: str) -> bool:
    """Whether the message is an operation's error with that code."""
    return message["type"] == "error" and str(message["payload"][0]["extensions"]["code"]) == code


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_connection_init_may_carry_the_credential(name: str, scheme: str) -> None:
    async with graphql_socket(app(Authenticated(principal("jobs:read:progress")))) as socket:
        await socket.init(**{name: f"{scheme} {GOOD}"})
        await socket.subscribe("1", "subscription { progress }")
        messages = [await socket.receive() for _ in range(3)]
    assert [message["type"] for message in messages] == ["next", "next", "complete"]
    assert messages[0]["payload"]["data"] == {"progress": 1}


@pytest.mark.parametrize("payload", [{"x-api-key": GOOD}, {"headers": {"X-API-Key": GOOD}}])
async def test_an_app_without_the_middleware_names_its_sources_itself(payload: dict[str, Any]) -> None:
    answer = Authenticated(principal("jobs:read:progress"))
    async with graphql_socket(app(answer, credentials=[header("X-API-Key")])) as socket:
        await socket.init(**payload)
        await socket.subscribe("1", "subscription { progress }")
        assert (await socket.receive())["type"] == "next"
    async with graphql_socket(app(answer)) as socket:
        await socket.init(**payload)
        await socket.subscribe("1", "subscription { progress }")
        assert is_denial(await socket.receive(), "UNAUTHENTICATED")


@pytest.mark.parametrize(
    "query", ["subscription { progress }", "{ jobs }", "{ open jobs }", "query A { open } query B { jobs }"]
)
async def test_a_denial_is_an_error_of_its_operation_and_the_socket_stays_open(query: str) -> None:
    async with graphql_socket(app(Authenticated(principal("other")))) as socket:
        await socket.init(Authorization=f"Bearer {GOOD}")
        await socket.subscribe("1", query, operationName="B" if "query B" in query else None)
        message = await socket.receive()
        assert is_denial(message, "INSUFFICIENT_SCOPE")
        assert message["id"] == "1"
        await socket.subscribe("2", "{ open }")
        assert (await socket.receive())["type"] == "next"


async def test_without_a_credential_the_caller_is_anonymous() -> None:
    async with graphql_socket(app(Authenticated(principal("jobs:read")))) as socket:
        await socket.init()
        await socket.subscribe("1", "{ jobs }")
        assert is_denial(await socket.receive(), "UNAUTHENTICATED")


async def test_the_caller_of_the_handshake_is_the_caller_of_its_operations() -> None:
    async with graphql_socket(app(), user=principal("jobs:read")) as socket:
        await socket.init()
        await socket.subscribe("1", "{ jobs }")
        assert (await socket.receive())["payload"] == {"data": {"jobs": "jobs"}}


async def test_nothing_runs_before_the_connection_is_acknowledged() -> None:
    async with graphql_socket(app(), user=principal("jobs:read")) as socket:
        await socket.subscribe("1", "{ jobs }")
        with pytest.raises(Closed) as closed:
            await socket.receive()
    assert closed.value.code == 4401


async def test_the_legacy_protocol_that_skips_acknowledgement_is_not_spoken() -> None:
    with pytest.raises(Closed) as closed:
        async with graphql_socket(app(), user=principal("jobs:read"), subprotocol="graphql-ws") as socket:
            await socket.receive()
    assert closed.value.code == 4406


def test_the_legacy_protocol_cannot_be_turned_on() -> None:
    with pytest.raises(TypeError):
        app(subscription_protocols=("graphql-ws",))


MALFORMED = ["", "Bearer", "Bearer ", "Bearer  x", f"Basic {GOOD}", f"{GOOD}", "Bearer a b", "Bearer \u00e9", 7, None]


@pytest.mark.parametrize("value", [*MALFORMED, "Bearer " + "x" * 65_536, ["Bearer x"], "Bearer a\tb", "Bearer a\x00"])
async def test_a_malformed_credential_closes_with_4400(value: Any) -> None:
    answers = Answers(Authenticated(principal("jobs:read")))
    async with graphql_socket(app(answers)) as socket:
        with pytest.raises(Closed) as closed:
            await socket.init(Authorization=value)
    assert (closed.value.code, answers.asked) == (4400, 0)


@pytest.mark.parametrize("value", [7, True, ["x"], {"x": "y"}])
async def test_a_token_that_is_no_text_closes_with_4400(value: Any) -> None:
    answers = Answers(Authenticated(principal("jobs:read")))
    async with graphql_socket(app(answers)) as socket:
        with pytest.raises(Closed) as closed:
            await socket.init(authToken=value)
    assert (closed.value.code, answers.asked) == (4400, 0)


async def test_two_credentials_close_with_4400() -> None:
    async with graphql_socket(app(Authenticated(principal("jobs:read")))) as socket:
        with pytest.raises(Closed) as closed:
            await socket.init(Authorization=f"Bearer {GOOD}", authorization=f"Bearer {GOOD}")
    assert closed.value.code == 4400
    async with graphql_socket(app(Authenticated(principal("jobs:read"))), user=principal("other")) as socket:
        with pytest.raises(Closed) as closed:
            await socket.init(Authorization=f"Bearer {GOOD}")
    assert closed.value.code == 4400


@pytest.mark.parametrize("reason", list(Reason))
async def test_a_refused_credential_closes_alike_whatever_the_reason(reason: Reason) -> None:
    async with graphql_socket(app(Rejected(reason))) as socket:
        with pytest.raises(Closed) as closed:
            await socket.init(Authorization=f"Bearer {GOOD}")
    assert (closed.value.code, closed.value.reason) == (4403, "Forbidden")


async def test_a_credential_without_a_verifier_is_refused() -> None:
    async with graphql_socket(app()) as socket:
        with pytest.raises(Closed) as closed:
            await socket.init(Authorization=f"Bearer {GOOD}")
    assert closed.value.code == 4403


@pytest.mark.parametrize(
    "answer",
    [
        RuntimeError(f"while asking about {GOOD}"),
        "valid",
        Authenticated(Principal("key_1", Kind.WORKSPACE, ["jobs:read"])),  # type: ignore[arg-type]  # what people write
    ],
    ids=["raises", "no verdict", "a list of scopes"],
)
async def test_an_answer_that_cannot_be_relied_on_is_no_answer_and_its_text_is_not_logged(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with graphql_socket(app(answer)) as socket:
        with pytest.raises(Closed) as closed:
            await socket.init(Authorization=f"Bearer {GOOD}")
    assert closed.value.code == 1013
    assert "the verifier" in caplog.text
    assert GOOD not in caplog.text


class Hangs(Answers):
    async def verify(self, secret: Secret) -> Verdict:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize(
    "verifier", [Answers(Unavailable("down")), Answers(RuntimeError("bug")), Answers("yes"), Answers(True), Hangs(0)]
)
async def test_a_verifier_that_cannot_tell_neither_lets_in_nor_forbids(verifier: Answers) -> None:
    async with graphql_socket(app(verifier, timeout=0.05)) as socket:
        with pytest.raises(Closed) as closed:
            await socket.init(Authorization=f"Bearer {GOOD}")
    assert closed.value.code == 1013


@pytest.mark.parametrize(
    ("later", "code"),
    [
        (Rejected(Reason.REVOKED), 4401),
        (Unavailable("down"), 1013),
        (RuntimeError("bug"), 1013),
    ],
)
async def test_an_open_socket_is_closed_when_its_credential_is_no_longer_good(later: Any, code: int) -> None:
    verifier = Answers(Authenticated(principal("jobs:read")))
    async with graphql_socket(app(verifier, recheck_seconds=0.01)) as socket:
        await socket.init(Authorization=f"Bearer {GOOD}")
        await socket.subscribe("1", "subscription { forever }")
        assert (await socket.receive())["type"] == "next"
        verifier.answer = later
        with pytest.raises(Closed) as closed:
            await socket.receive()
    assert closed.value.code == code


async def test_a_subscription_whose_scope_has_gone_ends_with_an_error_and_the_socket_stays_open() -> None:
    verifier = Answers(Authenticated(principal("jobs:read", "jobs:read:progress")))
    async with graphql_socket(app(verifier, recheck_seconds=0.01)) as socket:
        await socket.init(Authorization=f"Bearer {GOOD}")
        await socket.subscribe("lost", "subscription { forever }")
        await socket.subscribe("kept", "subscription { waits }")
        assert {(await socket.receive())["id"] for _ in range(2)} == {"lost", "kept"}
        verifier.answer = Authenticated(principal("jobs:read:progress"))
        message = await socket.receive()
        assert is_denial(message, "INSUFFICIENT_SCOPE")
        assert message["id"] == "lost"
        assert message["payload"][0]["extensions"]["missingScopes"] == ["jobs:read"]
        await verifier.to_be_asked(3)
        await socket.send(type="complete", id="kept")
        await socket.subscribe("lost", "{ open }")
        message = await socket.receive()
        assert (message["id"], message["type"]) == ("lost", "next")


async def test_a_lost_scope_that_no_running_subscription_needs_ends_nothing() -> None:
    verifier = Answers(Authenticated(principal("jobs:read", "other")))
    async with graphql_socket(app(verifier, recheck_seconds=0.01)) as socket:
        await socket.init(Authorization=f"Bearer {GOOD}")
        await socket.subscribe("1", "subscription { forever }")
        await socket.receive()
        verifier.answer = Authenticated(principal("jobs:read"))
        await verifier.to_be_asked(5)
        await socket.subscribe("2", "{ open }")
        assert (await socket.receive())["id"] == "2"


async def test_a_mutation_that_runs_is_not_torn_in_two() -> None:
    RUNS.clear()
    MAY_END.clear()
    verifier = Answers(Authenticated(principal("jobs:read")))
    async with graphql_socket(app(verifier, recheck_seconds=0.01)) as socket:
        await socket.init(Authorization=f"Bearer {GOOD}")
        await socket.subscribe("1", "mutation { slow }")
        await RUNS.wait()
        verifier.answer = Authenticated(principal("other"))
        await verifier.to_be_asked(3)
        MAY_END.set()
        assert (await socket.receive())["payload"] == {"data": {"slow": "done"}}


async def test_new_scopes_count_from_the_next_operation_on() -> None:
    verifier = Answers(Authenticated(principal("other")))
    async with graphql_socket(app(verifier, recheck_seconds=0.01)) as socket:
        await socket.init(Authorization=f"Bearer {GOOD}")
        await socket.subscribe("1", "{ jobs }")
        assert is_denial(await socket.receive(), "INSUFFICIENT_SCOPE")
        verifier.answer = Authenticated(principal("other", "jobs:read"))
        for key in range(2, 1_000):
            await socket.subscribe(str(key), "{ jobs }")
            message = await socket.receive()
            if message["type"] == "next":
                break
            await asyncio.sleep(0.01)
        assert message["payload"] == {"data": {"jobs": "jobs"}}


async def test_rechecking_ends_with_the_socket() -> None:
    before = asyncio.all_tasks()
    async with graphql_socket(app(Authenticated(principal("jobs:read")))) as socket:
        await socket.init(Authorization=f"Bearer {GOOD}")
        assert asyncio.all_tasks() != before
    assert asyncio.all_tasks() == before


async def test_a_context_that_is_an_object_works_as_well() -> None:
    from types import SimpleNamespace

    from strawberry.asgi import GraphQL

    class WithObject(ScopedGraphQL):
        async def get_context(self, request: Any, response: Any) -> Any:
            return SimpleNamespace(request=request, response=response, connection_params=None)

    assert issubclass(WithObject, GraphQL)
    served = WithObject(SCHEMA, verifier=Answers(Authenticated(principal("jobs:read"))))
    async with graphql_socket(served) as socket:
        await socket.init(Authorization=f"Bearer {GOOD}")
        await socket.subscribe("1", "{ jobs }")
        assert (await socket.receive())["payload"] == {"data": {"jobs": "jobs"}}


@pytest.mark.parametrize("settings", [{"recheck_seconds": 0}, {"timeout": 0}, {"recheck_seconds": -1}])
def test_times_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        app(**settings)


ANSWER_SECONDS_MAX = 10.0


PROTOCOL = "graphql-transport-ws"


@strawberry.type
class OpenQuery:
    open: str = "open"


@strawberry.type
class ForeverSubscription:
    @strawberry.subscription(directives=[requires_scopes("jobs:read")])
    async def forever(self) -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.Event().wait()


@pytest.fixture(scope="module")
def verifier() -> MemoryVerifier:
    return MemoryVerifier()


@pytest.fixture(scope="module")
def url(verifier: MemoryVerifier) -> Iterator[str]:
    graphql = ScopedGraphQL(
        ScopedSchema(OpenQuery, subscription=ForeverSubscription, scopes=ScopeEnforcement(fail_on_undeclared=False)),
        verifier=verifier,
    )
    app = Starlette(
        routes=[WebSocketRoute("/graphql", optional(graphql))],
        middleware=[Middleware(TokenMiddleware, verifier=verifier, environment="live", recheck_seconds=0.05)],
    )
    with running(app) as address:
        yield f"{address}/graphql"


async def _subscribe(socket: AsyncWebSocketSession, payload: dict[str, str]) -> None:
    await socket.send_json({"type": "connection_init", "payload": payload})
    assert (await socket.receive_json(timeout=ANSWER_SECONDS_MAX))["type"] == "connection_ack"
    await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": "subscription { forever }"}})
    assert (await socket.receive_json(timeout=ANSWER_SECONDS_MAX))["type"] == "next"


def _header(secret: Secret) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret.reveal()}"}


@pytest.mark.parametrize("way", ["header", "pair", "connection_init"])
async def test_a_socket_ends_with_its_token_however_the_token_came(
    url: str, verifier: MemoryVerifier, way: str
) -> None:
    secret = verifier.issue("jobs:read")
    headers = _header(secret) if way == "header" else {}
    pair = ["spacekey.bearer", secret.reveal()] if way == "pair" else []
    payload = _header(secret) if way == "connection_init" else {}
    async with web_socket(url, headers=headers, subprotocols=[PROTOCOL, *pair]) as socket:
        await _subscribe(socket, payload)
        verifier.refuse(secret)
        with pytest.raises(WebSocketDisconnect) as closed:
            await socket.receive(timeout=ANSWER_SECONDS_MAX)
    assert closed.value.code == 4401


async def test_a_token_of_another_environment_does_not_come_in_by_connection_init(
    url: str, verifier: MemoryVerifier
) -> None:
    secret = verifier.issue("jobs:read", environment="test")
    async with web_socket(url, subprotocols=[PROTOCOL]) as socket:
        await socket.send_json({"type": "connection_init", "payload": _header(secret)})
        with pytest.raises(WebSocketDisconnect) as closed:
            await socket.receive(timeout=ANSWER_SECONDS_MAX)
    assert closed.value.code == 4403


async def test_an_anonymous_caller_stays_anonymous(url: str) -> None:
    async with web_socket(url, subprotocols=[PROTOCOL]) as socket:
        await socket.send_json({"type": "connection_init", "payload": {}})
        assert (await socket.receive_json(timeout=ANSWER_SECONDS_MAX))["type"] == "connection_ack"
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": "subscription { forever }"}})
        assert (await socket.receive_json(timeout=ANSWER_SECONDS_MAX))["type"] == "error"
