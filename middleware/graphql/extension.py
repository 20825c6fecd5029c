"""Where the decision is made: when an operation is parsed and valid, and nothing of it has run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from strawberry.extensions import SchemaExtension
from strawberry.types.execution import PreExecutionError

from .charging import charged
from .decision import Enforcer
from .settings import ScopeEnforcement


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
