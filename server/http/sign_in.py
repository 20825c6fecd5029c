"""Pages of signing in at an identity provider: to the provider, and back with its answer.

They are opened by browsers, as pages; what goes wrong is therefore told on a page, in words, with its status.
"""

from __future__ import annotations

import html
import json
import logging
import secrets
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.network import network_of
from spacekey.domain.refusal import InvalidInput, TooManyAttempts
from spacekey.middleware.routing.endpoints import public
from spacekey.resolvers.members.outside import sign_in_from_outside
from spacekey.server.context import Parts, facts_of, parts_of
from spacekey.server.identity.flow import FLOW, LIFETIME_SECONDS, Flow
from spacekey.server.identity.protocol import Identity, SignInRejected

from .base_path import base_path
from .dashboard import style_path
from .session_cookie import CookieSession, cookie_name, cookie_secret, cookie_values

START = "/sign-in/provider"
CALLBACK = f"{START}/callback"
SUFFIX = "-sign-in"
"""What the name of the cookie of a sign-in under way has behind that of the session cookie."""

RETRY_AFTER_SECONDS = 10
_NO_STORE = {"Cache-Control": "no-store"}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in · Spacekey</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark"><link rel="stylesheet" href="{style}"></head>
<body><header class="bar"><div class="place"><a class="brand" href="{home}">⚷ Spacekey</a></div></header>
<div class="columns"><nav class="sections" hidden></nav><main>
<div class="page-head"><h1>You are not signed in</h1></div><div class="narrow">
<p role="alert">{text}</p><p><a href="{home}">Back to sign in</a></p></div></main></div></body></html>
"""
_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

log = logging.getLogger("spacekey.identity")


def ways_to_sign_in(identity: Identity, *, mail: bool = False) -> str:
    """Return how people sign in, as JSON for the dashboard's page.

    :param mail: whether the server sends mail.
    """
    ways = {
        "passwords": identity.takes_passwords,
        "provider": identity.title if identity.at_provider else None,
        "url": identity.sign_in_url,
        "mail": mail,
    }
    return json.dumps(ways)


def sign_in_routes(identity: Identity) -> list[BaseRoute]:
    """Return the routes to an identity provider and back; none without one."""
    if not identity.at_provider:
        return []

    @public
    async def start(request: Request) -> Response:
        parts = parts_of(request)
        secret = cookie_secret(request)
        flow = Flow.begin(
            secrets.token_bytes,
            parts.system.clock().timestamp(),
            _address(parts, CALLBACK),
            request.query_params.get("return", "/"),
            None if secret is None else secret.digest(),
        )
        try:
            there = await identity.authorization_url(flow)
        except ServiceUnavailable:
            return _unavailable(parts)
        response = RedirectResponse(there, 303, headers=_NO_STORE)
        response.headers.append("Set-Cookie", _flow_cookie(request, flow.cookie(), LIFETIME_SECONDS))
        return response

    @public
    async def callback(request: Request) -> Response:
        parts = parts_of(request)
        response = await _answered(request, parts, identity)
        response.headers.append("Set-Cookie", _flow_cookie(request, "", 0))  # an answer is read once
        return response

    return [Route(START, start, methods=["GET"]), Route(CALLBACK, callback, methods=["GET"])]


async def _answered(request: Request, parts: Parts, identity: Identity) -> Response:
    """Return the way to where the person wanted to go, with a session; or the page that says why not."""
    system, facts = parts.system, facts_of(request)
    issuer = identity.issuer
    values = cookie_values(request, SUFFIX)
    flow = Flow.parse(values[0], system.clock().timestamp()) if len(values) == 1 else None
    counted = {f"sign-ins from {network_of(facts.ip)}": 1.0}
    try:
        system.attempts.count(system.clock(), counted)
        request.scope[FLOW] = flow
        person = await identity.person(request)
        if flow is None or person is None or issuer is None:
            raise SignInRejected("The provider's answer names no person.")
        facts = replace(facts, session=cookie_secret(request))
        opened = await sign_in_from_outside(system, facts, issuer, person, replaces=flow.replaced)
    except SignInRejected as error:
        return _page(parts, 400, str(error))
    except InvalidInput:
        return _page(parts, 400, "The provider's answer names no person that can have an account here.")
    except TooManyAttempts as error:
        headers = {"Retry-After": str(error.retry_after_seconds)}
        return _page(parts, 429, "There were too many sign-ins from your network. Try again later.", headers)
    except ServiceUnavailable as error:
        log.error("a sign-in could not be finished: %s", error)
        return _unavailable(parts)
    system.attempts.take_back(system.clock(), counted)
    response = RedirectResponse(_address(parts, flow.return_to), 303, headers=_NO_STORE)
    session = CookieSession(request)
    session.open(opened)
    session.answer(response)
    return response


def _address(parts: Parts, path: str) -> str:
    public = parts.settings.public
    return path if public is None else public.url(path)


def _unavailable(parts: Parts) -> Response:
    text = "The identity provider cannot be reached right now, so new sign-ins are not possible. Try again in a moment."
    return _page(parts, 503, text, {"Retry-After": str(RETRY_AFTER_SECONDS)})


def _page(parts: Parts, status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    style = _address(parts, style_path())
    body = _PAGE.format(text=html.escape(text), home=html.escape(_address(parts, "/")), style=html.escape(style))
    given = {**_NO_STORE, "Content-Security-Policy": _POLICY, **(headers or {})}
    return Response(body, status, given, media_type="text/html; charset=utf-8")


def _flow_cookie(request: Request, value: str, seconds: int) -> str:
    # Lax, because the provider's page leads back; Strict cookies are not sent then.
    name = cookie_name(base_path(request.scope)) + SUFFIX
    return f"{name}={value}; Max-Age={seconds}; Path=/; Secure; HttpOnly; SameSite=Lax"
