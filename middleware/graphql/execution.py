"""The decision within Strawberry's execution: an extension that decides and charges, and an executor that enforces.

The decision is made when an operation is parsed and valid, and nothing of it has run. The executor puts null where the
verdict says so, before any resolver is called. A field is refused where its concrete type really occurs, so what the
analysis could not know (which of several types a value has) is settled there. When nothing is denied the plain executor
runs: an allowed operation pays nothing per value.
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
from spacekey.middleware.limits import Decision
from spacekey.middleware.limits.decision import retry_after
from spacekey.middleware.settings import places_of

from .decision import ERRORS_MAX, DenialError, Enforcer, GuardedDocument, Verdict, cut_error, refusing_document
from .operations import pick_operation
from .settings import ScopeEnforcement

RATE_LIMITED = "RATE_LIMITED"
COST_UNKNOWN = "COST_UNKNOWN"
_UNKNOWN = "What this operation costs cannot be told, so it does not run. Look at its variables."

log = logging.getLogger("spacekey.middleware")


class RateLimitedError(GraphQLError):
    """The operation costs more than is left. ``extensions`` has ``code`` and ``retryAfterSeconds``.

    ``retryAfterSeconds`` is null when the operation costs more than the limit allows at once.
    """

    def __init__(self, decision: Decision) -> None:
        seconds = retry_after(decision)
        message = (
            "The operation costs more at once than the token's limit allows."
            if seconds is None
            else "The token has made too many requests. Try again later."
        )
        super().__init__(message, extensions={"code": RATE_LIMITED, "retryAfterSeconds": seconds})


async def charged(
    settings: ScopeEnforcement, document: DocumentNode | None, variables: Mapping[str, Any], context: object
) -> GuardedDocument | None:
    """Charge the operation that was decided to run. None lets it; else a document that is not run.

    :param document: as the enforcer left it; one that it refuses is not charged.
    :param context: Strawberry's context, from which the caller is read.
    """
    auth = settings.auth(context)
    if settings.cost is None or auth is None or not isinstance(document, GuardedDocument) or document.verdict.errors:
        return None
    try:
        cost = settings.cost(pick_operation(document, None), variables)
        if type(cost) is not int:
            raise TypeError(f"cost gave a {type(cost).__name__}")
    except Exception as error:  # noqa: BLE001 - variables are the client's, and one that breaks it must not be free
        log.error("the cost of an operation failed with %s", places_of(error))
        return refusing_document(document, GraphQLError(_UNKNOWN, extensions={"code": COST_UNKNOWN}))
    decision = await auth.charge_operation(max(cost, 1))
    return None if decision is None or decision.allowed else refusing_document(document, RateLimitedError(decision))


class _Deciding(SchemaExtension):
    """Puts the checked document in the place of the parsed one.

    It must be the last extension, so that nobody can exchange the document or prepare a result after it. A refusal is
    set as the result, which makes it an error before execution, for every coordinate at once; a subscription ignores
    that result and learns of the refusal from the executor, which does not run what the verdict refuses.
    """

    def __init__(self, enforcer: Enforcer) -> None:
        super().__init__()
        self._enforcer = enforcer

    def decide(self) -> None:
        """Decide, before anything is executed."""
        context = self.execution_context
        if context.graphql_document is not None:
            # ExecutionContext.operation_name falls back to the first operation's; the request's own name is wanted.
            name = context._provided_operation_name
            guarded = self._enforcer.check(context.graphql_document, name, context.variables, context.context)
            context.graphql_document = guarded
            if guarded.verdict.errors:
                context.result = PreExecutionError(data=None, errors=list(guarded.verdict.errors))
            elif guarded.verdict.denied_by is not None:
                # A result that another extension prepared was not made for this caller.
                context.result = None


class ScopeExtension(_Deciding):
    """Decides."""

    def on_execute(self) -> Iterator[None]:
        """Decide, before anything is executed."""
        self.decide()
        yield


class ChargingExtension(_Deciding):
    """Decides, and charges what may run."""

    def __init__(self, enforcer: Enforcer, settings: ScopeEnforcement) -> None:
        super().__init__(enforcer)
        self._settings = settings

    async def on_execute(self) -> AsyncIterator[None]:
        """Decide and charge, before anything is executed."""
        self.decide()
        context = self.execution_context
        refused = await charged(self._settings, context.graphql_document, context.variables or {}, context.context)
        if refused is not None:
            context.graphql_document = refused
            context.result = PreExecutionError(data=None, errors=list(refused.verdict.errors))
        yield


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
