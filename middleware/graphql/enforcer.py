"""Decides about one operation: who asks, what is denied, and what the mode makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationType

from spacekey.domain.principal import Principal
from spacekey.domain.rule import Rule

from .condition import Conditions
from .denial_error import errors_of
from .enforcement import Mode, ScopeEnforcement, log_denials
from .guarded_document import GuardedDocument, Verdict, guarded_document, refusing_document
from .operation import Operation, pick_operation
from .rulebook import Rulebook
from .walk import Denial, Walk


class Enforcer:
    """A schema's rules and its owner's choices, ready to decide."""

    def __init__(self, rulebook: Rulebook, settings: ScopeEnforcement) -> None:
        self._rulebook = rulebook
        self._settings = settings
        self._mode = Mode(settings.mode)

    def check(
        self, document: DocumentNode, operation_name: str | None, variables: Mapping[str, Any] | None, context: object
    ) -> GuardedDocument:
        """The document as this caller may run it, with the verdict on it.

        :param operation_name: as the request gave it, None when it gave none.
        :param variables: the raw ones of the request.
        :param context: Strawberry's context, from which the caller is read.
        """
        try:
            operation = pick_operation(document, operation_name)
            principal = self._settings.principal(context)
            used: set[str] = set()
            denials = find_denials(
                self._rulebook, operation, variables or {}, principal, self._settings.selections_max, used
            )
        except GraphQLError as error:
            return refusing_document(document, error)
        verdict = self._verdict(operation, denials, principal) if denials else Verdict(principal)
        visit = None if principal is None else self._settings.visit(context)
        if visit is not None:
            visit.operation(None if verdict.errors else frozenset(used))
        return guarded_document(operation, verdict)

    def _verdict(self, operation: Operation, denials: Sequence[Denial], principal: Principal | None) -> Verdict:
        if self.only_reports(denials, principal):
            return Verdict(principal)
        refused = self._refused(operation, denials)
        if refused:
            return Verdict(principal, errors_of(refused, principal))
        return Verdict(principal, denied={(one.type_name, one.field_name): one for one in denials})

    def only_reports(self, denials: Sequence[Denial], principal: Principal | None) -> bool:
        """Tell of denials whoever wants to know; whether nothing else is to become of them."""
        report = self._settings.report or (log_denials if self._mode is Mode.DRY_RUN else None)
        if report is not None:
            report(denials, principal)
        return self._mode is Mode.DRY_RUN

    def _refused(self, operation: Operation, denials: Sequence[Denial]) -> Sequence[Denial]:
        """The denials for which the operation is refused whole; none when it may run."""
        grave = grave_denials(operation, denials)
        kind = operation.definition.operation
        if self._mode is Mode.REJECT or kind is OperationType.MUTATION:
            return grave
        # Nulling the root field of a subscription would be a stream of nothing.
        return grave if kind is OperationType.SUBSCRIPTION and any(len(one.path) == 1 for one in grave) else ()


def grave_denials(operation: Operation, denials: Sequence[Denial]) -> Sequence[Denial]:
    """The denials that are reason enough to refuse an operation whole.

    In a mutation any one: by the time it is known which types its answer has, its effect is there. Else the certain
    ones, and a type that may or may not occur is refused where it does.
    """
    if operation.definition.operation is OperationType.MUTATION:
        return denials
    return [denial for denial in denials if denial.certain]


def find_denials(
    rulebook: Rulebook,
    operation: Operation,
    variables: Mapping[str, Any] | None,
    principal: Principal | None,
    selections_max: int,
    used: set[str] | None = None,
) -> list[Denial]:
    """What ``principal`` may not have of an operation, in the order it is asked for.

    :param used: is given the scopes by which it may have the rest.
    :raises GraphQLError: when the operation is too deep or too large to be checked.
    """

    def allows(rule: Rule) -> bool:
        enough = None if principal is None else rule.enough_of(principal.scopes)
        if enough is not None and used is not None:
            used.update(enough)
        return enough is not None

    root = _root_of(rulebook.schema, operation)
    conditions = Conditions(rulebook.schema, operation.definition, variables)
    walk = Walk(rulebook, operation.fragments, conditions, allows, selections_max)
    if root is not None:
        walk.visit(operation.definition.selection_set, frozenset((root,)), None, 1)
    return list(walk.denials.values())


def _root_of(schema: GraphQLSchema, operation: Operation) -> str | None:
    """The root type's name; None when the schema has none, which the executor refuses by itself."""
    root = schema.get_root_type(operation.definition.operation)
    return None if root is None else root.name
