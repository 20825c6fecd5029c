"""The application: its own sign-in, a page with API keys, and an API that takes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.requests import HTTPConnection

from spacekey import Actor, Keys, NotFound, Principal, TokenMiddleware, UserError, public
from spacekey.keys import Workspace
from spacekey.middleware.fastapi import RequireScopes, declare_docs
from spacekey.server.identity import HostSession, Identity, Person

from . import pages
from .people import People, User
from .portal import Portal

SESSION = "harbor-session"
FOLDER = Path(__file__).parent
FILES = {"live.js": "text/javascript", "element.js": "text/javascript", "element.css": "text/css"}
NO_STORE = {"Cache-Control": "no-store"}

router = APIRouter()


def make_app(keys: Keys, people: People, portal: Portal | None = None) -> FastAPI:
    """Return the application.

    :param portal: where the live page gets its sessions; None leaves that page out.
    """

    app = FastAPI(title="Harbor", lifespan=lifespan)
    app.include_router(router)
    app.add_exception_handler(UserError, on_refusal)
    app.add_middleware(TokenMiddleware, verifier=keys.verifier, realm="harbor")
    declare_docs(app, public)
    app.state.keys, app.state.people, app.state.portal = keys, people, portal
    app.mount("/dashboard", keys.app(identity=identity_of(keys, people)))
    return app


def identity_of(keys: Keys, people: People) -> Identity:
    """Return who is at Spacekey's own dashboard: the signed-in user, as a member of their tenant's workspace."""

    async def read(connection: HTTPConnection) -> Person | None:
        user = people.signed_in(connection.cookies.get(SESSION, ""))
        if user is None:
            return None
        tenant = await keys.workspaces.ensure(external_id=user.tenant, product="spooled")
        return Person(subject=user.id, name=user.name, roles={tenant.id: "member"})

    return HostSession(read, issuer="harbor", sign_in_url="/")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Close what the application opened. TokenMiddleware closes the keys."""
    yield
    if app.state.portal is not None:
        await app.state.portal.aclose()


async def on_refusal(_request: Request, error: Exception) -> Response:
    """Say why Spacekey refused, in its own words."""
    status = 404 if isinstance(error, NotFound) else 400
    return HTMLResponse(pages.page("That did not work", f"<p role='status'>{escape(str(error))}</p>"), status)


def signed_in(request: Request) -> User:
    """Return who is signed in, by the application's own cookie."""
    people: People = request.app.state.people
    user = people.signed_in(request.cookies.get(SESSION, ""))
    if user is None:
        raise HTTPException(303, headers={"Location": "/"})
    return user


SignedIn = Annotated[User, Depends(signed_in)]


async def tenant_of(request: Request, user: SignedIn) -> Workspace:
    """Return the workspace of the user's tenant. It is created when the first of them needs it."""
    keys: Keys = request.app.state.keys
    return await keys.workspaces.ensure(external_id=user.tenant, product="spooled")


Tenant = Annotated[Workspace, Depends(tenant_of)]


