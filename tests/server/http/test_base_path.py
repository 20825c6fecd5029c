"""The app below any path of a host: what it reads of a request, and the addresses in everything it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote, urljoin

import httpx
import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from spacekey.domain.authentication import Authenticated
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.secret import Secret
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.resolvers.accounts.users import create_user
from spacekey.resolvers.passwords.hashing import Passwords
from spacekey.resolvers.services import create_service
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.workspaces.workspaces import create_workspace
from spacekey.server.app import build_app
from spacekey.server.build import build_system
from spacekey.server.http.base_path import BasePath, base_path, route_path
from spacekey.server.http.dashboard import PAGES
from spacekey.server.http.element import PATH as ELEMENT
from spacekey.server.http.routes import OPERATIONS
from spacekey.server.http.session_cookie import COOKIE, cookie_name
from spacekey.server.settings import Settings
from support.apps.mounts import BASES, NASTY, Proxy, host_of
from support.databases import sqlite_database
from support.postgres import in_a_thread
from support.running_app import running
from support.schema import spacekey_schema
from support.server import ANSWER_SECONDS_MAX, bearer
from support.world import OPERATOR, PASSWORD

SEGMENTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1)
PATHS = st.lists(SEGMENTS, min_size=1, max_size=3).map(lambda names: "".join(f"/{name}" for name in names))
ADDRESSES = (*PAGES, *(one.path for one in OPERATIONS), "/assets/", ELEMENT, "/graphiql")
OWN = re.compile(
    "/(?:" + "|".join(sorted({re.escape(path.split("/")[1]) for path in ADDRESSES} - {""})) + r")(?![\w-])"
)
"""The beginning of each of the server's own addresses, before which its base path must stand."""
ELSEWHERE = re.compile(r'https://unpkg\.com/[^"\s]+|integrity="[^"]+"')
ME = "{ me { user { email } } }"
SIGN_IN = "mutation($input: SignInInput!) { signIn(input: $input) { __typename } }"
EMAIL = "ada@example.com"


class Recorder:
    """App that keeps what the middleware made of each request."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append((base_path(scope), route_path(scope), scope["path"]))


async def sent_to(app: ASGIApp, path: str, root_path: str = "") -> None:
    """One request as far as routing."""

    async def receive() -> MutableMapping[str, Any]:
        raise NotImplementedError

    async def send(message: MutableMapping[str, Any]) -> None:
        raise NotImplementedError(message)

    scope: Scope = {"type": "http", "method": "GET", "path": path, "root_path": root_path, "headers": []}
    await app(scope, receive, send)


@given(PATHS, PATHS, st.just("/") | PATHS)
async def test_wherever_the_path_in_front_comes_from_it_is_the_base_path_and_the_rest_is_routed(
    outer: str, inner: str, rest: str
) -> None:
    recorder = Recorder()
    app = BasePath(recorder)
    public = BasePath(recorder, quote(inner))
    both = BasePath(recorder, quote(outer + inner))
    host = Starlette(routes=[Mount(inner, app)])
    await sent_to(host, inner + rest)
    await sent_to(app, inner + rest, root_path=inner)
    await sent_to(app, inner + rest, root_path=f"{inner}/")
    await sent_to(public, inner + rest)
    await sent_to(Starlette(routes=[Mount("/elsewhere", public)]), f"/elsewhere{rest}")
    if not f"{rest}/".startswith(f"{inner}/"):
        await sent_to(public, rest)
    assert recorder.seen == [(quote(inner), rest, inner + rest)] * len(recorder.seen)
    recorder.seen.clear()
    await sent_to(host, outer + inner + rest, root_path=outer)
    if not f"{inner}{rest}/".startswith(f"{outer}/"):
        await sent_to(host, inner + rest, root_path=outer)  # a proxy took it away, and FastAPI(root_path=) says so
    await sent_to(Starlette(routes=[Mount(inner, both)]), inner + rest)
    assert recorder.seen == [(quote(outer + inner), rest, outer + inner + rest)] * len(recorder.seen)
    recorder.seen.clear()
    await sent_to(app, rest)
    assert recorder.seen == [("", rest, rest)]


async def test_the_base_path_itself_is_the_home_page() -> None:
    recorder = Recorder()
    await sent_to(BasePath(recorder, "/keys"), "/keys")
    await sent_to(BasePath(recorder), "/keys", root_path="/keys")
    assert recorder.seen == [("/keys", "/", "/keys/")] * 2
    await sent_to(BasePath(recorder, "/keys"), "/keysmith")
    assert recorder.seen[-1] == ("/keys", "/keysmith", "/keys/keysmith")


@pytest.mark.parametrize("path", ["/api", "/api/v1", "/graphql", "/workspace", "/token/of/mine", "/assets", "/healthz"])
def test_a_base_path_that_is_one_of_the_servers_own_addresses_stops_the_start(path: str) -> None:
    with pytest.raises(ConfigurationError, match=f"SPACEKEY_PUBLIC_URL: .* '{path}' .*such as /keys"):
        build_app(Settings(public_url=f"https://example.com{path}"), schema=spacekey_schema())


def test_other_base_paths_are_free() -> None:
    for path in ("/api/keys", "/keys/api", "/workspaces", "/v1", "/api-keys"):
        build_app(Settings(public_url=f"https://example.com{path}"), schema=spacekey_schema())


METRICS = "a-token-of-the-monitors-0123456789"


@dataclass(frozen=True)
class Site:
    """A server below a path of a host, and what is in its database."""

    url: str
    base: str
    secret: str
    service: str
    workspace_id: str

    @property
    def written(self) -> str:
        """The base path as the server writes it: a browser may have been told another spelling."""
        return quote(unquote(self.base))

    def get(self, path: str, **options: Any) -> httpx.Response:
        """A page or a REST call at a path below the base path."""
        return self.ask("GET", path, **options)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Any request to a path below the base path."""
        url = self.url + self.base + path
        return httpx.request(method, url, trust_env=False, timeout=ANSWER_SECONDS_MAX, **options)

    def graphql(self, document: str, cookie: str = "", **headers: str) -> httpx.Response:
        """An operation as a page of this origin sends it."""
        sent = {"Sec-Fetch-Site": "same-origin", **({"Cookie": cookie} if cookie else {}), **headers}
        variables = {"input": {"email": EMAIL, "password": PASSWORD}} if "$input" in document else {}
        return self.ask("POST", "/graphql", json={"query": document, "variables": variables}, headers=sent)

    def signed_in(self) -> str:
        """The cookie of a new session."""
        answer = self.graphql(SIGN_IN)
        assert answer.json()["data"]["signIn"]["__typename"] == "SignInSuccess", answer.text
        return str(answer.headers["set-cookie"]).partition(";")[0]

    def person(self, cookie: str) -> str | None:
        """Whose session a cookie header is."""
        me = self.graphql(ME, cookie).json()["data"]["me"]
        return None if me is None else str(me["user"]["email"])


