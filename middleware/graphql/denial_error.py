"""The GraphQL errors of a refusal, saying the smallest set of scopes to add and nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphql import FieldNode, GraphQLError

from spacekey.domain.principal import Principal
from spacekey.domain.rule import Rule

from .analysis import Denial

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
