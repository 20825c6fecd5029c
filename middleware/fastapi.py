"""Rules as FastAPI dependencies, which show their scopes in the OpenAPI document.

    @app.get("/jobs", dependencies=[RequireScopes("jobs:read")])
    @app.get("/me")
    async def me(caller: Annotated[Principal, RequireScopes("jobs:read")]): …

If TokenMiddleware sees the route, it refuses before the body is read; the dependency itself enforces everywhere.
"""

import inspect
from typing import NoReturn

from starlette.requests import HTTPConnection
from starlette.routing import Route

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.extras import extra
from spacekey.domain.principal import Principal
from spacekey.domain.rule import Rule

with extra("fastapi"):
    from fastapi import FastAPI, Security, params
    from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
    from fastapi.security import SecurityScopes
    from fastapi.security.base import SecurityBase

from spacekey.middleware.routing.endpoints import as_exception, decorator, requires
from spacekey.middleware.rules.marks import set_mark
from spacekey.middleware.rules.requirement import Declaration, Requirement, access_from

from .request_auth import auth_of

__all__ = ["RequireScopes", "declare_docs"]


class _Bearer(SecurityBase):
    """Security scheme of the OpenAPI document. Scopes beside an ``http`` scheme are allowed since OpenAPI 3.1."""

    def __init__(self) -> None:
        self.scheme_name = "Spacekey"
        self.model = HTTPBearerModel(description="An API token, as `Authorization: Bearer …`.")

    async def __call__(self) -> None:
        """Do nothing: :class:`_ScopeCheck` decides."""


class RequireScopes(params.Security):
    """FastAPI dependency that requires scopes, and gives the principal where it annotates an argument::

        @app.get("/jobs", dependencies=[RequireScopes("jobs:read")])

        @app.get("/me")
        async def me(caller: Annotated[Principal, RequireScopes()]): …

    The OpenAPI document shows the scopes of the rule's first alternative, which always suffice. In tests,
    ``app.dependency_overrides`` takes its ``dependency``.

    :param parts: scopes and rules, as for ``requires``.
    :param space_param: the name of a path parameter; the token must belong to the space that it identifies.
    :param environment: ``live`` or ``test``; a token of another environment is refused like an unknown one.
    :raises RuleError: for a string that is not a scope name.
    """

    def __init__(self, *parts: str | Rule, space_param: str | None = None, environment: str | None = None) -> None:
        super().__init__(_ScopeCheck(requires(*parts, space_param=space_param, environment=environment)))

    def __call__(self) -> NoReturn:
        """Refuse to be inside ``Depends(…)``, where FastAPI asks for a callable.

        :raises ConfigurationError: always.
        """
        raise ConfigurationError(_BY_ITSELF)

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse in the same way when FastAPI asks for the signature of what is inside ``Depends(…)``.

        :raises ConfigurationError: for a signature.
        """
        if name == "__signature__":
            raise ConfigurationError(_BY_ITSELF)
        raise AttributeError(name)


_BY_ITSELF = (
    "RequireScopes(…) inside Depends(…) or Security(…): it is a dependency by itself; write "
    "dependencies=[RequireScopes(…)] or Annotated[Principal, RequireScopes(…)]"
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


def _keyword(name: str, annotation: object, default: object = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
