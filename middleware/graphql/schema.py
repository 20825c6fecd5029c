"""Strawberry schemas that enforce the scopes declared on their fields, for Apollo Federation too.

Strawberry only prints Federation's ``@requiresScopes`` and ``@authenticated``; these schemas enforce them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypedDict, Unpack

import strawberry
from graphql import GraphQLDirective, GraphQLError, GraphQLSchema
from strawberry import federation
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import SchemaExtension
from strawberry.federation.schema import FederationAny
from strawberry.federation.schema_directives import Policy
from strawberry.federation.schema_directives import RequiresScopes as FederationRequiresScopes
from strawberry.schema import BaseSchema
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.schema import StreamResult
from strawberry.types import ExecutionContext
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField
from strawberry.types.graphql import OperationType
from strawberry.types.info import Info

from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.principal import Principal
from spacekey.middleware.rules.marks import access_of
from spacekey.middleware.rules.requirement import Requirement

from .analysis import Denial
from .decision import ERRORS_MAX, Decider, DenialError, more_denials_error
from .directives import RequiresScopes, directives_on, has_rule, read_directives, schema_elements
from .execution import ChargingExtension, ScopeExtension, scoped_executor
from .rules import Rulebook, check_public, check_undeclared, check_undeclared_roots, compile_rules
from .settings import ScopeEnforcement, caller_of
from .subscriptions import SubscriptionRequest, end_when_revoked, revoked_fields

_REQUEST_ERRORS = (CannotGetOperationTypeError, InvalidOperationTypeError, MissingQueryError)
"""Exceptions that Strawberry raises for a request without an operation that can run."""

_log = logging.getLogger("strawberry.execution")


class SchemaOptions(TypedDict, total=False):
    """Arguments of ``strawberry.Schema`` besides the root types."""

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

    :param query: the root type of queries.
    :param mutation: the root type of mutations, if there are any.
    :param subscription: the root type of subscriptions, if there are any.
    :param scopes: how to enforce; by default an operation that selects a denied field is refused.
    :param options: those of ``strawberry.Schema``.
    :raises ConfigurationError: if a rule, or the absence of one, is a mistake; the message names the coordinate.
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
        with unwrap_configuration_errors():
            super().__init__(query=query, mutation=mutation, subscription=subscription, **options)
        settings = scopes or ScopeEnforcement()
        self.rulebook: Rulebook = compile_rules(
            self._schema, known_scopes=settings.known_scopes, ignore_policy=settings.ignore_policy
        )
        check_public(self.rulebook, settings.public)
        if settings.fail_on_undeclared == "roots":
            check_undeclared_roots(self.rulebook, settings.public)
        elif settings.fail_on_undeclared:
            check_undeclared(self.rulebook, settings.public)
        self._settings = settings
        self._decider = Decider(self.rulebook, settings)
        self.execution_context_class = scoped_executor(self.execution_context_class)

    def get_fields(self, type_definition: StrawberryObjectDefinition) -> list[StrawberryField]:
        """Return the fields of a type, after checking that their rules can be read."""
        fields = super().get_fields(type_definition)
        names = self.config.name_converter
        by_name = {names.get_graphql_name(field): field for field in fields}
        check_fields(names.from_type(type_definition), type_definition, by_name)
        return fields

    def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:
        """Return the extensions of one operation, ours last."""
        if self._settings.cost is None or sync:
            return [*super().get_extensions(sync), ScopeExtension(self._decider)]
        return [*super().get_extensions(sync), ChargingExtension(self._decider, self._settings)]

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
        """Stream results as Strawberry does, but end a subscription when its caller loses a scope that it needs.

        ``subscribe`` and every view use this method.
        """
        results = await super().stream(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            operation_extensions,
            allowed_operation_types,
        )

        def revoked_since(before: Principal) -> Sequence[GraphQLError]:
            return self.revoked_fields(
                SubscriptionRequest(query or "", operation_name, variable_values, before), context_value
            )

        return end_when_revoked(results, lambda: self.caller(context_value), revoked_since)

    @property
    def has_custom_principal(self) -> bool:
        """Whether the app finds the caller itself, instead of by the default, in the context's request."""
        return self._settings.principal is not caller_of

    def caller(self, context: object) -> Principal | None:
        """Return the caller, from a Strawberry context."""
        return self._settings.principal(context)

    def revoked_fields(self, request: SubscriptionRequest, context: object) -> Sequence[GraphQLError]:
        """Return the errors of fields that a running subscription was allowed and would be denied now."""
        return revoked_fields(self.rulebook, self._settings, request, self.caller(context))

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log the exceptions of resolvers, with traceback and path.

        The client's own mistakes are in the answer. Strawberry would log them too, with an excerpt of the document,
        which may contain a password or token.
        """
        for error in errors:
            cause = error.original_error
            if cause is not None and not isinstance(cause, (GraphQLError, *_REQUEST_ERRORS)):
                _log.error("a resolver failed at %s", ".".join(map(str, error.path or ())), exc_info=cause)


class ScopedFederationSchema(ScopedSchema, federation.Schema):
    """``strawberry.federation.Schema`` with ``scopes``, for the options of Federation version 2.11."""

    def _collect_graphql_directives(self, schema_directive_types: Iterable[type]) -> tuple[GraphQLDirective, ...]:
        """Collect the directives as Strawberry does, where our ``@requiresScopes`` may stand beside Federation's.

        They mean the same; of the two definitions the schema has Federation's, which routers know.
        """
        types = list(schema_directive_types)
        if FederationRequiresScopes in types:
            types = [one for one in types if one is not RequiresScopes]
            known = self._schema_graphql_directives
            self._schema_graphql_directives = {**known, RequiresScopes: known[FederationRequiresScopes]}
        return super()._collect_graphql_directives(types)

    def entities_resolver(self, info: Info, representations: list[FederationAny]) -> list[FederationAny]:
        """Resolve entities as Strawberry does, but only those of types whose own rule the caller satisfies.

        The caller names the types in the argument, and the selection need not name them: without this check, a
        protected type's ``resolve_reference`` would run for a caller who selects the fields of another type. A denied
        representation is null, with an error at its index.
        """
        names = [_type_name_of(one) for one in representations]  # Strawberry removes them from the representations
        denials = self._entity_denials(info, names)
        allowed = [one for one, name in zip(representations, names, strict=True) if name not in denials]
        resolved = iter(super().entities_resolver(info, allowed))
        denied_count = 0
        answers: list[FederationAny] = []
        for index, name in enumerate(names):
            denial = denials.get(name or "")
            if denial is None:
                answers.append(next(resolved))
                continue
            path = [*info.path.as_list(), index]
            denied_count += 1
            if denied_count <= ERRORS_MAX:
                caller = self.caller(info.context)
                error: object = DenialError(denial.coordinate, denial.rule, caller, [denial.node], path)
            else:
                error = more_denials_error() if denied_count == ERRORS_MAX + 1 else None
            answers.append(FederationAny(error))
        return answers

    def _entity_denials(self, info: Info, names: Iterable[str | None]) -> dict[str, Denial]:
        """Return the denials of the named types by name, after reporting them; empty in a dry run."""
        caller = self.caller(info.context)
        node = info._raw_info.field_nodes[0]
        path = tuple(str(key) for key in info.path.as_list())
        denials = {}
        for name in dict.fromkeys(names):
            rule = self.rulebook.types.get(name or "")
            if name is not None and rule is not None and (caller is None or not rule.allows(caller.scopes)):
                denials[name] = Denial(name, "__typename", rule, (rule,), path, node, certain=True)
        return {} if denials and self._decider.report_denials(list(denials.values()), caller) else denials


def _type_name_of(representation: object) -> str | None:
    """Return the type's name in a representation; None for a malformed one, which Strawberry refuses by itself."""
    name = representation.get("__typename") if isinstance(representation, Mapping) else None
    return name if isinstance(name, str) else None


