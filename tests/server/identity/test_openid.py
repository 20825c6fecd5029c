"""OpenID Connect against a provider over HTTP: what it says counts as far as it says it, to us, now."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import SQLITE, Store
from spacekey.resolvers.throttle import Attempts
from spacekey.server.app import build_app
from spacekey.server.build import build_parts
from spacekey.server.http.session_cookie import COOKIE
from spacekey.server.http.sign_in import CALLBACK, START
from spacekey.server.identity.flow import Flow, safe_return
from spacekey.server.identity.openid import OpenIDConnect
from spacekey.server.settings import Settings
from support.schema import spacekey_schema
from support.server import Served
from support.servers.provider import CLIENT_ID, CLIENT_SECRET, Claims, Provider, running
from support.world import PASSWORD, StoppedClock, World, make_world

pytestmark = pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)

HOME = "https://keys.example"
ME = "{ me { user { id name email emailProven } scopes } }"
SIGN_OUT = "mutation { signOut { ... on SignOutSuccess { nextUrl } } }"
SIGN_IN = "mutation($input: SignInInput!) { signIn(input: $input) { __typename } }"
FLOW = f"{COOKIE}-sign-in"
ADA = "ada@acme.example"


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def provider(clock: StoppedClock, database_kind: str) -> Iterator[Provider]:
    with running(Provider(lambda: clock().timestamp())) as started:
        yield started


@asynccontextmanager
async def serving(database_url: str, provider: Provider, clock: StoppedClock, **given: Any) -> AsyncIterator[Served]:
    settings = Settings(database_url=database_url, public_url=given.pop("public_url", HOME))
    world: World = make_world(Store(database_url), clock=clock)
    world.system = replace(world.system, attempts=given.pop("attempts", None) or Attempts(burst=1_000))
    facts = {"domains": ["acme.example"], "now": lambda: clock().timestamp(), **given}
    identity = OpenIDConnect(provider.url, CLIENT_ID, Secret(CLIENT_SECRET), **facts)
    parts = build_parts(settings, world.system, identity=identity)
    app = build_app(settings, parts=parts, schema=spacekey_schema())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=HOME) as client,
    ):
        yield Served(client, world, parts, app)


async def to_provider(server: Served, **query: str) -> str:
    """Begin a sign-in; the provider's address to which the browser is sent."""
    answer = await server.client.get(START, params=query)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def from_provider(address: str) -> str:
    """The callback's address with the provider's answer."""
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(address)
    return str(answer.headers["location"])


async def signed_in(server: Served, **query: str) -> httpx.Response:
    """The answer to the provider's callback."""
    return await server.client.get(await from_provider(await to_provider(server, **query)))


async def ask(server: Served, query: str, **given: Any) -> Any:
    headers = {"Sec-Fetch-Site": "same-origin"}
    body = {"query": query, "variables": {"input": given} if given else {}}
    return (await server.client.post("/graphql", json=body, headers=headers)).json()["data"]


async def me(server: Served) -> Any:
    return (await ask(server, ME))["me"]


async def test_a_person_signs_in_and_out(database_url: str, provider: Provider, clock: StoppedClock) -> None:
    provider.claims |= {"email": ADA, "email_verified": True}
    async with serving(database_url, provider, clock) as server:
        answer = await signed_in(server, **{"return": "/account"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{HOME}/account")
        assert answer.headers["cache-control"] == "no-store"
        session = next(one for one in answer.headers.get_list("set-cookie") if one.startswith(f"{COOKIE}="))
        assert "Max-Age=43200; Path=/; Secure; HttpOnly; SameSite=Strict" in session
        found = (await me(server))["user"]
        assert (found["name"], found["email"], found["emailProven"]) == ("Ada Lovelace", ADA, True)
        out = urlsplit((await ask(server, SIGN_OUT))["signOut"]["nextUrl"])
        assert f"{out.scheme}://{out.netloc}{out.path}" == f"{provider.url}/end"
        assert parse_qs(out.query) == {"client_id": [CLIENT_ID], "post_logout_redirect_uri": [f"{HOME}/"]}
        assert await me(server) is None
        await signed_in(server)
        assert (await me(server))["user"]["id"] == found["id"], "the same person again"


def without(name: str) -> Callable[[Claims], Claims]:
    return lambda claims: {key: value for key, value in claims.items() if key != name}


def having(**changes: Any) -> Callable[[Claims], Claims]:
    return lambda claims: claims | changes


def unsigned(claims: Claims) -> str:
    parts = [{"alg": "none", "kid": "first"}, claims]
    texts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts]
    return ".".join([*texts, ""])


def confused(claims: Claims, public_key: bytes) -> str:
    """A token whose HMAC has the provider's public key as its secret, which libraries refuse to make."""
    parts = [{"alg": "HS256", "kid": "first"}, claims]
    texts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts]
    digest = hmac.digest(public_key, ".".join(texts).encode(), "sha256")
    return ".".join([*texts, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()])


