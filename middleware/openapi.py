"""Rules in an OpenAPI document: who may call each operation, with a token from where, and how it is refused.

For FastAPI there is :func:`spacekey.middleware.fastapi.document_rules`. :func:`describe_rules` is for documents that
are made otherwise, such as by Starlette's ``SchemaGenerator``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Host, Mount, Router
from starlette.types import ASGIApp

from spacekey.domain.errors import ConfigurationError
from spacekey.middleware.auth.credentials import Bearer, Header, Source
from spacekey.middleware.routing.routes import ANY
from spacekey.middleware.rules.requirement import OPTIONAL, Access, Openness, Requirement

from .token_middleware import middleware_of

__all__ = ["describe_rules"]

BEARER_NAME = "Spacekey"
"""Name of the security scheme of the ``Authorization`` header."""
BEARER_DESCRIPTION = "An API token, as `Authorization: Bearer …`."
MOUNTS_MAX = 50


def describe_rules(document: dict[str, Any], app: ASGIApp, *, below: str = "") -> dict[str, Any]:
    """Add to an OpenAPI document who may call each operation, as ``TokenMiddleware`` enforces it::

        document = SchemaGenerator({"openapi": "3.1.0", "info": info}).get_schema(routes=app.routes)
        describe_rules(document, app)

    Each operation gets every alternative of its rule, or that authentication is optional, and the responses with which
    it refuses (400, 401, 403, 429, 503) with their schema, and each source of tokens a security scheme. Rules of tables
    count as well as those of endpoints. What the document says itself about one of these responses stays.

    Before version 3.1 of OpenAPI, scopes may stand beside OAuth schemes only, so they are left out of such a document.

    :param document: the document, which is changed.
    :param app: the app with the ``TokenMiddleware``, or the middleware around an app.
    :param below: the path of a mount, such as ``/v1``, if the document's paths begin there.
    :returns: the document.
    :raises ConfigurationError: if there is no ``TokenMiddleware``, or a rule cannot work.
    """
    middleware = middleware_of(app)
    accesses = middleware.policy.accesses({"type": "lifespan", "app": app})
    rules = {(method.lower(), _CONVERTOR.sub("}", path)): access for (method, path), access in accesses.items()}
    schemes = schemes_of(middleware.settings.credentials.sources)
    begin = _CONVERTOR.sub("}", below)
    shows_scopes = not str(document.get("openapi", "")).startswith("3.0")
    described = False
    for path, operations in document.get("paths", {}).items():
        for method, operation in operations.items():
            access = _access_to(method, begin + path, rules) if isinstance(operation, dict) else None
            if isinstance(access, Requirement) or access == OPTIONAL:
                described = True
                _describe(
                    operation,
                    access,
                    [*schemes],
                    is_limited=middleware.settings.metering is not None,
                    shows_scopes=shows_scopes,
                )
    components = document.setdefault("components", {})
    theirs = components.setdefault("securitySchemes", {})
    if BEARER_NAME not in schemes:
        theirs.pop(BEARER_NAME, None)
    theirs.update(schemes)
    if described:
        components.setdefault("schemas", {})[_PROBLEM] = _PROBLEM_SCHEMA
    return document


def mount_path(outer: ASGIApp, app: object) -> str:
    """Return the path template at which ``app`` is mounted in another app.

    :raises ConfigurationError: if it is not mounted there.
    """
    found = _find(outer, app, "", MOUNTS_MAX)
    if found is None:
        raise ConfigurationError(
            "within=…: the app is not mounted in that one; write within=OUTER with the app whose Mount it is in"
        )
    return found


def _find(outer: object, app: object, path: str, deeper: int) -> str | None:
    inner = _behind_middleware(outer)
    if inner is app:
        return path
    router = inner.router if isinstance(inner, Starlette) else inner
    for route in router.routes if isinstance(router, Router) and deeper else ():
        if isinstance(route, Mount):
            found = _find(getattr(route, "_base_app", route.app), app, path + route.path, deeper - 1)
        else:
            found = _find(route.app, app, route.host + path, deeper - 1) if isinstance(route, Host) else None
        if found is not None:
            return found
    return None


def _behind_middleware(app: object) -> object:
    """Return the app that routes, behind guards and middleware that keep their app in ``app``."""
    for _ in range(MOUNTS_MAX):
        if isinstance(app, Starlette | Router) or not hasattr(app, "app"):
            break
        app = app.app
    return app


def schemes_of(sources: Sequence[Source]) -> dict[str, Any]:
    """Return a security scheme of the document for each source of tokens, by name."""
    schemes: dict[str, Any] = {}
    for each in sources:
        if isinstance(each, Bearer):
            schemes[BEARER_NAME] = {"type": "http", "description": BEARER_DESCRIPTION, "scheme": "bearer"}
        else:
            place = "header" if isinstance(each, Header) else "cookie"
            schemes[f"{BEARER_NAME}-{place}-{_UNNAMED.sub('_', each.name)}"] = {
                "type": "apiKey",
                "in": place,
                "name": each.name,
                "description": f"An API token, in {each.place}.",
            }
    return schemes


_UNNAMED = re.compile(r"[^A-Za-z0-9._-]")
"""Characters that a component's name cannot have."""


