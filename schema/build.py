"""Build the schema: its types, document cache, limits and required scopes."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import aclosing
from datetime import date, datetime
from functools import cache
from typing import Any, cast

import strawberry
from graphql import GraphQLEnumType, GraphQLError, GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StreamResult
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError

from spacekey.domain.principal import Principal
from spacekey.domain.refusal import INPUT_CURES
from spacekey.domain.scope import MANAGEMENT_SCOPES
from spacekey.middleware.graphql import RequiresScopes, ScopedSchema, ScopeEnforcement
from spacekey.middleware.request_auth import RequestAuth
from spacekey.schema.limits.costs import CostModel
from spacekey.schema.limits.documents import Documents, DocumentSteps
from spacekey.schema.limits.operations import ChargeCost, OperationLimits
from spacekey.schema.mutations.links import LinkMutations
from spacekey.schema.mutations.members import MemberMutations
from spacekey.schema.mutations.portal_sessions import PortalMutations
from spacekey.schema.mutations.sessions import SessionMutations
from spacekey.schema.mutations.tokens import TokenMutations
from spacekey.schema.mutations.workspaces import SpaceMutations, WorkspaceMutations
from spacekey.schema.types.actors import ACTORS
from spacekey.schema.types.objects import Space, Token, Workspace
from spacekey.schema.types.relay import DATE, DATE_TIME

from .context import Context
from .errors import UNRESOLVED, MaskUnexpected, coded, finish
from .query import Query

DOCUMENTS_CACHED = 256

PUBLIC: Collection[str] = (
    "Query.me",
    "Query.requiredScopes",
    "Mutation.signIn",
    "Mutation.requestPasswordReset",
    "Mutation.resetPassword",
    "Mutation.acceptInvitation",
    "RequestPasswordResetSuccess",
    "ResetPasswordSuccess",
    "Me",
    "User",
    "RequiredScopes",
    "SignInSuccess",
    "AcceptInvitationSuccess",
    "SignInFailed",
    "TooManyAttempts",
    "InvalidInput",
    "FieldError",
    "NotFound",
    "Conflict",
)
"""What anyone may ask for without credentials: root fields, and the types that they answer with."""


@strawberry.type(description="The root of all mutations.")
class Mutation(
    SessionMutations,
    LinkMutations,
    TokenMutations,
    WorkspaceMutations,
    SpaceMutations,
    MemberMutations,
    PortalMutations,
):
    """Root type of all mutations."""


class SpacekeySchema(ScopedSchema):
    """Strawberry schema whose errors have codes and repeat no input.

    It answers a refused document on every transport.
    """

    async def execute(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Run an operation. Only the error for one that the document does not have has no code until here."""
        result = await super().execute(*args, **kwargs)
        for error in result.errors or ():
            coded(error, UNRESOLVED)
        return result

    async def stream(self, *args: Any, **kwargs: Any) -> StreamResult:
        """Run an operation as a stream. A document that cannot be parsed is answered as ``execute`` does."""
        return self._answered(await super().stream(*args, **kwargs))

    async def _answered(self, results: StreamResult) -> StreamResult:
        try:
            async with aclosing(results):
                async for result in results:
                    yield result
        except GraphQLError as error:
            self._process_errors([error])
            yield PreExecutionError(data=None, errors=[error])

    def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:
        """Return the extensions of one operation; it is charged after its scopes were checked."""
        extensions = super().get_extensions(sync)
        limits = [one for one in extensions if isinstance(one, OperationLimits)]
        return extensions if sync else [*extensions, *map(ChargeCost, limits)]

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Give codes to an operation's errors and remove repeated input, before Strawberry logs and answers them."""
        finish(errors)
        super().process_errors(errors, execution_context)


def build_schema() -> ScopedSchema:
    """Return Spacekey's GraphQL schema with its rules compiled.

    :raises ConfigurationError: when a rule names a scope that does not exist, or a list field declares no bound.
    """
    documents = Documents(DOCUMENTS_CACHED)

    @cache
    def model() -> CostModel:
        return CostModel(schema._schema)

    schema = SpacekeySchema(
        query=Query,
        mutation=Mutation,
        types=[Token, Space, Workspace, *ACTORS],
        config=StrawberryConfig(scalar_map={date: DATE, datetime: DATE_TIME}),
        extensions=[
            lambda: DocumentSteps(documents),
            MaskUnexpected,
            lambda: OperationLimits(model()),
        ],
        scopes=ScopeEnforcement(
            on_denied="reject",
            principal=_principal,
            auth=_auth,
            public=PUBLIC,
            known_scopes=frozenset(MANAGEMENT_SCOPES),
        ),
    )
    describe(schema._schema)
    model()
    return schema


def describe(schema: GraphQLSchema) -> None:
    """Add to the descriptions what is known from elsewhere.

    A field with ``@requiresScopes`` says which scopes it requires, the ``input`` of a mutation whose it is, and the
    code of an input's fault what to do about it.
    """
    for code, cure in INPUT_CURES.items():
        cast("GraphQLEnumType", schema.type_map["InputErrorCode"]).values[code.name].description = cure
    for one in schema.type_map.values():
        if isinstance(one, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in one.fields.items():
                for directive in getattr((field.extensions or {}).get("strawberry-definition"), "directives", ()):
                    if isinstance(directive, RequiresScopes):
                        field.description = f"{field.description or ''} {_required(directive.scopes)}".lstrip()
                if one is schema.mutation_type and "input" in field.args:
                    field.args["input"].description = f"The parameters of `{name}`."


def _required(scopes: list[list[str]]) -> str:
    """Return the sentence about the sets of scopes of which a caller needs one."""
    sets = [" and ".join(f"`{scope}`" for scope in one) for one in scopes if one]
    if not sets:
        return "Requires credentials."
    return f"Requires the scope{'s' if len(scopes[0]) > 1 else ''} {', or '.join(sets)}."


def _principal(context: object) -> Principal | None:
    return context.principal if isinstance(context, Context) else None


def _auth(context: object) -> RequestAuth | None:
    return context.auth if isinstance(context, Context) else None