STRANGER = RSAKey.generate_key(2048, {"kid": "first"}, private=True)
LONG_AGO = 1_000_000_000
BAD_CLAIMS = {
    "another nonce": having(nonce="x"),
    "no nonce": without("nonce"),
    "another audience": having(aud="another-app"),
    "another audience, for us as they say": having(aud="another-app", azp=CLIENT_ID),
    "no audience": without("aud"),
    "several audiences, for another": having(aud=[CLIENT_ID, "another-app"], azp="another-app"),
    "several audiences, for nobody": having(aud=[CLIENT_ID, "another-app"]),
    "another issuer": having(iss="https://evil.example"),
    "no issuer": without("iss"),
    "expired": having(exp=LONG_AGO),
    "no expiry": without("exp"),
    "an expiry that is no time": having(exp="later"),
    "of the future": having(iat=9_000_000_000),
    "no time of issue": without("iat"),
    "no subject": without("sub"),
    "a subject that is no text": having(sub=7),
    "an empty subject": having(sub=""),
    "an endless subject": having(sub="x" * 256),
    "another access token": having(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
}


@pytest.mark.parametrize("what", BAD_CLAIMS)
async def test_an_id_token_with_wrong_claims_is_refused(
    database_url: str, provider: Provider, clock: StoppedClock, what: str
) -> None:
    provider.change_claims = BAD_CLAIMS[what]
    await is_refused(database_url, provider, clock)


@pytest.mark.parametrize(
    "sign",
    [
        lambda provider, claims: provider.signed(claims, STRANGER),
        lambda provider, claims: provider.signed(claims, STRANGER, kid="unknown"),
        lambda provider, claims: unsigned(claims),
        lambda provider, claims: provider.signed(claims, OctKey.import_key(CLIENT_SECRET), "HS256"),
        lambda provider, claims: confused(claims, provider.key.as_pem(private=False)),
        lambda provider, claims: provider.signed(claims)[:-6] + "AAAAAA",
        lambda provider, claims: provider.signed(claims).rpartition(".")[0] + ".",
        lambda provider, claims: "not a token",
        lambda provider, claims: "",
    ],
    ids=["stranger", "unknown key", "none", "client secret", "public key", "changed", "cut", "no token", "empty"],
)
async def test_an_id_token_that_the_provider_did_not_sign_is_refused(
    database_url: str, provider: Provider, clock: StoppedClock, sign: Callable[[Provider, Claims], str]
) -> None:
    provider.sign = lambda claims: sign(provider, claims)
    await is_refused(database_url, provider, clock)


async def is_refused(database_url: str, provider: Provider, clock: StoppedClock) -> None:
    async with serving(database_url, provider, clock) as server:
        answer = await signed_in(server)
        assert answer.status_code == 400, answer.text
        assert "You are not signed in" in answer.text
        assert not any(one.startswith(f"{COOKIE}=") for one in answer.headers.get_list("set-cookie"))
        assert await me(server) is None


async def test_userinfo_about_another_subject_is_refused(
    database_url: str, provider: Provider, clock: StoppedClock
) -> None:
    provider.userinfo = {"sub": "another", "email": ADA, "email_verified": True}
    await is_refused(database_url, provider, clock)


async def test_a_verified_address_is_not_put_together_from_two_statements(
    database_url: str, provider: Provider, clock: StoppedClock
) -> None:
    provider.claims |= {"email": ADA}
    provider.userinfo = {"email": "eve@acme.example", "email_verified": True}
    async with serving(database_url, provider, clock) as server:
        await signed_in(server)
        found = (await me(server))["user"]
        assert (found["email"], found["emailProven"]) == (ADA, False)


@pytest.mark.parametrize(
    ("email", "verified", "proven"),
    [
        (ADA, True, True),
        (ADA, False, False),
        (ADA, "true", False),
        (ADA, None, False),
        ("ada@sub.acme.example", True, False),
        ("ada@notacme.example", True, False),
        ("ada@gmail.example", True, False),
        ("ADA@ACME.EXAMPLE", True, True),
    ],
)
async def test_an_address_is_proven_only_in_domains_that_the_operator_assigned(
    database_url: str, provider: Provider, clock: StoppedClock, email: str, verified: object, proven: bool
) -> None:
    provider.userinfo = {"email": email, "email_verified": verified}
    async with serving(database_url, provider, clock) as server:
        await signed_in(server)
        assert (await me(server))["user"]["emailProven"] is proven


async def test_a_callback_counts_once_and_only_in_the_browser_that_began(
    database_url: str, provider: Provider, clock: StoppedClock
) -> None:
    async with serving(database_url, provider, clock) as server:
        callback = await from_provider(await to_provider(server))
        mine = server.client.cookies[FLOW]
        server.client.cookies.clear()  # the victim of a forged sign-in, in whose browser nothing began
        assert (await server.client.get(callback)).status_code == 400
        await to_provider(server)  # a victim who has just begun a sign-in of their own
        assert (await server.client.get(callback)).status_code == 400
        assert FLOW not in server.client.cookies, "an answer ends the sign-in, whatever it was"
        assert "token" not in provider.calls, "the code was not even shown to the provider"
        server.client.cookies.set(FLOW, mine)
        assert (await server.client.get(callback)).status_code == 303
        server.client.cookies.clear()
        assert (await server.client.get(callback)).status_code == 400
        server.client.cookies.set(FLOW, mine)  # who copied both gets nothing from a provider that knows its codes
        assert (await server.client.get(callback)).status_code == 400
        assert await me(server) is None


async def test_a_sign_in_that_took_too_long_is_refused(
    database_url: str, provider: Provider, clock: StoppedClock
) -> None:
    async with serving(database_url, provider, clock) as server:
        callback = await from_provider(await to_provider(server))
        clock.forward(minutes=10)
        assert (await server.client.get(callback)).status_code == 400


async def test_a_code_of_another_sign_in_is_refused(database_url: str, provider: Provider, clock: StoppedClock) -> None:
    """Code injection: the attacker's code with the victim's state fails on PKCE, and on the nonce behind it."""
    async with serving(database_url, provider, clock) as server:
        attackers = parse_qs(urlsplit(await from_provider(await to_provider(server))).query)["code"][0]
        callback = await from_provider(await to_provider(server))
        code = parse_qs(urlsplit(callback).query)["code"][0]
        assert (await server.client.get(callback.replace(code, attackers))).status_code == 400


@pytest.mark.parametrize("iss", ["https://evil.example", ""])
async def test_an_answer_of_another_issuer_is_a_mix_up(
    database_url: str, provider: Provider, clock: StoppedClock, iss: str
) -> None:
    provider.callback = {"iss": iss}
    await is_refused(database_url, provider, clock)
    assert "token" not in provider.calls


async def test_a_provider_that_does_not_name_itself_in_callbacks_need_not(
    database_url: str, provider: Provider, clock: StoppedClock
) -> None:
    provider.metadata, provider.callback = {"authorization_response_iss_parameter_supported": None}, {"iss": ""}
    async with serving(database_url, provider, clock) as server:
        assert (await signed_in(server)).status_code == 303


async def test_what_the_provider_says_of_a_refusal_is_not_shown(
    database_url: str, provider: Provider, clock: StoppedClock
) -> None:
    provider.callback = {
        "code": "",
        "error": "access_denied",
        "error_description": "<script>alert(1)</script> call 555",
    }
    async with serving(database_url, provider, clock) as server:
        answer = await signed_in(server)
        assert answer.status_code == 400
        assert "script" not in answer.text
        assert "555" not in answer.text
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        ".evil.example/",
        "@evil.example/",
        ":80@evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        "/%0d%0aSet-Cookie: x",
        "",
        "account",
        "/" + "x" * 2_000,
    ],
)
async def test_the_way_back_leads_to_this_server(
    database_url: str, provider: Provider, clock: StoppedClock, path: str
) -> None:
    async with serving(database_url, provider, clock) as server:
        answer = await signed_in(server, **{"return": path})
        assert answer.headers["location"] == f"{HOME}/"


