"""The GraphQL errors of a refusal: one per coordinate, saying the smallest set of scopes to add and nothing more."""

from __future__ import annotations

from collections.abc import Iterable

from graphql import FieldNode, GraphQLError

from spacekey.domain.principal import Principal

from .walk import Denial

INSUFFICIENT_SCOPE = "INSUFFICIENT_SCOPE"
UNAUTHENTICATED = "UNAUTHENTICATED"
ERRORS_MAX = 100


class DenialError(GraphQLError):
    """A field was asked for and not given. ``extensions`` has ``code``, ``coordinate`` and ``missingScopes``.

    ``missingScopes`` is null when no scope would help, and absent for a caller without credentials.
    """

    def __init__(
        self, denial: Denial, principal: Principal | None, nodes: Iterable[FieldNode], path: Iterable[str | int]
    ) -> None:
        extensions: dict[str, object] = {"code": UNAUTHENTICATED, "coordinate": denial.coordinate}
        if principal is None:
            message = f"{denial.coordinate} needs a valid token."
        else:
            missing = denial.rule.missing(principal.scopes)
            extensions["code"] = INSUFFICIENT_SCOPE
            extensions["missingScopes"] = None if missing is None else list(missing)
            message = f"{denial.coordinate} " + (
                f"needs more scopes: {', '.join(missing)}." if missing else "is not open to any token."
            )
        super().__init__(message, list(nodes), path=list(path), extensions=extensions)
        self.coordinate = denial.coordinate


def errors_of(denials: Iterable[Denial], principal: Principal | None) -> tuple[DenialError, ...]:
    """One error per denial, in the order given, at most :data:`ERRORS_MAX`."""
    first = list(denials)[:ERRORS_MAX]
    return tuple(DenialError(denial, principal, [denial.node], denial.path) for denial in first)
