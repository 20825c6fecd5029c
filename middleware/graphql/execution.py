"""Runs a checked operation, and puts null where the verdict says so, before any resolver is called.

A field is refused where its concrete type really occurs, so what the walk could not know (which of several types a
value has) is settled here. When nothing is denied the plain executor runs: an allowed operation pays nothing per value.
"""

from __future__ import annotations

from typing import Any, ClassVar

from graphql import DocumentNode, GraphQLError, GraphQLObjectType, GraphQLSchema, is_non_null_type
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as StrawberryExecutor

from spacekey.domain.errors import ConfigurationError

from .denial_error import ERRORS_MAX, DenialError, cut_error
from .guarded_document import GuardedDocument, Verdict


class GuardedExecutor(StrawberryExecutor):
    """The executor of a schema with scopes. Made for one executor class by :func:`guarded_executor`."""

    plain: ClassVar[type[StrawberryExecutor]] = StrawberryExecutor
    verdict: Verdict
    told: int
    """Denials in the answer so far."""

    @classmethod
    def build(cls, schema: GraphQLSchema, document: DocumentNode, *args: Any, **kwargs: Any) -> Any:
        """An executor for a checked document, or the errors of its refusal. An unchecked document never runs."""
        if not isinstance(document, GuardedDocument):
            return [GraphQLError("The operation was not checked for the scopes it needs.")]
        verdict = document.verdict
        if verdict.errors:
            return list(verdict.errors)
        if verdict.denied_by is None:
            return cls.plain.build(schema, document, *args, **kwargs)
        executor = super().build(schema, document, *args, **kwargs)
        if isinstance(executor, GuardedExecutor):
            executor.verdict = verdict
            executor.told = 0
        return executor

    def execute_field(
        self, parent_type: GraphQLObjectType, source: Any, field_details_list: Any, path: Any, position_context: Any
    ) -> Any:
        """As usual, but a denied field is an error at its path, and null or bubbling as its type says."""
        nodes = [details.node for details in field_details_list]
        name = nodes[0].name.value
        rule = None if self.verdict.denied_by is None else self.verdict.denied_by(parent_type.name, name)
        if rule is None:
            return super().execute_field(parent_type, source, field_details_list, path, position_context)
        # A field that the schema lacks was not looked up in the rules, so a denied one is always there.
        return_type = self.schema.get_field(parent_type, name).type  # type: ignore[union-attr]
        if self.told > ERRORS_MAX and not is_non_null_type(return_type):
            return None  # the next thousand values cost nothing
        error = DenialError(f"{parent_type.name}.{name}", rule, self.verdict.principal, nodes, path.as_list())
        self.handle_field_error(error, return_type, field_details_list, path)
        return None

    def handle_field_error(self, raw_error: Exception, *args: Any, **kwargs: Any) -> None:
        """Collect the error that made a null; after the first :data:`ERRORS_MAX` denials one that says so."""
        super().handle_field_error(raw_error, *args, **kwargs)
        errors = self.collected_errors.errors
        if isinstance(raw_error, DenialError) and errors and errors[-1] is raw_error:
            self.told += 1
            if self.told > ERRORS_MAX:
                errors.pop()
            if self.told == ERRORS_MAX + 1:
                errors.append(cut_error())

    def build_per_event_executor(self, payload: Any) -> Any:
        """Each event of a subscription reports its own errors."""
        executor = super().build_per_event_executor(payload)
        if isinstance(executor, GuardedExecutor):
            executor.told = 0
        return executor

    def create_sub_executor(self, *args: Any, **kwargs: Any) -> Any:
        """Each part of an incremental delivery reports its own errors."""
        executor = super().create_sub_executor(*args, **kwargs)
        if isinstance(executor, GuardedExecutor):
            executor.told = 0
        return executor


def guarded_executor(plain: type[Any]) -> type[GuardedExecutor]:
    """The guarded form of the executor class a schema was given.

    :raises ConfigurationError: when ``plain`` does not extend Strawberry's own.
    """
    if not issubclass(plain, StrawberryExecutor):
        raise ConfigurationError(f"execution_context_class {plain.__name__} must extend {StrawberryExecutor.__name__}")
    return type(f"Guarded{plain.__name__}", (GuardedExecutor, plain), {"plain": plain})
