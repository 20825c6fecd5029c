"""Parts of Strawberry's execution: an extension that decides and charges, and an executor that enforces the decision.

The decision is made when an operation is parsed and valid, before any of it runs. The executor puts null in the place
of a denied field, before its resolver is called. It knows the concrete type of a value, and so settles what the
analysis could not know: which of several types a value has. If nothing is denied the plain executor runs, and an
allowed operation costs nothing more per value.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, ClassVar

from graphql import DocumentNode, GraphQLError, GraphQLObjectType, GraphQLSchema, is_non_null_type
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as StrawberryExecutor
from strawberry.types.execution import PreExecutionError

from spacekey.domain.errors import ConfigurationError
from spacekey.middleware.argument_checks import places_of
from spacekey.middleware.limits.limiter import Decision, retry_after

from .decision import ERRORS_MAX, CheckedDocument, Decider, DenialError, Verdict, more_denials_error, refused_document
from .operations import pick_operation
from .settings import ScopeEnforcement

RATE_LIMITED = "RATE_LIMITED"
"""``code`` of an operation that costs more than is left of the token's limit."""

COST_UNKNOWN = "COST_UNKNOWN"
_COST_UNKNOWN_MESSAGE = "The cost of this operation cannot be determined, so it was not run. Check its variables."

_log = logging.getLogger("spacekey.middleware")


class RateLimitedError(GraphQLError):
    """Refusal of an operation that costs more than is left. ``extensions`` has ``code`` and ``retryAfterSeconds``.

    ``retryAfterSeconds`` is null if the operation costs more than the limit allows at once.
    """

    def __init__(self, decision: Decision) -> None:
        seconds = retry_after(decision)
        message = (
            "The operation costs more at once than the token's limit allows."
            if seconds is None
            else "The token has made too many requests. Try again later."
        )
        super().__init__(message, extensions={"code": RATE_LIMITED, "retryAfterSeconds": seconds})


async def charge_operation(
    settings: ScopeEnforcement, document: DocumentNode | None, variables: Mapping[str, Any], context: object
) -> CheckedDocument | None:
    """Charge the cost of an operation to its token's limit, before it runs.

    :param document: the checked document; a refused one is not charged.
    :param context: Strawberry's context, from which the RequestAuth is read.
    :returns: None if the operation may run, else a document that is refused for its cost.
    """
    auth = settings.auth(context)
    if settings.cost is None or auth is None or not isinstance(document, CheckedDocument) or document.verdict.errors:
        return None
    try:
        cost = settings.cost(pick_operation(document, None), variables)
        if type(cost) is not int:
            raise TypeError(f"cost gave a {type(cost).__name__}")
    except Exception as error:  # noqa: BLE001 - a client must not get an operation free by variables that break it
        _log.error("the cost of an operation failed with %s", places_of(error))
        return refused_document(document, GraphQLError(_COST_UNKNOWN_MESSAGE, extensions={"code": COST_UNKNOWN}))
    decision = await auth.charge_operation(max(cost, 1))
    return None if decision is None or decision.allowed else refused_document(document, RateLimitedError(decision))


class _DecisionExtension(SchemaExtension):
    """Extension that replaces the parsed document by the checked one.

    It must be the last extension, so that no other can replace the document or set a result after it. A refusal is set
    as the result, an error before execution with every denied coordinate. A subscription ignores that result; for it
    the executor returns the errors, because it does not run a refused document.
    """

    def __init__(self, decider: Decider) -> None:
        super().__init__()
        self._decider = decider

    def decide(self) -> None:
        """Replace the document, and set the result of a refused operation."""
        context = self.execution_context
        if context.graphql_document is not None:
            # ExecutionContext.operation_name falls back to the name of the first operation.
            name = context._provided_operation_name
            checked = self._decider.decide(context.graphql_document, name, context.variables, context.context)
            context.graphql_document = checked
            if checked.verdict.errors:
                context.result = PreExecutionError(data=None, errors=list(checked.verdict.errors))
            elif checked.verdict.denied_by is not None:
                # A result that another extension prepared was not made for this caller.
                context.result = None


class ScopeExtension(_DecisionExtension):
    """Extension that decides, in synchronous execution too."""

    def on_execute(self) -> Iterator[None]:
        """Decide before execution."""
        self.decide()
        yield


