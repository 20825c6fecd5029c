"""Expected refusals as members of a mutation's result union."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

import strawberry
from strawberry.utils.str_converters import to_camel_case

from spacekey.domain import refusal as domain
from spacekey.domain.errors import Unavailable
from spacekey.schema.context import Context
from spacekey.schema.errors import error_of
from spacekey.schema.limits.costs import at_most

from .catalog import SCOPES_MAX


@strawberry.interface(description="Something expected that stood in the way. Nothing was changed.")
class Refusal:
    """GraphQL interface of refusals. ``message`` is for people."""

    message: str


@strawberry.type(description="One field of the input is not usable.")
class InvalidInput(Refusal):
    """Refusal of one input field, with what to do about it."""

    field: str
    reason: str


@strawberry.type(description="You tried to hand out scopes that you do not hold yourself.")
class ScopeNotAllowed(Refusal):
    """Refusal to grant scopes that the caller does not hold."""

    scopes: list[str] = strawberry.field(directives=[at_most(SCOPES_MAX)])


@strawberry.type(description="The workspace's plan does not include it.")
class PlanLimit(Refusal):
    """Refusal because the workspace's plan does not include it."""

    plan: str


@strawberry.type(description="Not found, or not visible to you; the two look the same.")
class NotFound(Refusal):
    """Refusal for an object that is unknown, or belongs to others."""


@strawberry.type(description="It is not in a state that allows this.")
class Conflict(Refusal):
    """Refusal because of the object's state; names the successor of a token that was already rotated."""

    successor_id: strawberry.ID | None


@strawberry.type(description="Sign-in name and password do not belong together.")
class SignInFailed(Refusal):
    """Refusal to sign in; an unknown name and a wrong password look the same."""


@strawberry.type(description="Too many failed attempts.")
class TooManyAttempts(Refusal):
    """Refusal after too many failed attempts, with the time to wait."""

    retry_after_seconds: int


AnyRefusal: TypeAlias = (
    InvalidInput | ScopeNotAllowed | PlanLimit | NotFound | Conflict | SignInFailed | TooManyAttempts
)

T = TypeVar("T")


async def answered(context: Context, doing: Callable[[], Awaitable[T]]) -> T | AnyRefusal:
    """Return a resolver's result, or its expected refusal as a value. The loaders then forget all that was read before.

    :param doing: converts the input and calls the resolver; refusals of both become values.
    :raises GraphQLError: for missing scopes and outages, with a code.
    """
    context.loaders.forget()
    try:
        return await doing()
    except Unavailable as error:
        raise error_of(error) from None
    except domain.Refusal as error:
        return _value_of(error)


def _value_of(error: domain.Refusal) -> AnyRefusal:
    message = str(error)
    match error:
        case domain.InvalidInput():
            field = to_camel_case(error.field)
            return InvalidInput(message=f"{field}: {error.reason}", field=field, reason=error.reason)
        case domain.ScopeNotAllowed():
            return ScopeNotAllowed(message=message, scopes=list(error.scopes))
        case domain.PlanLimit():
            return PlanLimit(message=message, plan=error.plan)
        case domain.NotFound():
            return NotFound(message=message)
        case domain.Conflict():
            successor = None if error.successor_id is None else strawberry.ID(error.successor_id)
            return Conflict(message=message, successor_id=successor)
        case domain.SignInFailed():
            return SignInFailed(message=message)
        case domain.TooManyAttempts():
            return TooManyAttempts(message=message, retry_after_seconds=error.retry_after_seconds)
        case _:
            raise error_of(error)
