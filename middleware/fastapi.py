"""Rules as FastAPI dependencies, which show their scopes in the OpenAPI document.

    @app.get("/jobs", dependencies=[RequireScopes("jobs:read")])
    @app.get("/me")
    async def me(caller: Annotated[Principal, RequireScopes("jobs:read")]): …

If TokenMiddleware sees the route, it refuses before the body is read; the dependency itself enforces everywhere.
"""

import inspect
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from starlette.requests import HTTPConnection
from starlette.routing import Route

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.extras import extra
from spacekey.domain.principal import Limit, Principal
from spacekey.domain.rule import Rule

with extra("fastapi"):
    from fastapi import FastAPI, Security, params
    from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
    from fastapi.security import SecurityScopes
    from fastapi.security.base import SecurityBase

from spacekey.middleware.auth.credentials import Bearer, Header, Source
from spacekey.middleware.routing.endpoints import as_exception, decorator, requires
from spacekey.middleware.routing.routes import ANY
from spacekey.middleware.rules.marks import set_mark
from spacekey.middleware.rules.requirement import OPTIONAL, PUBLIC, Declaration, Openness, Requirement, access_from

from .request_auth import auth_of
from .token_middleware import middleware_of

__all__ = ["OptionalPrincipal", "Public", "RequireScopes", "declare_docs", "document_rules"]


class _Bearer(SecurityBase):
    """Security scheme of the OpenAPI document. Scopes beside an ``http`` scheme are allowed since OpenAPI 3.1."""

    def __init__(self) -> None:
        self.scheme_name = "Spacekey"
        self.model = HTTPBearerModel(description="An API token, as `Authorization: Bearer …`.")

    async def __call__(self) -> None:
        """Do nothing: :class:`_ScopeCheck` decides."""