class ChargingExtension(_DecisionExtension):
    """Extension that decides, and charges the operations that may run."""

    def __init__(self, decider: Decider, settings: ScopeEnforcement) -> None:
        super().__init__(decider)
        self._settings = settings

    async def on_execute(self) -> AsyncIterator[None]:
        """Decide and charge before execution."""
        self.decide()
        context = self.execution_context
        refused = await charge_operation(
            self._settings, context.graphql_document, context.variables or {}, context.context
        )
        if refused is not None:
            context.graphql_document = refused
            context.result = PreExecutionError(data=None, errors=list(refused.verdict.errors))
        yield


class ScopedExecutor(StrawberryExecutor):
    """Executor of a schema with scopes, made for one executor class by :func:`scoped_executor`."""

    plain: ClassVar[type[StrawberryExecutor]] = StrawberryExecutor
    verdict: Verdict
    denial_count: int
    """Denials in the answer so far."""

    @classmethod
    def build(cls, schema: GraphQLSchema, document: DocumentNode, *args: Any, **kwargs: Any) -> Any:
        """Build an executor for a checked document, or return the errors. An unchecked document never runs."""
        if not isinstance(document, CheckedDocument):
            return [GraphQLError("The operation was not checked for the scopes it needs.")]
        verdict = document.verdict
        if verdict.errors:
            return list(verdict.errors)
        if verdict.denied_by is None:
            return cls.plain.build(schema, document, *args, **kwargs)
        executor = super().build(schema, document, *args, **kwargs)
        if isinstance(executor, ScopedExecutor):
            executor.verdict = verdict
            executor.denial_count = 0
        return executor

    def execute_field(
        self, parent_type: GraphQLObjectType, source: Any, field_details_list: Any, path: Any, position_context: Any
    ) -> Any:
        """Execute a field; a denied one is an error at its path, and null propagates as the field's type demands."""
        nodes = [details.node for details in field_details_list]
        name = nodes[0].name.value
        rule = None if self.verdict.denied_by is None else self.verdict.denied_by(parent_type.name, name)
        if rule is None:
            return super().execute_field(parent_type, source, field_details_list, path, position_context)
        # A denied field has a rule, and so the schema has it.
        return_type = self.schema.get_field(parent_type, name).type  # type: ignore[union-attr]
        if self.denial_count > ERRORS_MAX and not is_non_null_type(return_type):
            return None  # thousands of further denials cost nothing
        error = DenialError(f"{parent_type.name}.{name}", rule, self.verdict.principal, nodes, path.as_list())
        self.handle_field_error(error, return_type, field_details_list, path)
        return None

    def handle_field_error(self, raw_error: Exception, *args: Any, **kwargs: Any) -> None:
        """Collect an error; of denials the first :data:`ERRORS_MAX`, and one error that stands for all others."""
        super().handle_field_error(raw_error, *args, **kwargs)
        errors = self.collected_errors.errors
        if isinstance(raw_error, DenialError) and errors and errors[-1] is raw_error:
            self.denial_count += 1
            if self.denial_count > ERRORS_MAX:
                errors.pop()
            if self.denial_count == ERRORS_MAX + 1:
                errors.append(more_denials_error())

    def build_per_event_executor(self, payload: Any) -> Any:
        """Build the executor of one event, which counts its own denials."""
        executor = super().build_per_event_executor(payload)
        if isinstance(executor, ScopedExecutor):
            executor.denial_count = 0
        return executor

    def create_sub_executor(self, *args: Any, **kwargs: Any) -> Any:
        """Create the executor of one part of an incremental delivery, which counts its own denials."""
        executor = super().create_sub_executor(*args, **kwargs)
        if isinstance(executor, ScopedExecutor):
            executor.denial_count = 0
        return executor


def scoped_executor(plain: type[Any]) -> type[ScopedExecutor]:
    """Make the enforcing subclass of a schema's executor class.

    :raises ConfigurationError: if ``plain`` does not extend Strawberry's own.
    """
    if not issubclass(plain, StrawberryExecutor):
        raise ConfigurationError(f"execution_context_class {plain.__name__} must extend {StrawberryExecutor.__name__}")
    return type(f"Scoped{plain.__name__}", (ScopedExecutor, plain), {"plain": plain})
