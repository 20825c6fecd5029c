"""Strawberry schemas that enforce the scopes written on their fields, Apollo Federation's included.

Strawberry prints Federation's ``@requiresScopes`` and ``@authenticated``; here they are enforced.
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
from spacekey.middleware.access import Requirement
from spacekey.middleware.marks import access_of

from .analysis import Denial
from .decision import ERRORS_MAX, DenialError, Enforcer, cut_error
from .directives import RequiresScopes, carries_rule, directives_on, elements, written_directives
from .execution import ChargingExtension, ScopeExtension, guarded_executor
from .rules import Rulebook, compile_rules, refuse_undeclared, refuse_undeclared_roots, refuse_wrong_public
from .settings import ScopeEnforcement, caller_of
from .subscriptions import Subscribed, lost, while_allowed


def refuse_unconvertible(
    type_name: str, definition: StrawberryObjectDefinition, fields: dict[str, StrawberryField]
) -> None:
    """Raise :class:`RuleError` for what is no directive, and for a resolver that the decorator of routes wraps.

    :param fields: those of the type, by their GraphQL names.
    """
    written_directives(type_name, definition.directives)
    for name, field in fields.items():
        where = f"{type_name}.{name}"
        written_directives(where, field.directives)
        resolver = field.base_resolver
        if resolver is not None and isinstance(access_of(resolver.wrapped_func), Requirement):
            raise RuleError(
                f"{where}: @requires is for routes; on a field write "
                "strawberry.field(directives=[requires_scopes('jobs:read')])"
            )


@contextmanager
def told_plainly() -> Iterator[None]:
    """graphql-core wraps whatever is raised about a type's fields in a TypeError; give our own back."""
    try:
        yield
    except TypeError as error:
        cause = error.__cause__
        while cause is not None and not isinstance(cause, ConfigurationError):
            cause = cause.__cause__
        raise cause or error from None


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


class ScopedFederationSchema(ScopedSchema, federation.Schema):
    """``strawberry.federation.Schema`` with ``scopes``. Federation's own options are those of version 2.11."""

    def _collect_graphql_directives(self, schema_directive_types: Iterable[type]) -> tuple[GraphQLDirective, ...]:
        """As Strawberry's, where our ``@requiresScopes`` and Federation's may stand in one schema.

        They mean the same; of the two definitions the schema has Federation's, which routers know.
        """
        types = list(schema_directive_types)
        if FederationRequiresScopes in types:
            types = [one for one in types if one is not RequiresScopes]
            known = self._schema_graphql_directives
            self._schema_graphql_directives = {**known, RequiresScopes: known[FederationRequiresScopes]}
        return super()._collect_graphql_directives(types)

    def entities_resolver(self, info: Info, representations: list[FederationAny]) -> list[FederationAny]:
        """As Strawberry's, but for nobody a value of a type is made whose own rule they do not satisfy.

        The caller names the types, in the argument, so the selection says nothing about them: else a protected type's
        ``resolve_reference`` would run for whoever selects another type's fields. A denied representation is null, with
        an error at its place.
        """
        names = [_type_named_by(one) for one in representations]  # Strawberry takes them out of the representations
        denials = self._denials(info, names)
        allowed = [one for one, name in zip(representations, names, strict=True) if name not in denials]
        resolved = iter(super().entities_resolver(info, allowed))
        told = 0
        answers: list[FederationAny] = []
        for index, name in enumerate(names):
            denial = denials.get(name or "")
            if denial is None:
                answers.append(next(resolved))
                continue
            path = [*info.path.as_list(), index]
            told += 1
            if told <= ERRORS_MAX:
                caller = self.caller(info.context)
                error: object = DenialError(denial.coordinate, denial.rule, caller, [denial.node], path)
            else:
                error = cut_error() if told == ERRORS_MAX + 1 else None
            answers.append(FederationAny(error))
        return answers

    def _denials(self, info: Info, names: Iterable[str | None]) -> dict[str, Denial]:
        """The named types that the caller may not have, none in a dry run."""
        caller = self.caller(info.context)
        node = info._raw_info.field_nodes[0]
        path = tuple(str(key) for key in info.path.as_list())
        denials = {}
        for name in dict.fromkeys(names):
            rule = self.rulebook.types.get(name or "")
            if name is not None and rule is not None and (caller is None or not rule.allows(caller.scopes)):
                denials[name] = Denial(name, "__typename", rule, (rule,), path, node, certain=True)
        return {} if denials and self._enforcer.only_reports(list(denials.values()), caller) else denials


def _type_named_by(representation: object) -> str | None:
    """The type of a representation; None for what is none, which Strawberry refuses by itself."""
    name = representation.get("__typename") if isinstance(representation, Mapping) else None
    return name if isinstance(name, str) else None


def refuse_unenforced(schema: BaseSchema) -> None:
    """Raise :class:`ConfigurationError` for a rule in a schema that was not built with :class:`ScopedSchema`.

    A plain schema without any rule is nobody's mistake.
    """
    built: object = getattr(schema, "_schema", None)
    if isinstance(schema, ScopedSchema) or not isinstance(built, GraphQLSchema):
        return
    for where, element in elements(built):
        directives = directives_on(where, element)
        if carries_rule(directives) or any(isinstance(one, Policy) for one in directives):
            wanted = "ScopedFederationSchema" if isinstance(schema, federation.Schema) else "ScopedSchema"
            raise ConfigurationError(
                f"{where} has a rule, and {type(schema).__name__} enforces none: build it with {wanted}"
            )