def served_below(settings: Settings, base: str, way: str) -> ASGIApp:
    """The server below a base path, in one of the ways that a path comes in front of it."""
    if way == "mounted":
        return host_of((base, build_app(settings, schema=spacekey_schema()))) if base else build_app(settings)
    public = replace(settings, public_url=f"http://example.com{base}")
    return Proxy(build_app(public, schema=spacekey_schema()), base, keeps=way == "kept")


SITES = [
    *((base, "mounted") for base in (*BASES, NASTY)),
    ("/keys", "kept"),
    ("/keys", "stripped"),
    (NASTY, "stripped"),
]


@pytest.fixture(scope="module", params=SITES, ids=" ".join)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sqlite_template: Any
) -> Iterator[Site]:
    """A server below each base path, in each way."""
    base, way = request.param
    with site_of(sqlite_database(tmp_path_factory.mktemp("site"), sqlite_template), base, way) as made:
        yield made


@contextmanager
def site_of(database_url: str, base: str, way: str) -> Iterator[Site]:
    """A server below a base path, over real HTTP."""
    settings = Settings(
        database_url=database_url,
        graphiql=True,
        anonymous_cpu_ms_burst=60_000,
        log_level="error",
        metrics_token=Secret(METRICS),
    )
    made: list[tuple[str, str, str]] = []

    async def fill() -> None:
        system = replace(
            build_system(settings), passwords=Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        )
        await create_user(system, OPERATOR, email=EMAIL, name="Ada", password=PASSWORD)
        workspace = await create_workspace(system, OPERATOR, name="W", slug="w", product="spooled")
        grants = ("tokens:create", "tokens:read", "jobs:read", "workspace:read")
        issued = await create_token(system, OPERATOR, NewToken(workspace.id, "t", grants))
        service = await create_service(system, OPERATOR, "jobs-api", "spooled")
        made.append((issued.secret.reveal(), service.secret.reveal(), workspace.id))
        await system.store.aclose()

    in_a_thread(fill)
    with running(served_below(settings, base, way)) as url:
        yield Site(url, base, *made[0])


def addresses_in(answer: httpx.Response) -> Iterator[str]:
    """All addresses of this host that an answer contains, as a browser or a client reads them."""
    for name in ("location", "content-location"):
        yield from answer.headers.get_list(name)
    for link in answer.headers.get_list("link"):
        yield from re.findall("<([^>]*)>", link)
    if answer.headers.get("content-type", "").startswith("text/html"):
        found = re.findall(r'\b(?:href|src|action|data-endpoint)="([^"]*)"', answer.text)
        yield from (one for one in found if not one.startswith(("https://unpkg.com/", "data:")))


