"""The decision about one operation: its caller, the denials, and what the settings make of them.

The verdict is attached to a checked document, the only kind that the executor runs. It is a new object around the nodes
of the parsed document, which Strawberry's ParserCache shares between callers and which must not be changed. It holds
the picked operation and the fragments, so nothing else in the document can run.

A refusal becomes GraphQL errors that name the smallest set of scopes to add, and nothing more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import DocumentNode, FieldNode, GraphQLError, OperationType

from spacekey.domain.principal import Principal
from spacekey.domain.rule import Rule

from .analysis import Denial, analyze_operation
from .operations import Operation, pick_operation
from .rules import Rulebook
from .settings import ScopeEnforcement, log_denials

INSUFFICIENT_SCOPE = "INSUFFICIENT_SCOPE"
"""``code`` of a denial to a caller that is known."""

log = logging.getLogger("spacekey.middleware")

NOT_READ = (
    "a GraphQL operation was denied, and nothing has looked for its token: its route has no rule, or is public; "
    "declare it optional, such as TokenMiddleware(rules={('*', '/graphql'): optional})"
)

UNAUTHENTICATED = "UNAUTHENTICATED"
"""``code`` of a denial to a caller without valid credentials."""

DENIALS_CUT = "DENIALS_CUT"
ERRORS_MAX = 100
"""Errors of denials in one answer, event or part of an incremental delivery."""


class DenialError(GraphQLError):
    """Denial of a field. ``extensions`` has ``code``, ``coordinate`` and ``missingScopes``.

    ``missingScopes`` is null if no scope would help, and absent for an anonymous caller.
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


def denial_errors(denials: Sequence[Denial], principal: Principal | None) -> tuple[GraphQLError, ...]:
    """Return one error per denial, in order; after :data:`ERRORS_MAX` one that says that there were more."""
    errors: list[GraphQLError] = [
        DenialError(one.coordinate, one.rule, principal, [one.node], one.path) for one in denials[:ERRORS_MAX]
    ]
    return tuple(errors if len(denials) <= ERRORS_MAX else [*errors, more_denials_error()])


def more_denials_error() -> GraphQLError:
    """Return the error that stands for all denials after the first :data:`ERRORS_MAX`."""
    message = f"More fields were denied than the {ERRORS_MAX} listed here."
    return GraphQLError(message, extensions={"code": DENIALS_CUT})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Decision about an operation: refuse it with ``errors``, or run it and null the fields that ``denied_by`` denies.

    ``denied_by`` takes the names of a type and a field and returns the rule that denies the field, or None if it is
    allowed. It is None itself if no field of the operation can be denied.
    """

    principal: Principal | None = None
    errors: tuple[GraphQLError, ...] = ()
    denied_by: Callable[[str, str], Rule | None] | None = None


class CheckedDocument(DocumentNode):
    """Document with the verdict on it."""

    verdict: Verdict


# Node classes are named after their kind; to visitors this one is a document like any other.
CheckedDocument.kind = DocumentNode.kind


def checked_document(operation: Operation, verdict: Verdict) -> CheckedDocument:
    """Make a document of the operation and its fragments, with the verdict."""
    document = CheckedDocument(definitions=(operation.definition, *operation.fragments.values()))
    document.verdict = verdict
    return document


def refused_document(document: DocumentNode, error: GraphQLError) -> CheckedDocument:
    """Make a document that is not run but answered with ``error``."""
    refused = CheckedDocument(definitions=document.definitions)
    refused.verdict = Verdict(errors=(error,))
    return refused


class Decider:
    """Decides about operations by the rules of a schema and the settings of its owner."""

    def __init__(self, rulebook: Rulebook, settings: ScopeEnforcement) -> None:
        self._rulebook = rulebook
        self._settings = settings
        self._on_denied = settings.on_denied
        self._has_told = False

    def decide(
        self, document: DocumentNode, operation_name: str | None, variables: Mapping[str, Any] | None, context: object
    ) -> CheckedDocument:
        """Check a document for the caller and return it with the verdict.

        :param operation_name: the name in the request, if any.
        :param variables: the raw variables of the request.
        :param context: Strawberry's context, from which the caller is read.
        """
        try:
            operation = pick_operation(document, operation_name)
            principal = self._settings.principal(context)
            selections_max = self._settings.selections_max
            analysis = analyze_operation(self._rulebook, operation, variables or {}, principal, selections_max)
        except GraphQLError as error:
            return refused_document(document, error)
        denials = list(analysis.denials.values())
        verdict = self._verdict(operation, denials, principal) if denials else Verdict(principal)
        auth = None if principal is None and not denials else self._settings.auth(context)
        if auth is not None and principal is None and auth.result is None and not self._has_told:
            self._has_told = True
            log.warning(NOT_READ)
        elif auth is not None and principal is not None:
            auth.record_operation(None if verdict.errors else frozenset(analysis.used_scopes))
        return checked_document(operation, verdict)

    def _verdict(self, operation: Operation, denials: Sequence[Denial], principal: Principal | None) -> Verdict:
        if self.report_denials(denials, principal):
            return Verdict(principal)
        decisive = self._decisive(operation, denials)
        if decisive:
            return Verdict(principal, denial_errors(decisive, principal))
        return Verdict(principal, denied_by=DenialLookup(self._rulebook, principal))

    def report_denials(self, denials: Sequence[Denial], principal: Principal | None) -> bool:
        """Call the report. Return whether denials are only logged."""
        report = self._settings.report or (log_denials if self._on_denied == "log" else None)
        if report is not None:
            report(denials, principal)
        return self._on_denied == "log"

    def _decisive(self, operation: Operation, denials: Sequence[Denial]) -> Sequence[Denial]:
        """Return the denials for which the whole operation is refused; empty if it may run."""
        decisive = decisive_denials(operation, denials)
        kind = operation.definition.operation
        if self._on_denied == "reject" or kind is OperationType.MUTATION:
            return decisive
        # A subscription whose root field is null would never send a value.
        return decisive if kind is OperationType.SUBSCRIPTION and any(len(one.path) == 1 for one in decisive) else ()


def decisive_denials(operation: Operation, denials: Sequence[Denial]) -> Sequence[Denial]:
    """Return the denials for which an operation is refused as a whole.

    For a mutation these are all of them: when the types of its result are known, it has taken effect. For others they
    are the certain ones; a type that may or may not occur is denied where it does.
    """
    if operation.definition.operation is OperationType.MUTATION:
        return denials
    return [denial for denial in denials if denial.certain]


class DenialLookup:
    """Rules that deny fields to one caller, each looked up once."""

    def __init__(self, rulebook: Rulebook, principal: Principal | None) -> None:
        self._fields = rulebook.fields
        self._principal = principal
        self._known: dict[tuple[str, str], Rule | None] = {}

    def __call__(self, type_name: str, field_name: str) -> Rule | None:
        """Return the rule that denies the field; None if it is allowed, and for introspection."""
        key = (type_name, field_name)
        if key not in self._known:
            entry = self._fields.get(type_name, {}).get(field_name)
            rule = None if entry is None else entry.rule
            allowed = rule is None or (self._principal is not None and rule.allows(self._principal.scopes))
            self._known[key] = None if allowed else rule
        return self._known[key]