def test_a_path_of_this_server_is_kept(database_kind: str) -> None:
    for path in ("/", "/account", "/workspace/ws_1/usage?from=1&to=2", "/a%20b#c"):
        assert safe_return(path) == path


async def test_a_cookie_that_was_made_up_changes_nothing(
    database_url: str, provider: Provider, clock: StoppedClock
) -> None:
    async with serving(database_url, provider, clock) as server:
        callback = await from_provider(await to_provider(server))
        now = clock().timestamp()
        good = Flow.parse(server.client.cookies[FLOW], now)
        assert good is not None
        fields = {name: getattr(good, name) for name in ("key", "began", "redirect_uri", "return_to", "replaces")}
        for change in (
            {"key": "short"},
            {"key": 7},
            {"began": "now"},
            {"began": now + 60},
            {"return_to": "//evil.example"},
            {"replaces": "zz"},
            {"more": 1},
        ):
            text = base64.urlsafe_b64encode(json.dumps(fields | change).encode()).decode()
            server.client.cookies.set(FLOW, text.rstrip("="))
            assert (await server.client.get(callback)).status_code == 400, change
        for text in ("", "x", "[" * 3_000, base64.urlsafe_b64encode(b"[" * 2_000).decode(), "é"):
            answer = await server.client.get(callback, headers=[(b"Cookie", f"{FLOW}={text}".encode())])
            assert answer.status_code == 400


