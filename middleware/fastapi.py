"""Rules as FastAPI dependencies, which show their scopes in the OpenAPI document.

    @app.get("/jobs", dependencies=[RequireScopes("jobs:read")])
    @app.get("/me")
    async def me(caller: Annotated[Principal, RequireScopes("jobs:read")]): …

If TokenMiddleware sees the route, it refuses before the body is read; the dependency itself enforces everywhere.
"""

import inspect
from typing import TYPE_CHECKING, Any, NoReturn

from starlette.requests import HTTPConnection
from starlette.routing import Route
from starlette.types import ASGIApp

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.extras import extra
from spacekey.domain.principal import Limit, Principal
from spacekey.domain.rule import Rule

with extra("fastapi"):
    from fastapi import FastAPI, Security, params
    from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
    from fastapi.security import SecurityScopes
    from fastapi.security.base import SecurityBase

from spacekey.middleware.routing.endpoints import as_exception, decorator, requires
from spacekey.middleware.rules.marks import set_mark
from spacekey.middleware.rules.requirement import OPTIONAL, PUBLIC, Declaration, Requirement, access_from

from .openapi import BEARER_DESCRIPTION, BEARER_NAME, describe_rules, mount_path
from .request_auth import auth_of

__all__ = ["OptionalPrincipal", "Public", "RequireScopes", "declare_docs", "document_rules"]


class _Bearer(SecurityBase):
    """Security scheme of the OpenAPI document. Scopes beside an ``http`` scheme are allowed since OpenAPI 3.1."""

    def __init__(self) -> None:
        self.scheme_name = BEARER_NAME
        self.model = HTTPBearerModel(description=BEARER_DESCRIPTION)

    async def __call__(self) -> None:
        """Do nothing: :class:`_ScopeCheck` decides."""


class _NeedsParentheses:
    """Stands for what FastAPI asks of a dependency, where the class itself was written in its place."""

    def __get__(self, instance: object, owner: type) -> NoReturn:
        """Refuse to be asked of a class. An object has an attribute of its own.

        :raises ConfigurationError: always.
        """
        raise ConfigurationError(f"{owner.__name__} without parentheses: write dependencies=[{owner.__name__}(…)]")


class _Marker(params.Security):
    """A dependency by itself, which goes into no ``Depends(…)``."""

    __spacekey_dependency__ = True
    if not TYPE_CHECKING:
        dependency = _NeedsParentheses()

    def __call__(self, *_args: object, **_named: object) -> NoReturn:
        """Refuse to be inside ``Depends(…)``, where FastAPI asks for a callable, and to be a decorator.

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
        f"{name}(…) inside Depends(…) or Security(…), or as a decorator: it is a dependency by itself; write "
        f"dependencies=[{name}(…)] or Annotated[Principal, {name}(…)]; the decorators are requires(…), optional and "
        "public"
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


def document_rules(app: FastAPI, *, within: ASGIApp | None = None) -> None:
    """Show in the OpenAPI document who may call each operation, as ``TokenMiddleware`` enforces it.

    Each operation gets every alternative of its rule, or that authentication is optional, and the responses with which
    it refuses (400, 401, 403, 429, 503) with their schema, and each source of tokens a security scheme. Rules of tables
    and routers count as well as those of dependencies. What the app says itself about one of these responses stays.

    :param app: the app with the ``TokenMiddleware``. Its routes may still be added after this.
    :param within: the app that has the ``TokenMiddleware`` instead, or the middleware itself, if ``app`` is mounted in
        it or wrapped by it.
    :raises ConfigurationError: when the document is made, if there is no ``TokenMiddleware``.
    """
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if within is None:
            return describe_rules(made(), app)
        return describe_rules(made(), within, below=mount_path(within, app))

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def _keyword(name: str, annotation: object, default: object = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