def _access_to(method: str, path: str, rules: Mapping[tuple[str, str], Access | None]) -> Access | None:
    """Return the access to an operation: that of its route, else that of the mount whose routes cannot be seen."""
    for key in ((method, path), (ANY, path)):
        if key in rules:
            return rules[key]
    while path:
        path = path.rpartition("/")[0]
        if (ANY, path) in rules:
            return rules[ANY, path]
    return None


def _describe(
    operation: dict[str, Any],
    access: Requirement | Openness,
    schemes: Sequence[str],
    *,
    is_limited: bool,
    shows_scopes: bool,
) -> None:
    own = {BEARER_NAME, *schemes}
    without = [{key: each for key, each in one.items() if key not in own} for one in operation.get("security", ())]
    theirs = [one for one in without if one] or [{}]
    ours: list[dict[str, list[str]]]
    if isinstance(access, Requirement):
        # A rule that no scope satisfies has no alternatives, and an empty list would say that the route is open.
        alternatives = [sorted(alternative) for alternative in access.rule.alternatives] or [[]]
        ours = [{name: scopes} for scopes in (alternatives if shows_scopes else [[]]) for name in schemes]
    else:
        ours = [{}]
        ours += [{name: []} for name in schemes]
    operation["security"] = [{**one, **other} for other in theirs for one in ours]
    responses = operation.setdefault("responses", {})
    for status, text in _RESPONSES.items():
        if (status == "429" and not is_limited) or (status == "403" and not isinstance(access, Requirement)):
            continue
        content = {"application/problem+json": {"schema": {"$ref": f"#/components/schemas/{_PROBLEM}"}}}
        headers = {header: {"schema": {"type": "string"}} for header in _HEADERS.get(status, ())}
        responses.setdefault(
            status, {"description": text, "content": content, **({"headers": headers} if headers else {})}
        )


_CONVERTOR = re.compile(r":\w+\}")
"""End of a path parameter with a convertor, which the document's paths are without."""

_PROBLEM = "SpacekeyProblem"
_PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "Why the request was refused (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "A stable name, such as `insufficient_scope`."},
        "missing_scopes": {"type": "array", "items": {"type": "string"}},
        "violated-policies": {"type": "array", "items": {"type": "string"}},
    },
}
_RESPONSES = {
    "400": "The credentials are malformed, or there are two.",
    "401": "There is no valid token.",
    "403": "The token may not do this.",
    "429": "The token's rate limit is used up.",
    "503": "The token cannot be verified at the moment.",
}
_HEADERS = {
    "400": ["WWW-Authenticate"],
    "401": ["WWW-Authenticate"],
    "403": ["WWW-Authenticate"],
    "429": ["Retry-After"],
    "503": ["Retry-After"],
}
