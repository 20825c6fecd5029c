"""Scripts of other origins that send a token: permission on every answer, and no cookie ever."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from spacekey.domain.origin import is_listed, serialized_origin
from spacekey.server.http.authorize import AUTHORIZE
from spacekey.server.http.cors import EXPOSED, METHODS, REQUEST_HEADERS
from spacekey.server.http.openapi import document
from spacekey.server.http.routes import API, GRAPHQL, OPERATIONS
from spacekey.server.settings import Settings
from support.server import ORIGIN, Served, bearer, served

PAGE = "https://app.example.com"
PREFLIGHT = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization, if-match"}
FOREIGN = [
    "https://evil.example.com",
    "http://app.example.com",
    "https://app.example.com:444",
    "https://app.example.com:443",  # browsers leave the default port out
    "https://app.example.com.",
    "https://app.example.com/",
    "https://APP.example.com",
    "https://app.example.com.evil.example",
    "https://sub.app.example.com",
    "https://xn--pp-eka.example.com",
    "null",
    "*",
    "",
]


@pytest_asyncio.fixture
async def open_to_pages(database_url: str) -> AsyncIterator[Served]:
    settings = Settings(database_url=database_url, cors_origins=(PAGE,), anonymous_cpu_ms_burst=60_000)
    async with served(database_url, settings=settings) as server:
        yield server


def permission(answer: httpx.Response) -> str | None:
    """The origin whose pages may read the answer."""
    assert "access-control-allow-credentials" not in answer.headers
    allowed: str | None = answer.headers.get("access-control-allow-origin")
    return allowed


def names(header: str) -> set[str]:
    return {one.strip().lower() for one in header.split(",")}


async def test_a_preflight_of_each_operation_is_answered_without_a_token(open_to_pages: Served) -> None:
    for operation in OPERATIONS:
        if not operation.path.startswith(("/api/", "/graphql")) or operation.path == AUTHORIZE:
            continue  # a proxy asks there, and would take the answer for a permission
        path = operation.path.replace("{id}", "key_01kb8c2v4r6t8x0z2b4d6f8h0k")
        answer = await open_to_pages.client.options(path, headers={"Origin": PAGE, **PREFLIGHT})
        assert (answer.status_code, answer.content) == (204, b"")
        assert permission(answer) == PAGE
        assert operation.method.lower() in names(answer.headers["access-control-allow-methods"])
        assert names("authorization, content-type, if-match, idempotency-key") <= names(
            answer.headers["access-control-allow-headers"]
        )
        assert names(answer.headers["vary"]) >= {"origin", "access-control-request-method"}


async def test_pages_of_other_origins_get_no_permission(open_to_pages: Served) -> None:
    for origin in FOREIGN:
        headers = {"Origin": origin}
        preflight = await open_to_pages.client.options(f"{API}/api-keys", headers={**headers, **PREFLIGHT})
        assert (preflight.status_code, permission(preflight)) == (403, None), origin
        assert preflight.json()["code"] == "origin_not_allowed"
        for answer in (
            await open_to_pages.client.get(f"{API}/self", headers=headers),
            await open_to_pages.client.post(GRAPHQL, json={"query": "{ me { kind } }"}, headers=headers),
        ):
            assert permission(answer) is None, origin
            assert "origin" in names(answer.headers["vary"])


async def test_two_origins_are_none(open_to_pages: Served) -> None:
    twice = [("Origin", PAGE), ("Origin", PAGE)]
    answer = await open_to_pages.client.get(f"{API}/self", headers=twice)
    assert permission(answer) is None
    preflight = await open_to_pages.client.options(f"{API}/self", headers=[*twice, *PREFLIGHT.items()])
    assert (preflight.status_code, permission(preflight)) == (403, None)


async def test_scripts_may_read_every_answer_refusals_too(open_to_pages: Served) -> None:
    server = open_to_pages
    workspace = await server.world.workspace("spooled")
    token_id, secret = await server.token(workspace.id, "tokens:read")
    page, key = {"Origin": PAGE}, {"Origin": PAGE, **bearer(secret)}
    post, get = server.client.post, server.client.get
    answers = {
        200: await get(f"{API}/api-keys/{token_id}", headers=key),
        401: await get(f"{API}/self", headers=page),
        403: await post(f"{API}/api-keys", json={"name": "N"}, headers=key),
        404: await get(f"{API}/api-keys/key_01kb8c2v4r6t8x0z2b4d6f8h0k", headers=key),
        405: await server.client.put(f"{API}/self", headers=key),
        415: await post(GRAPHQL, content=b"x", headers=key),
        422: await get(f"{API}/api-keys?limit=x", headers=key),
        400: await get(f"{API}/self", headers=[*page.items(), *bearer(secret).items(), *bearer(secret).items()]),
    }
    answers[304] = await get(
        f"{API}/api-keys/{token_id}", headers={**key, "If-None-Match": answers[200].headers["etag"]}
    )
    async with server.world.system.store.changing() as session:
        await (await session.connection()).execute(text("ALTER TABLE spacekey_tokens RENAME TO gone"))
    answers[503] = await get(f"{API}/self", headers=key)
    for status, answer in answers.items():
        assert (answer.status_code, permission(answer)) == (status, PAGE)
        assert names(answer.headers["access-control-expose-headers"]) >= {"retry-after", "etag", "link", "x-request-id"}
        assert "origin" in names(answer.headers["vary"])


async def test_a_bug_and_a_spent_limit_can_be_read_too(database_url: str) -> None:
    settings = Settings(
        database_url=database_url, cors_origins=(PAGE,), api_burst=1, api_per_minute=1, anonymous_cpu_ms_burst=60_000
    )
    async with served(database_url, settings=settings) as server:
        workspace = await server.world.workspace("spooled")
        (_, secret), (_, other) = [await server.token(workspace.id, "tokens:read") for _ in range(2)]
        headers = {"Origin": PAGE, **bearer(secret)}
        answers = [await server.client.get(f"{API}/self", headers=headers) for _ in range(2)]
        assert [(one.status_code, permission(one)) for one in answers] == [(200, PAGE), (429, PAGE)]
        assert answers[1].headers["retry-after"]
        server.app.state.parts = None
        broken = await server.client.get(f"{API}/api-keys", headers={"Origin": PAGE, **bearer(other)})
        assert (broken.status_code, permission(broken)) == (500, PAGE)


async def test_cookies_never_cross_origins(open_to_pages: Served) -> None:
    server = open_to_pages
    await server.world.user("ada@example.com")
    cookie = await server.cookie("ada@example.com")
    del cookie["Sec-Fetch-Site"]
    foreign = {**cookie, "Origin": PAGE}
    query = {"query": "{ me { kind } }"}
    refused = await server.client.post(GRAPHQL, json=query, headers=foreign)
    assert (refused.status_code, permission(refused)) == (403, None)
    seen = await server.client.get(f"{API}/self", headers=foreign)
    assert permission(seen) is None
    own = await server.client.post(GRAPHQL, json=query, headers={**cookie, "Origin": ORIGIN})
    assert (own.status_code, own.json()["data"]["me"]["kind"], permission(own)) == (200, "MEMBER", None)


async def test_signing_in_from_a_page_of_another_origin_sets_no_cookie(database_url: str) -> None:
    settings = Settings(database_url=database_url, cors_origins=("*",), anonymous_cpu_ms_burst=60_000)
    sign_in = (
        'mutation { signIn(input: {email: "ada@example.com", password: "seven wooden boats at noon"}) { __typename } }'
    )
    async with served(database_url, settings=settings) as server:
        await server.world.user("ada@example.com")
        for origin, cookies in ((PAGE, 0), (ORIGIN, 1)):
            answer = await server.client.post(GRAPHQL, json={"query": sign_in}, headers={"Origin": origin})
            assert answer.json()["data"]["signIn"]["__typename"] == "SignInSuccess"
            assert len(answer.headers.get_list("set-cookie")) == cookies


async def test_a_star_stands_for_the_pages_of_all_origins(database_url: str) -> None:
    settings = Settings(database_url=database_url, cors_origins=("*",), anonymous_cpu_ms_burst=60_000)
    async with served(database_url, settings=settings) as server:
        for origin, allowed in ((PAGE, PAGE), ("http://localhost:5173", "http://localhost:5173"), ("null", None)):
            answer = await server.client.get(f"{API}/self", headers={"Origin": origin})
            assert permission(answer) == allowed


async def test_only_the_apis_answer_other_origins(open_to_pages: Served) -> None:
    for path in ("/", "/healthz", "/readyz", "/metrics"):
        answer = await open_to_pages.client.get(path, headers={"Origin": PAGE})
        assert permission(answer) is None


async def test_without_the_setting_there_is_no_permission(database_url: str) -> None:
    async with served(database_url) as server:
        answer = await server.client.get(f"{API}/self", headers={"Origin": PAGE})
        assert permission(answer) is None
        preflight = await server.client.options(f"{API}/self", headers={"Origin": PAGE, **PREFLIGHT})
        assert (preflight.status_code, permission(preflight)) == (405, None)


def test_every_header_of_the_document_can_be_read_and_every_method_sent() -> None:
    headers = {name.lower() for name in document(OPERATIONS)["components"]["headers"]}
    headers -= {one for one in headers if one.startswith("x-spacekey-")}  # for proxies
    hidden = {"set-cookie", "cache-control", "vary"}  # safelisted, or nothing to a script
    assert headers - hidden <= names(EXPOSED)
    assert {one.method for one in OPERATIONS} <= {one.strip() for one in METHODS.split(",")}
    sent = {
        parameter["name"].lower()
        for item in document(OPERATIONS)["paths"].values()
        for operation in item.values()
        for parameter in operation["parameters"]
        if parameter["in"] == "header"
    }
    assert sent <= names(REQUEST_HEADERS)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("HTTPS://App.Example.com", PAGE),
        ("https://app.example.com:443", PAGE),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://[::1]:80", "http://[::1]"),
        ("https://my_host", "https://my_host"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(given: str, wanted: str) -> None:
    assert serialized_origin(given) == wanted
    assert is_listed(wanted, [wanted])


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        *[
            (one, "alone")
            for one in ("app.example.com", "https://", "https://a b", "https://a/", "https://a/x", "ftp://a")
        ],
        *[
            (one, "alone")
            for one in ("https://a?x", "https://a#x", "https://u@a", "https://a:0", "https://a:65536", "")
        ],
        *[(one, "alone") for one in ("https://a.example.", "https://-a", "https://a\n", "https://" + "a" * 400)],
        ("null", "sandboxed"),
        ("https://*.example.com", "each origin"),
        ("*", "each origin"),
        ("https://bücher.example", "ASCII"),
    ],
)
def test_what_is_no_origin_is_refused_with_what_to_write(given: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        serialized_origin(given)
    assert not is_listed(given, ["*"])