ROLES = {"admins": [("WS", "owner")], "all": [("WS", "viewer"), ("ws_unknown", "owner")]}


@pytest.mark.parametrize(
    ("claim", "claims", "role"),
    [
        ("groups", {"groups": ["admins", "all"]}, "owner"),
        ("groups", {"groups": ["all"]}, "viewer"),
        ("groups", {"groups": "all"}, "viewer"),
        ("groups", {"groups": []}, None),
        ("groups", {"groups": {"admins": True}}, None),
        ("groups", {"groups": [["admins"], 7, None]}, None),
        ("groups", {}, None),
        ("realm_access.roles", {"realm_access": {"roles": ["admins"]}}, "owner"),
        ("https://acme.example/roles", {"https://acme.example/roles": ["admins"]}, "owner"),
    ],
)
async def test_roles_come_from_a_claim(
    database_url: str, provider: Provider, clock: StoppedClock, claim: str, claims: Claims, role: str | None
) -> None:
    async with serving(database_url, provider, clock, role_claim=claim, roles=ROLES) as server:
        workspace = await server.world.workspace("teamspace")
        identity: Any = server.parts.identity
        identity._roles = {key: [(workspace.id if one == "WS" else one, r) for one, r in v] for key, v in ROLES.items()}
        provider.userinfo = claims
        await signed_in(server)
        asked = f'{{ workspace(id: "{workspace.id}") {{ viewerRole }} }}'
        found = (await ask(server, asked))["workspace"] if role else None
        assert (found and found["viewerRole"]) == role
        scopes = (await me(server))["scopes"]
        assert bool(scopes) == (role is not None)
        clock.forward(hours=1)
        assert await me(server) is None, "a session that stands on claims lasts an hour"


async def test_a_provider_that_is_down_keeps_new_people_out_and_no_one_else(
    database_url: str, provider: Provider, clock: StoppedClock
) -> None:
    async with serving(database_url, provider, clock) as server:
        callback = await from_provider(await to_provider(server))
        await server.client.get(callback)
        waiting = await from_provider(await to_provider(server))
        provider.down = True
        clock.forward(hours=2)
        assert (await me(server)) is not None, "a session needs no provider"
        began = server.client.cookies[FLOW]
        assert (await server.client.get(START)).status_code == 303, "what was read of it is kept"
        server.client.cookies.clear()
        server.client.cookies.set(FLOW, began)
        clock.forward(hours=-2)
        answer = await server.client.get(waiting)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert "cannot be reached right now" in answer.text
        assert "sorry" not in answer.text
    async with serving(database_url, provider, clock) as server:
        answer = await server.client.get(START)
        assert answer.status_code == 503
        assert "cannot be reached right now" in answer.text
        before = len(provider.calls)
        for _ in range(5):
            assert (await server.client.get(START)).status_code == 503
        assert len(provider.calls) == before, "a provider that is down is not asked by everyone at once"
        provider.down = False
        clock.forward(seconds=5)
        assert (await signed_in(server)).status_code == 303


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"userinfo_endpoint": 7},
        {"padding": "x" * 2_000_000},
    ],
)
async def test_a_discovery_document_that_cannot_be_is_an_outage(
    database_url: str, provider: Provider, clock: StoppedClock, metadata: Claims
) -> None:
    provider.metadata = metadata
    async with serving(database_url, provider, clock) as server:
        assert (await server.client.get(START)).status_code == 503


async def test_keys_that_the_provider_changed_are_read_again(
    database_url: str, provider: Provider, clock: StoppedClock
) -> None:
    async with serving(database_url, provider, clock) as server:
        assert (await signed_in(server)).status_code == 303
        provider.key = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"}, private=True)
        provider.sign = lambda claims: provider.signed(claims, kid="second")
        clock.forward(minutes=2)
        assert (await signed_in(server)).status_code == 303


