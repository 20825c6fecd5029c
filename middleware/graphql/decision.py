"""The decision about one operation: who asks, what is denied, and what the mode makes of it.

Its verdict goes with a document made for it, the only kind that the executor runs. That document is a new object around
the nodes of the parsed one, which Strawberry's ParserCache shares between callers and which nobody may change. It holds
the picked operation and the fragments, so nothing else in the document can be run.

A refusal is told as GraphQL errors, with the smallest set of scopes to add and nothing more.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import DocumentNode, FieldNode, GraphQLError, GraphQLSchema, OperationType

from spacekey.domain.principal import Principal
from spacekey.domain.rule import Rule

from .analysis import DENIALS_MAX, Denial, Walk
from .operations import Conditions, Operation, pick_operation
from .rules import Rulebook
from .settings import Mode, ScopeEnforcement, log_denials

INSUFFICIENT_SCOPE = "INSUFFICIENT_SCOPE"
UNAUTHENTICATED = "UNAUTHENTICATED"
DENIALS_CUT = "DENIALS_CUT"
ERRORS_MAX = 100
"""Errors of denials in one answer, event or part of an incremental delivery."""


class DenialError(GraphQLError):
    """A field was asked for and not given. ``extensions`` has ``code``, ``coordinate`` and ``missingScopes``.

    ``missingScopes`` is null when no scope would help, and absent for a caller without credentials.
    """

    def __init__(
        self,
        coordinate: str,
        rule: Rule,
        principal: Principal | None,
        nodes: Iterable[FieldNode],
        path: Iterable[str | int],
    ) -> None:
        extensions: dict[str, object] = {"code": UNAUTHENTICATED, "coordinate": coordinate}
        if principal is None:
            message = f"{coordinate} needs a valid token."
        else:
            missing = rule.missing(principal.scopes)
            extensions["code"] = INSUFFICIENT_SCOPE
            extensions["missingScopes"] = None if missing is None else list(missing)
            message = f"{coordinate} " + (
                f"needs more scopes: {', '.join(missing)}." if missing else "is not open to any token."
            )
        super().__init__(message, list(nodes), path=list(path), extensions=extensions)
        self.coordinate = coordinate


def errors_of(denials: Sequence[Denial], principal: Principal | None) -> tuple[GraphQLError, ...]:
    """One error per denial, in the order given; after :data:`ERRORS_MAX` one that says that there were more."""
    errors: list[GraphQLError] = [
        DenialError(one.coordinate, one.rule, principal, [one.node], one.path) for one in denials[:ERRORS_MAX]
    ]
    return tuple(errors if len(denials) <= ERRORS_MAX else [*errors, cut_error()])


def cut_error() -> GraphQLError:
    """What stands in an answer in the place of all denials after the first :data:`ERRORS_MAX`."""
    message = f"More fields were denied than the {ERRORS_MAX} listed here."
    return GraphQLError(message, extensions={"code": DENIALS_CUT})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided: refuse with ``errors``, or run and null whatever ``denied_by`` gives a rule for.

    ``denied_by`` takes a type's and a field's name and gives the rule that denies it, None where it is allowed. It is
    None itself where nothing of the operation can be denied.
    """

    principal: Principal | None = None
    errors: tuple[GraphQLError, ...] = ()
    denied_by: Callable[[str, str], Rule | None] | None = None


class GuardedDocument(DocumentNode):
    """A document with the verdict on it."""

    verdict: Verdict


# Node classes are named after their kind; to visitors this one is a document like any other.
GuardedDocument.kind = DocumentNode.kind


def guarded_document(operation: Operation, verdict: Verdict) -> GuardedDocument:
    """The operation and its fragments, with the verdict."""
    document = GuardedDocument(definitions=(operation.definition, *operation.fragments.values()))
    document.verdict = verdict
    return document


def refusing_document(document: DocumentNode, error: GraphQLError) -> GuardedDocument:
    """A document that is not run, for ``error``."""
    refused = GuardedDocument(definitions=document.definitions)
    refused.verdict = Verdict(errors=(error,))
    return refused


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
            walk = walked(self._rulebook, operation, variables or {}, principal, self._settings.selections_max)
        except GraphQLError as error:
            return refusing_document(document, error)
        denials = list(walk.denials.values())
        verdict = self._verdict(operation, denials, principal) if denials else Verdict(principal)
        auth = None if principal is None else self._settings.auth(context)
        if auth is not None:
            auth.record_operation(None if verdict.errors else frozenset(walk.used))
        return guarded_document(operation, verdict)

    def _verdict(self, operation: Operation, denials: Sequence[Denial], principal: Principal | None) -> Verdict:
        if self.only_reports(denials, principal):
            return Verdict(principal)
        refused = self._refused(operation, denials)
        if refused:
            return Verdict(principal, errors_of(refused, principal))
        return Verdict(principal, denied_by=Denying(self._rulebook, principal))

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
) -> list[Denial]:
    """All that ``principal`` may not have of an operation, in the order it is asked for.

    :raises GraphQLError: when the operation is too deep or too large to be checked.
    """
    walk = walked(rulebook, operation, variables, principal, selections_max, denials_max=sys.maxsize)
    return list(walk.denials.values())


def walked(
    rulebook: Rulebook,
    operation: Operation,
    variables: Mapping[str, Any] | None,
    principal: Principal | None,
    selections_max: int,
    denials_max: int = DENIALS_MAX,
) -> Walk:
    """The walk over an operation for ``principal``, done.

    :raises GraphQLError: when the operation is too deep or too large to be checked.
    """

    root = _root_of(rulebook.schema, operation)
    conditions = Conditions(rulebook.schema, operation.definition, variables)
    held = None if principal is None else frozenset(principal.scopes)
    walk = Walk(rulebook, operation.fragments, conditions, held, selections_max, denials_max)
    if root is not None:
        walk.run(root, operation.definition.selection_set)
    return walk


class Denying:
    """Tells which coordinates are denied to one caller, each looked up once."""

    def __init__(self, rulebook: Rulebook, principal: Principal | None) -> None:
        self._fields = rulebook.fields
        self._principal = principal
        self._known: dict[tuple[str, str], Rule | None] = {}

    def __call__(self, type_name: str, field_name: str) -> Rule | None:
        """The rule that denies the field; None where it is allowed, and for introspection."""
        key = (type_name, field_name)
        if key not in self._known:
            entry = self._fields.get(type_name, {}).get(field_name)
            rule = None if entry is None else entry.rule
            allowed = rule is None or (self._principal is not None and rule.allows(self._principal.scopes))
            self._known[key] = None if allowed else rule
        return self._known[key]


def _root_of(schema: GraphQLSchema, operation: Operation) -> str | None:
    """The root type's name; None when the schema has none, which the executor refuses by itself."""
    root = schema.get_root_type(operation.definition.operation)
    return None if root is None else root.name
