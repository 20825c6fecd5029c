"""A Strawberry schema that enforces the scopes written on its fields."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

import strawberry
from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.schema import StreamResult
from strawberry.types import ExecutionContext
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField
from strawberry.types.graphql import OperationType

from spacekey.domain.principal import Principal

from .conversion import refuse_unconvertible, told_plainly
from .decision import Enforcer
from .execution import ChargingExtension, ScopeExtension, guarded_executor
from .rules import Rulebook, compile_rules, refuse_undeclared, refuse_undeclared_roots, refuse_wrong_public
from .settings import ScopeEnforcement, caller_of
from .subscriptions import Subscribed, lost
from .while_allowed import while_allowed

_FAULTS_OF_REQUESTS = (CannotGetOperationTypeError, InvalidOperationTypeError, MissingQueryError)
"""What Strawberry raises for a request that names no operation which can be run."""

_log = logging.getLogger("strawberry.execution")


class SchemaOptions(TypedDict, total=False):
    """What ``strawberry.Schema`` takes besides the root types."""

    directives: Iterable[Any]
    types: Iterable[Any]
    extensions: Iterable[type[SchemaExtension] | Callable[[], SchemaExtension]]
    execution_context_class: type[Any] | None
    config: StrawberryConfig | None
    scalar_overrides: Mapping[Any, Any] | None
    schema_directives: Iterable[object]
    exception_handlers: Iterable[Any]


class ScopedSchema(strawberry.Schema):
    """``strawberry.Schema`` with ``scopes``: the rules are compiled when it is made and enforced at each operation.

    :param scopes: how to enforce; by default an operation that asks for a denied field is refused.
    :raises ConfigurationError: when a rule, or the absence of one, is a mistake; the message names the coordinate.
    """

    def __init__(
        self,
        query: type,
        mutation: type | None = None,
        subscription: type | None = None,
        *,
        scopes: ScopeEnforcement | None = None,
        **options: Unpack[SchemaOptions],
    ) -> None:
        with told_plainly():
            super().__init__(query=query, mutation=mutation, subscription=subscription, **options)
        settings = scopes or ScopeEnforcement()
        self.rulebook: Rulebook = compile_rules(
            self._schema, known_scopes=settings.known_scopes, ignore_policy=settings.ignore_policy
        )
        refuse_wrong_public(self.rulebook, settings.public)
        if settings.fail_on_undeclared == "roots":
            refuse_undeclared_roots(self.rulebook, settings.public)
        elif settings.fail_on_undeclared:
            refuse_undeclared(self.rulebook, settings.public)
        self._settings = settings
        self._enforcer = Enforcer(self.rulebook, settings)
        self.execution_context_class = guarded_executor(self.execution_context_class)

    def get_fields(self, type_definition: StrawberryObjectDefinition) -> list[StrawberryField]:
        """The fields of one type, none of them written so that its rule could not be read."""
        fields = super().get_fields(type_definition)
        names = self.config.name_converter
        by_name = {names.get_graphql_name(field): field for field in fields}
        refuse_unconvertible(names.from_type(type_definition), type_definition, by_name)
        return fields

    def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:
        """The extensions of one operation, ours last."""
        if self._settings.cost is None or sync:
            return [*super().get_extensions(sync), ScopeExtension(self._enforcer)]
        return [*super().get_extensions(sync), ChargingExtension(self._enforcer, self._settings)]

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> StreamResult:
        """As Strawberry's, which ``subscribe`` and every view use, but a subscription outlives no scope it needs."""
        results = await super().stream(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            operation_extensions,
            allowed_operation_types,
        )

        def lost_since(before: Principal) -> Sequence[GraphQLError]:
            return self.lost(Subscribed(query or "", operation_name, variable_values, before), context_value)

        return while_allowed(results, lambda: self.caller(context_value), lost_since)

    @property
    def finds_caller_elsewhere(self) -> bool:
        """Whether the caller is found by a function of the app's own, and not in the context's request."""
        return self._settings.principal is not caller_of

    def caller(self, context: object) -> Principal | None:
        """Who asks, in a Strawberry context."""
        return self._settings.principal(context)

    def lost(self, subscribed: Subscribed, context: object) -> Sequence[GraphQLError]:
        """Why a running subscription would be decided differently now, as errors; none when it would not."""
        return lost(self.rulebook, self._settings, subscribed, self.caller(context))

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log what went wrong in resolvers, with its traceback and its path.

        What a client did wrong is in its answer. Strawberry would log it too, with the excerpt of the document it
        stands in, and there a password or token may be written out.
        """
        for error in errors:
            fault = error.original_error
            if fault is not None and not isinstance(fault, (GraphQLError, *_FAULTS_OF_REQUESTS)):
                _log.error("a resolver failed at %s", ".".join(map(str, error.path or ())), exc_info=fault)