async def test_the_session_before_ends_though_its_cookie_does_not_come_back(
    database_url: str, provider: Provider, clock: StoppedClock
) -> None:
    async with serving(database_url, provider, clock) as server:
        await server.world.user("eve@evil.example")
        before = await server.cookie("eve@evil.example")
        start = await server.client.get(START, headers=before)
        callback = await from_provider(start.headers["location"])
        assert (await server.client.get(callback)).status_code == 303
        answer = await server.client.get("/api/v1/self", headers=before)
        assert answer.status_code == 401


async def test_guessing_is_bounded_by_network(database_url: str, provider: Provider, clock: StoppedClock) -> None:
    async with serving(database_url, provider, clock, attempts=Attempts()) as server:
        statuses = [
            (await server.client.get(CALLBACK, params={"code": "x", "state": "y"})).status_code for _ in range(12)
        ]
        assert statuses[:3] == [400] * 3
        assert statuses[-1] == 429


@pytest.mark.parametrize("takes_passwords", [True, False])
async def test_passwords_stay_beside_it_unless_they_are_turned_off(
    database_url: str, provider: Provider, clock: StoppedClock, takes_passwords: bool
) -> None:
    async with serving(database_url, provider, clock, takes_passwords=takes_passwords) as server:
        await server.world.user("eve@evil.example")
        answer = await ask(server, SIGN_IN, email="eve@evil.example", password=PASSWORD)
        assert (answer["signIn"]["__typename"] == "SignInSuccess") is takes_passwords
        page = (await server.client.get("/")).text
        assert f"&quot;passwords&quot;: {str(takes_passwords).lower()}" in page
        assert "&quot;provider&quot;: &quot;127.0.0.1&quot;" in page


async def test_no_secret_reaches_a_log(
    database_url: str, provider: Provider, clock: StoppedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="spacekey")
    caplog.set_level("DEBUG", logger="authlib")
    async with serving(database_url, provider, clock) as server:
        address = await to_provider(server)
        flow = Flow.parse(server.client.cookies[FLOW], clock().timestamp())
        assert flow is not None
        await server.client.get(await from_provider(address))
        provider.change_claims = having(nonce="x")
        await signed_in(server)
        provider.down = True
        await signed_in(server)
        held = [flow.key, flow.verifier, CLIENT_SECRET, "at-1", "code-0", "eyJ"]
        said = [record.getMessage() + repr(record.__dict__) for record in caplog.records if "spacekey" in record.name]
        assert not [one for one in held for text in said if one in text]
        assert CLIENT_SECRET not in repr(vars(server.parts.identity))
        assert flow.key not in repr(flow)


@pytest.mark.parametrize(
    "given",
    [
        {"issuer": "http://id.example"},
        {"issuer": "id.example"},
        {"issuer": "https://user:pass@id.example"},
        {"issuer": "https://" + "x" * 300 + ".example"},
        {"client_id": " "},
        {"scopes": ("profile",)},
        {"role_claim": "groups"},
        {"roles": {"a": [("ws_1", "owner")]}},
        {"domains": "acme.example"},
        {"domains": ["https://acme.example"]},
    ],
)
def test_what_cannot_be_is_refused_when_it_is_written(given: dict[str, Any], database_kind: str) -> None:
    facts: dict[str, Any] = {"issuer": "https://id.example", "client_id": CLIENT_ID, **given}
    with pytest.raises(ConfigurationError):
        OpenIDConnect(facts.pop("issuer"), facts.pop("client_id"), **facts)


async def test_a_server_whose_address_is_unknown_cannot_be_come_back_to(database_url: str, database_kind: str) -> None:
    with pytest.raises(ConfigurationError, match="SPACEKEY_PUBLIC_URL"):
        build_app(Settings(database_url=database_url), identity=OpenIDConnect("https://id.example", CLIENT_ID))


async def test_below_a_path_cookies_and_addresses_have_it(
    database_url: str, provider: Provider, clock: StoppedClock
) -> None:
    async with serving(database_url, provider, clock, public_url=f"{HOME}/keys") as server:
        start = await server.client.get(f"/keys{START}", params={"return": "/account"})
        assert parse_qs(urlsplit(start.headers["location"]).query)["redirect_uri"] == [f"{HOME}/keys{CALLBACK}"]
        assert FLOW not in server.client.cookies, "another app has the whole host"
        answer = await server.client.get(await from_provider(start.headers["location"]))
        assert answer.headers["location"] == f"{HOME}/keys/account"