def check_enforced(schema: BaseSchema) -> None:
    """Check that a schema with rules is a :class:`ScopedSchema`. A plain schema without rules is allowed.

    :raises ConfigurationError: names an element with a rule that the plain schema would not enforce.
    """
    built: object = getattr(schema, "_schema", None)
    if isinstance(schema, ScopedSchema) or not isinstance(built, GraphQLSchema):
        return
    for where, element in schema_elements(built):
        directives = directives_on(where, element)
        if has_rule(directives) or any(isinstance(one, Policy) for one in directives):
            wanted = "ScopedFederationSchema" if isinstance(schema, federation.Schema) else "ScopedSchema"
            raise ConfigurationError(
                f"{where} has a rule, and {type(schema).__name__} does not enforce it: build it with {wanted}"
            )


def check_fields(type_name: str, definition: StrawberryObjectDefinition, fields: dict[str, StrawberryField]) -> None:
    """Check a type's fields while Strawberry converts it: a moment later it fails itself, without naming a cure.

    :param fields: the fields of the type, by their GraphQL names.
    :raises RuleError: for a directive of the wrong type, and for a resolver with the decorator of routes.
    """
    read_directives(type_name, definition.directives)
    for name, field in fields.items():
        where = f"{type_name}.{name}"
        read_directives(where, field.directives)
        resolver = field.base_resolver
        if resolver is not None and isinstance(access_of(resolver.wrapped_func), Requirement):
            raise RuleError(
                f"{where}: @requires is for routes; on a field write "
                "strawberry.field(directives=[requires_scopes('jobs:read')])"
            )


@contextmanager
def unwrap_configuration_errors() -> Iterator[None]:
    """Raise our own error instead of the TypeError in which graphql-core wraps errors about a type's fields."""
    try:
        yield
    except TypeError as error:
        cause = error.__cause__
        while cause is not None and not isinstance(cause, ConfigurationError):
            cause = cause.__cause__
        raise cause or error from None