class _Marker(params.Security):
    """A dependency by itself, which goes into no ``Depends(…)``."""

    def __call__(self) -> NoReturn:
        """Refuse to be inside ``Depends(…)``, where FastAPI asks for a callable.

        :raises ConfigurationError: always.
        """
        raise ConfigurationError(_by_itself(type(self).__name__))

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse in the same way when FastAPI asks for the signature of what is inside ``Depends(…)``.

        :raises ConfigurationError: for a signature.
        """
        if name == "__signature__":
            raise ConfigurationError(_by_itself(type(self).__name__))
        raise AttributeError(name)


class RequireScopes(_Marker):
    """FastAPI dependency that requires scopes, and gives the principal where it annotates an argument::

        @app.get("/jobs", dependencies=[RequireScopes("jobs:read")])

        @app.get("/me")
        async def me(caller: Annotated[Principal, RequireScopes()]): …

    The OpenAPI document shows the scopes of the rule's first alternative, which always suffice, or all of it after
    :func:`document_rules`.

    :param parts: scopes and rules, as for ``requires``.
    :param space_param: the name of a path parameter; the token must belong to the space that it identifies.
    :param environment: ``live`` or ``test``; a token of another environment is refused like an unknown one.
    :param cost: what a request costs of the token's limit (see docs/how-to/limits.md): 1 by default, 0 if it is free.
    :param limit: a rate to which each caller is limited on this route, besides that of its token.
    :raises RuleError: for a string that is not a scope name, or a negative cost.
    """

    def __init__(
        self,
        *parts: str | Rule,
        space_param: str | None = None,
        environment: str | None = None,
        cost: int | None = None,
        limit: Limit | None = None,
    ) -> None:
        made = requires(*parts, space_param=space_param, environment=environment, cost=cost, limit=limit)
        super().__init__(_ScopeCheck(made))


class OptionalPrincipal(_Marker):
    """FastAPI dependency that declares a route ``optional``, and gives the principal or None::

        @app.get("/")
        async def home(caller: Annotated[Principal | None, OptionalPrincipal()]): …

    Credentials are verified if they are sent, and invalid ones are rejected. On a route that requires scopes as well,
    it gives the principal.
    """

    def __init__(self) -> None:
        super().__init__(_OptionalCheck())


class Public(_Marker):
    """FastAPI dependency that declares routes ``public``, for a router of them or one::

        router = APIRouter(prefix="/status", dependencies=[Public()])

    Nothing is verified there, even if credentials are sent. A route of the router that requires scopes as well keeps
    the app from starting.
    """

    def __init__(self) -> None:
        super().__init__(_PublicMark())


class _PublicMark:
    """What FastAPI calls for :class:`Public`."""

    def __init__(self) -> None:
        self.__signature__ = inspect.Signature()
        set_mark(self, PUBLIC)

    async def __call__(self) -> None:
        """Do nothing: the mark says it."""


class _OptionalCheck:
    """What FastAPI calls for :class:`OptionalPrincipal`."""

    def __init__(self) -> None:
        self.__signature__ = inspect.Signature([_keyword("connection", HTTPConnection)])
        set_mark(self, OPTIONAL)

    async def __call__(self, connection: HTTPConnection) -> Principal | None:
        """Return the principal, or None for a request without credentials.

        :raises HTTPException: for invalid credentials, as :class:`RequireScopes` does.
        """
        scope = connection.scope
        refusal = await auth_of(scope).authorize(OPTIONAL, scope)
        if refusal is not None:
            raise as_exception(refusal, scope)
        user = scope["user"]
        return user if isinstance(user, Principal) else None


def _by_itself(name: str) -> str:
    return (
        f"{name}(…) inside Depends(…) or Security(…): it is a dependency by itself; write "
        f"dependencies=[{name}(…)] or Annotated[Principal, {name}(…)]"
    )


class _ScopeCheck:
    """What FastAPI calls for :class:`RequireScopes`."""

    def __init__(self, requirement: Requirement) -> None:
        self.requirement = requirement
        shown = sorted(next(iter(requirement.rule.alternatives), ()))
        scheme = Security(_Bearer(), scopes=shown)
        self.__signature__ = inspect.Signature(
            [
                _keyword("connection", HTTPConnection),
                _keyword("security_scopes", SecurityScopes),
                _keyword("scheme", None, scheme),
            ]
        )
        set_mark(self, requirement)

    async def __call__(
        self, connection: HTTPConnection, security_scopes: SecurityScopes, scheme: None = None
    ) -> Principal:
        """Return the principal if it satisfies the rule.

        :raises HTTPException: with the refusal's status, challenge and a sentence; if the app does not handle HTTP
            exceptions itself, the refusal's problem document is sent.
        """
        del scheme  # only for the OpenAPI document
        added = security_scopes.scopes
        requirement = self.requirement & requires(*added) if added else self.requirement
        scope = connection.scope
        auth = auth_of(scope)
        refusal = None if auth.authorize_cached(requirement, scope) else await auth.authorize(requirement, scope)
        if refusal is not None:
            raise as_exception(refusal, connection.scope)
        principal: Principal = scope["user"]
        return principal


def declare_docs(app: FastAPI, declaration: Declaration) -> None:
    """Declare who may see FastAPI's own pages: the OpenAPI document and the pages that show it.

    :param app: the app whose pages these are.
    :param declaration: ``public``, ``optional``, ``requires(…)``, or a scope or rule as a short form of ``requires``.
    :raises RuleError: if it is none of these.
    """
    declare = decorator(access_from(declaration))
    paths = {app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url}
    for route in app.router.routes:
        if isinstance(route, Route) and route.path in paths:
            route.endpoint = declare(route.endpoint)


def document_rules(app: FastAPI) -> None:
    """Show in the OpenAPI document who may call each operation, as ``TokenMiddleware`` enforces it.

    Each operation gets every alternative of its rule, or that authentication is optional, and the responses with which
    it refuses (400, 401, 403, 429, 503) with their schema, and each source of tokens a security scheme. Rules of tables
    and routers count as well as those of dependencies. What the app says itself about one of these responses stays.

    :param app: the app with the ``TokenMiddleware``. Its routes may still be added after this.
    """
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        middleware = middleware_of(app)
        rules = {
            (method.lower(), _CONVERTOR.sub("}", path)): access
            for (method, path), access in middleware.policy.accesses({"type": "lifespan", "app": app}).items()
        }
        schemes = _schemes(middleware.settings.credentials.sources)
        for path, operations in document.get("paths", {}).items():
            for method, operation in operations.items():
                access = rules.get((method, path), rules.get((ANY, path)))
                if isinstance(access, Requirement) or access == OPTIONAL:
                    _describe(operation, access, [*schemes], is_limited=middleware.settings.metering is not None)
        components = document.setdefault("components", {})
        theirs = components.setdefault("securitySchemes", {})
        if _Bearer().scheme_name not in schemes:
            theirs.pop(_Bearer().scheme_name, None)
        theirs.update(schemes)
        components.setdefault("schemas", {})[_PROBLEM] = _PROBLEM_SCHEMA
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def _schemes(sources: Sequence[Source]) -> dict[str, Any]:
    """Return a security scheme of the document for each source of tokens, by name."""
    schemes: dict[str, Any] = {}
    for each in sources:
        if isinstance(each, Bearer):
            scheme = _Bearer()
            schemes[scheme.scheme_name] = scheme.model.model_dump(by_alias=True, exclude_none=True, mode="json")
        else:
            place = "header" if isinstance(each, Header) else "cookie"
            schemes[f"Spacekey-{place}-{_UNNAMED.sub('_', each.name)}"] = {
                "type": "apiKey",
                "in": place,
                "name": each.name,
                "description": f"An API token, in {each.place}.",
            }
    return schemes


_UNNAMED = re.compile(r"[^A-Za-z0-9._-]")
"""Characters that a component's name cannot have."""


def _describe(
    operation: dict[str, Any], access: Requirement | Openness, schemes: Sequence[str], *, is_limited: bool
) -> None:
    own = {_Bearer().scheme_name, *schemes}
    without = [{key: each for key, each in one.items() if key not in own} for one in operation.get("security", ())]
    theirs = [one for one in without if one] or [{}]
    ours: list[dict[str, list[str]]]
    if isinstance(access, Requirement):
        # A rule that no scope satisfies has no alternatives, and an empty list would say that the route is open.
        alternatives = [sorted(alternative) for alternative in access.rule.alternatives] or [[]]
        ours = [{name: scopes} for scopes in alternatives for name in schemes]
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


def _keyword(name: str, annotation: object, default: object = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
