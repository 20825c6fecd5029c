"""Rule tables: an exact path, a pattern or a name; the most specific entry counts, and each must concern a route."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from spacekey import TokenMiddleware, optional, public, requires
from spacekey.domain.errors import RuleError
from spacekey.middleware.rules.requirement import Access
from spacekey.middleware.testing import undeclared_routes
from spacekey.verifiers import MemoryVerifier
from support.asgi_calls import bearer, call, start_up
from support.volume import volume

VERIFIER = MemoryVerifier()
TOKENS = {scope: bearer(VERIFIER.issue(scope).reveal()) for scope in ("a", "b", "c")}
RAN: list[str] = []


async def plain(request: Request) -> Response:
    """An endpoint that leaves a trace."""
    RAN.append(request.scope["path"])
    return PlainTextResponse("ok")


def app_of(routes: list[Any], rules: dict[Any, Any], **settings: Any) -> Starlette:
    """An app with a rule table."""
    RAN.clear()
    return Starlette(
        routes=routes, middleware=[Middleware(TokenMiddleware, verifier=VERIFIER, rules=rules, **settings)]
    )


async def admitted(app: Starlette, method: str, path: str) -> set[str]:
    """The scopes whose tokens are admitted; ``anyone`` stands for a request without one."""
    let_in = {scope for scope, headers in TOKENS.items() if (await call(app, method, path, headers)).status == 200}
    return let_in | ({"anyone"} if (await call(app, method, path)).status == 200 else set())


def _path(parts: list[str]) -> str:
    """A template whose parameters are named by their places."""
    return "".join(f"/{part or f'{{p{number}}}'}" for number, part in enumerate(parts))


PATHS = st.lists(st.sampled_from(("x", "y", "")), min_size=1, max_size=3).map(_path)
METHODS = ("GET", "POST", "*")
KEYS = st.tuples(st.sampled_from(METHODS), st.one_of(PATHS, PATHS.map(lambda path: f"{path}/**"), st.just("/**")))


def naive(rules: Mapping[tuple[str, str], Access], method: str, path: str) -> Access | None:
    """The most specific rule, by comparing all of them."""
    best: tuple[tuple[int, int, int], Access] | None = None
    wanted = path.split("/")
    for (of, template), access in rules.items():
        parts = template.split("/")
        below = parts[-1] == "**"
        prefix = parts[:-1] if below else parts
        fits = wanted[: len(prefix)] == prefix if below else wanted == prefix
        if not fits or of not in (method, "*", *(("GET",) if method == "HEAD" else ())):
            continue
        rank = (0 if below else 1, len("/".join(prefix)), (of != "*") + (of == method))
        if best is None or rank > best[0]:
            best = (rank, access)
    return None if best is None else best[1]


@pytest.mark.repeats
@settings(max_examples=volume(short=60, long=2_000), suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(PATHS, min_size=1, max_size=5, unique=True),
    st.dictionaries(KEYS, st.sampled_from(["a", "b", "c"]), max_size=6),
)
def test_the_most_specific_entry_counts(paths: list[str], table: dict[tuple[str, str], str]) -> None:
    rules = {key: requires(scope) for key, scope in table.items()}
    app = app_of([Route(path, plain, methods=["GET", "POST"]) for path in paths], rules, undeclared="ignore")
    concerns = {
        key: any(naive({key: access}, method, path) for path in paths for method in ("GET", "POST", "HEAD"))
        for key, access in rules.items()
    }
    if not all(concerns.values()):
        with pytest.raises(RuleError, match="the rule table names"):
            undeclared_routes(app)
        return
    undeclared_routes(app)
    for route in app.routes:
        assert isinstance(route, Route)
        guard: Any = route.app
        for method in ("GET", "POST", "HEAD"):
            expected = naive(rules, method, route.path)
            by_method = getattr(guard, "_by_method", None)
            found = getattr(guard, "access", None) if by_method is None else by_method[method]
            assert (found if isinstance(found, type(requires("a"))) else None) == expected, (route.path, method)


NASTY = (
    "/internal/secret",
    "/internal//secret",
    "/internal/./secret",
    "/internal/../internal/secret",
    "//internal/secret",
    "/INTERNAL/secret",
    "/internal/secret/",
    "/internal%2Fsecret",
    "/internal/secret%00",
    "/internal/secret;x",
    "/internal",
    "/internal/",
    "/open/../internal/secret",
    "/internal/deep/er/secret",
    "/x/internal/secret",
    "/internal/files/app.py",
    "/internal/files/../files/app.py",
    "/internal/\u017fecret",
)


@pytest.mark.parametrize("path", NASTY)
@pytest.mark.parametrize("method", ["GET", "get", "HEAD", "POST", "PUT", "OPTIONS", "TRACE", "X"])
async def test_below_a_pattern_nothing_runs_without_the_scope(path: str, method: str, tmp_path: Any) -> None:
    (tmp_path / "app.py").write_text("x")
    app = app_of(
        [
            Mount(
                "/internal",
                routes=[
                    Route("/", plain),
                    Route("/secret", plain, methods=None),
                    Mount("/deep", routes=[Route("/er/secret", plain)]),
                    Mount("/files", app=StaticFiles(directory=tmp_path)),
                    Route("/{rest:path}", plain, methods=["GET", "POST"]),
                ],
            ),
            Route("/open/{rest:path}", public(lambda request: PlainTextResponse("open"))),
        ],
        {("*", "/internal/**"): "a"},
    )
    assert undeclared_routes(app) == []
    for headers in ((), TOKENS["b"], bearer("x")):
        answer = await call(app, method, path, headers)
        assert answer.status != 200 or answer.body in (b"open", b""), path
    assert RAN == []


async def test_a_pattern_holds_besides_what_an_endpoint_declares() -> None:
    app = app_of([Route("/in/both", requires("b")(plain)), Route("/in/one", plain)], {("*", "/in/**"): "a"})
    assert await admitted(app, "GET", "/in/one") == {"a"}
    assert await admitted(app, "GET", "/in/both") == set()
    assert (await call(app, "GET", "/in/both", bearer(VERIFIER.issue("a", "b").reveal()))).status == 200
    with pytest.raises(RuleError, match="/in/x: is declared public and requires"):
        undeclared_routes(app_of([Route("/in/x", public(plain))], {("*", "/in/**"): "a"}))


async def test_openness_and_optional_are_given_to_many_routes() -> None:
    routes = [Route(f"/{kind}/{name}", plain) for kind in ("open", "maybe") for name in ("one", "two")]
    app = app_of(routes, {("*", "/open/**"): public, ("GET", "/maybe/**"): optional})
    assert await start_up(app) is None
    for route in routes:
        assert await admitted(app, "GET", route.path) == {"anyone", "a", "b", "c"}
    statuses = {kind: (await call(app, "GET", f"/{kind}/one", bearer("x"))).status for kind in ("open", "maybe")}
    assert statuses == {"open": 200, "maybe": 401}


async def test_frameworks_routes_are_opened_by_name(tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("a")
    api = FastAPI()
    api.mount("/static", StaticFiles(directory=tmp_path), name="static")
    names = ["openapi", "swagger_ui_html", "swagger_ui_redirect", "redoc_html", "static"]
    api.add_middleware(TokenMiddleware, verifier=VERIFIER, rules=dict.fromkeys(names, public))
    assert undeclared_routes(api) == []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://app.test") as client:
        for path in ("/openapi.json", "/docs", "/redoc", "/static/a.txt"):
            assert (await client.get(path)).status_code == 200, path


async def test_a_name_below_a_named_mount_is_written_as_url_for_takes_it() -> None:
    inner = [Route("/home", plain, name="home")]
    app = app_of(
        [Mount("/shop", routes=inner, name="shop"), Route("/", plain, name="home")], {"shop:home": "a", "home": "b"}
    )
    assert await admitted(app, "GET", "/shop/home") == {"a"}
    assert await admitted(app, "GET", "/") == {"b"}


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"plian": public}, "names 'plian', which is the name of no route. Did you mean 'plain'?"),
        ({"plain": public}, "two routes are called 'plain', '/x/a' and '/x/b'; name their paths"),
        ({("*", "/y/**"): public}, r"names '\* /y/\*\*', which matches no route"),
        ({("PUT", "/x/**"): public}, r"names 'PUT /x/\*\*', which matches no route"),
        ({("*", "/x/*/b"): public}, r"'\*\*' stands at the end only"),
        ({("*", "/**/b"): public}, r"'\*\*' stands at the end only"),
        ({("*", "/x**"): public}, r"'\*\*' stands at the end only"),
        ({"/x/a": public}, r"write \('GET', '/x/a'\), or \('\*', '/x/a'\), or the name of a route"),
        ({"": public}, "is no \\(method, path\\)"),
        ({("*", "x/**"): public}, r"which matches no route. Did you mean '\* /x/\*\*'"),
        ({("ALL", "/x/a"): public}, r"not a route. That path has GET, HEAD; '\*' stands for any method"),
        (
            {("*", "/x/a"): "public"},
            r"rules: \('\*', '/x/a'\): 'public' in quotes is a scope of that name: write public",
        ),
        (
            {("*", "/x/a"): "optional"},
            r"write optional, from spacekey, without them; for the scope write requires\('opt",
        ),
        ({("*", "/x/a"): ["a", "b"]}, r"write requires\('a', 'b'\) for all of them, or any_of\('a', 'b'\)"),
        ({("*", "/x/a"): None}, r"rules: \('\*', '/x/a'\): None is not a rule"),
        ({"docs": public}, "is the name of no route. There is only 'plain'"),
    ],
)
def test_an_entry_that_cannot_be_meant_stops_the_start(rules: dict[Any, Any], said: str) -> None:
    with pytest.raises(RuleError, match=said):
        undeclared_routes(app_of([Route("/x/a", plain), Route("/x/b", plain)], rules, undeclared="ignore"))


async def test_the_error_at_the_start_names_the_shortest_rules_that_would_help() -> None:
    routes = [Route(f"/admin/{name}", plain) for name in "abc"] + [Route("/health", plain), Route("/{id}/x", plain)]
    app = app_of([*routes, Route("/{id}/y", plain)], {})
    said = await start_up(app) or ""
    assert "6 routes have no rule and are not public" in said
    assert "('*', '/health'), ('*', '/{id}/x'), ('*', '/admin/**')" in said
    assert 'undeclared="ignore" leaves them as they are' in said
