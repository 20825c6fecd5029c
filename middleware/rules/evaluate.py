"""Decide whether a principal satisfies a route's requirement. Nothing is awaited, logged or sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from spacekey.domain.principal import Kind, Principal

from .requirement import Requirement


class DenialReason(Enum):
    """Reason why a principal does not satisfy a requirement."""

    ENVIRONMENT = "environment"
    SCOPES = "scopes"
    SPACE = "space"


@dataclass(frozen=True, slots=True)
class Allowed:
    """Decision that the principal satisfies the requirement."""


@dataclass(frozen=True, slots=True)
class Denied:
    """Decision that the principal does not satisfy the requirement.

    :param missing: for ``SCOPES``, the smallest set of scopes to add, sorted; empty if no scope would help.
    """

    reason: DenialReason
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DependsOnSpaces:
    """Decision that a workspace's principal satisfies all but the path's spaces, which may be its workspace's.

    :param space_ids: the spaces; None for a path parameter that the path lacks.
    """

    space_ids: frozenset[str | None]


Decision: TypeAlias = Allowed | Denied | DependsOnSpaces

ALLOWED = Allowed()


def evaluate(requirement: Requirement, principal: Principal, path_params: Mapping[str, object]) -> Decision:
    """Decide whether the principal satisfies the requirement on a path.

    :param path_params: the path parameters of the request, ``scope["path_params"]``.
    """
    environments = requirement.environments
    if environments is not None and not acts_in(principal, environments):
        return Denied(DenialReason.ENVIRONMENT)
    held, rule = principal.scopes, requirement.rule
    for alternative in rule.alternatives:
        if alternative <= held:
            break
    else:
        return Denied(DenialReason.SCOPES, rule.missing(held) or ())
    if not requirement.spaces:
        return ALLOWED
    space_ids = space_ids_in(path_params, requirement)
    if principal.kind is Kind.WORKSPACE:
        return DependsOnSpaces(space_ids)
    if principal.kind is Kind.SPACE and principal.space_id is not None and space_ids == {principal.space_id}:
        return ALLOWED
    return Denied(DenialReason.SPACE)


def space_ids_in(path_params: Mapping[str, object], requirement: Requirement) -> frozenset[str | None]:
    """Return the space ids in the path that the requirement binds; None for a parameter that the path lacks."""
    return frozenset(str(path_params[name]) if name in path_params else None for name in requirement.spaces)


def acts_in(principal: Principal, environments: Collection[str]) -> bool:
    """Return whether a principal may act in one of the environments. A member belongs to none and may act in all."""
    return principal.environment in environments or principal.kind is Kind.MEMBER