def test_every_address_in_every_answer_is_below_the_base_path_and_leads_somewhere(site: Site) -> None:
    token, made = bearer(site.secret), {"name": "k", "permissions": ["jobs:read"]}
    answers = [
        *(site.get(re.sub(r"\{rest:path\}", "ws_1/audit-log", page)) for page in PAGES),
        site.get("/graphiql"),
        site.get("/nothing/here"),
        site.get("/api/v1/self"),
        site.get("/api/v1/self", headers=token),
        site.ask("POST", "/api/v1/api-keys", json=made, headers={**token, "Idempotency-Key": '"one"'}),
        site.ask("POST", "/api/v1/api-keys", json=made, headers={**token, "Idempotency-Key": '"one"'}),
        site.ask("PUT", "/api/v1/api-keys", headers=token),
        site.get("/api/v1/api-keys?limit=1", headers=token),
        site.graphql(SIGN_IN),
        *(site.get(path) for path in ("/healthz", "/readyz")),
        site.get("/metrics", headers=bearer(METRICS)),
    ]
    assert sorted({one.status_code for one in answers}) == [200, 201, 401, 404, 405]
    followed = 0
    for answer in answers:
        page = str(answer.request.url)
        for address in addresses_in(answer):
            url = urljoin(page, address)
            assert unquote(url).startswith(unquote(f"{site.url}{site.base}/")), (page, address)
            method = "POST" if url.endswith("/graphql") else "GET"
            reached = httpx.request(method, url, headers=token, trust_env=False, timeout=ANSWER_SECONDS_MAX)
            assert reached.status_code not in (404, 405), (page, address)
            followed += 1
        if page.endswith("/metrics"):
            continue  # its labels are templates
        for part in [answer.text, *answer.headers.values()]:
            text = ELSEWHERE.sub("", part)
            assert [
                text[: at.end()] for at in OWN.finditer(text) if not text[: at.start()].endswith(site.written)
            ] == []
    assert followed >= 3 * len(PAGES) + 4


def test_the_openapi_document_says_where_its_paths_are(site: Site) -> None:
    answer = site.get("/api/v1/openapi.json")
    document = json.loads(answer.text)
    (server,) = document["servers"]
    for path, item in document["paths"].items():
        if "get" in item and "{" not in path:
            url = urljoin(str(answer.request.url), server["url"].rstrip("/") + path)
            reached = httpx.get(url, headers=bearer(site.secret), trust_env=False, timeout=ANSWER_SECONDS_MAX)
            assert reached.status_code not in (404, 405), url
    name = document["components"]["securitySchemes"]["session"]["name"]
    assert site.signed_in().partition("=")[0] == name


def test_what_depends_on_the_path_of_a_request_holds_below_the_base_path(site: Site) -> None:
    for path in ("/api/v1/self", "/api/v1/nothing", "/graphql"):
        assert site.get(path).headers["cache-control"] == "no-store", path
    by_client = {"auth": ("jobs-api", site.service), "data": {"token": site.secret}}
    assert site.ask("POST", "/api/v1/introspect", **by_client).json()["active"] is True
    wrong = site.ask("POST", "/api/v1/introspect", auth=("jobs-api", site.secret[:-1]), data={"token": site.secret})
    assert wrong.json()["error"] == "invalid_client", wrong.text
    assert wrong.headers["www-authenticate"].startswith("Basic ")
    shown = site.get("/metrics", headers=bearer(METRICS)).text
    lines = [line for line in shown.splitlines() if line.startswith("spacekey_requests_total{")]
    assert any('route="/api/v1/introspect"' in line for line in lines), lines
    assert all(site.base not in line for line in lines if site.base)
    assert not any('status="404"' in line and 'route="(none)"' not in line for line in lines), lines


def test_a_session_is_kept_by_a_cookie_of_this_base_path_alone(site: Site) -> None:
    cookie = site.signed_in()
    name, _, secret = cookie.partition("=")
    assert (name == COOKIE) is (site.base == "")
    assert re.fullmatch(r"__Host-[A-Za-z0-9_-]+", name)
    assert site.person(cookie) == EMAIL
    for other in {cookie_name(base) for base in ("", "/other", f"{site.written}/keys")} - {name}:
        assert site.person(f"{other}={secret}") is None
        assert site.person(f"{other}={'q' * 43}; {cookie}") == EMAIL
    crossing = site.graphql(ME, cookie, **{"Sec-Fetch-Site": "same-site"})
    assert (crossing.status_code, crossing.json()["code"]) == (403, "cross_origin")
    closing = site.graphql("mutation { signOut { __typename } }", cookie)
    ended = closing.headers["set-cookie"]
    assert ended.startswith(f"{name}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict")
    assert site.person(cookie) is None


async def test_apps_that_ask_over_http_take_an_address_with_a_path(site: Site) -> None:
    verifier = RemoteVerifier(f"{site.url}{site.base}/", site.service, timeout=ANSWER_SECONDS_MAX)
    try:
        assert isinstance(await verifier.verify(Secret(site.secret)), Authenticated)
    finally:
        await verifier.aclose()