def actor_of(user: User) -> Actor:
    """Return the user as the audit log names them."""
    return Actor(id=user.id, name=user.name)


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form."""
    return {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}


Form = Annotated[dict[str, str], Depends(form_of)]


@router.get("/", response_class=HTMLResponse)
@public
async def home(request: Request) -> Response:
    people: People = request.app.state.people
    user = people.signed_in(request.cookies.get(SESSION, ""))
    return HTMLResponse(pages.page("Harbor", pages.SIGN_IN if user is None else "<p>Welcome back.</p>", user))


@router.post("/sign-in", response_class=HTMLResponse)
@public
async def sign_in(request: Request, form: Form) -> Response:
    people: People = request.app.state.people
    session = people.sign_in(form.get("email", ""), form.get("password", ""))
    if session is None:
        return HTMLResponse(pages.page("Harbor", f"<p role='status'>Address or password is wrong.</p>{pages.SIGN_IN}"))
    answer = RedirectResponse("/keys", 303)
    # SameSite keeps other sites from sending this page's forms.
    secure = request.url.scheme == "https"
    answer.set_cookie(SESSION, session, httponly=True, samesite="strict", secure=secure)
    return answer


@router.post("/sign-out")
@public
async def sign_out(request: Request) -> Response:
    request.app.state.people.sign_out(request.cookies.get(SESSION, ""))
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(SESSION)
    return answer


async def keys_of(request: Request, user: User, tenant: Workspace, said: str = "") -> Response:
    """Return the page with the user's own keys.

    :param said: HTML that says what was done.
    """
    keys: Keys = request.app.state.keys
    mine = [one async for one in keys.tokens.list(tenant, external_id=user.id, statuses=["active"])]
    return HTMLResponse(pages.keys_page(user, mine, said), headers=NO_STORE)


@router.get("/keys", response_class=HTMLResponse)
@public
async def list_keys(request: Request, user: SignedIn, tenant: Tenant) -> Response:
    return await keys_of(request, user, tenant)


@router.post("/keys", response_class=HTMLResponse)
@public
async def create_key(request: Request, user: SignedIn, tenant: Tenant, form: Form) -> Response:
    keys: Keys = request.app.state.keys
    issued = await keys.tokens.create(
        tenant,
        name=form.get("name", ""),
        grants=["jobs:read"],
        external_id=user.id,
        actor=actor_of(user),
    )
    return await keys_of(request, user, tenant, pages.shown_once(issued.secret.reveal()))


@router.post("/keys/{key_id}/revoke", response_class=HTMLResponse)
@public
async def revoke_key(request: Request, key_id: str, user: SignedIn, tenant: Tenant) -> Response:
    keys: Keys = request.app.state.keys
    await keys.tokens.revoke(tenant, key_id, external_id=user.id, actor=actor_of(user))
    return await keys_of(request, user, tenant, "Revoked.")


@router.get("/keys/live", response_class=HTMLResponse)
@public
async def live_keys(request: Request, user: SignedIn, tenant: Tenant) -> Response:
    portal = portal_of(request)
    policy = (
        f"default-src 'none'; script-src 'self'; connect-src 'self' {portal.url}; img-src data:; form-action 'self'"
    )
    headers = {**NO_STORE, "Content-Security-Policy": policy}
    return HTMLResponse(pages.live_page(user, tenant.id, portal.url), headers=headers)


@router.get("/keys/element", response_class=HTMLResponse)
@public
async def element_keys(request: Request, user: SignedIn) -> Response:
    portal = portal_of(request)
    policy = (
        f"default-src 'none'; script-src 'self' {portal.url}; connect-src 'self' {portal.url}; style-src 'self'; "
        "img-src data:; form-action 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    headers = {**NO_STORE, "Content-Security-Policy": policy}
    return HTMLResponse(pages.element_page(user, portal.url), headers=headers)


@router.post("/keys/session")
@public
async def open_session(request: Request, user: SignedIn, tenant: Tenant) -> Response:
    secret = await portal_of(request).open(tenant.id, user)
    return Response(f'{{"secret": "{secret}"}}', headers=NO_STORE, media_type="application/json")


@router.get("/static/{name}")
@public
async def file(name: str) -> Response:
    if name not in FILES:
        raise HTTPException(404)
    return Response((FOLDER / name).read_text(encoding="utf-8"), media_type=FILES[name])


def portal_of(request: Request) -> Portal:
    """Return the portal."""
    portal: Portal | None = request.app.state.portal
    if portal is None:
        raise HTTPException(404, "Start the application with --spacekey to see this page.")
    return portal


@router.get("/api/jobs")
async def jobs(request: Request, caller: Annotated[Principal, RequireScopes("jobs:read")]) -> dict[str, Any]:
    user: User | None = request.app.state.people.user(caller.external_id)
    return {"jobs": [], "user": None if user is None else user.name}
