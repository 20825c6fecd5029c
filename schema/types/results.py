"""Expected refusals as members of a mutation's result union."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

import strawberry
from strawberry.utils.str_converters import to_camel_case

from spacekey.domain import refusal as domain
from spacekey.domain.errors import Unavailable
from spacekey.resolvers.tokens.idempotency import Replayed
from spacekey.schema.context import Context
from spacekey.schema.errors import error_of
from spacekey.schema.limits.costs import at_most

from .catalog import SCOPES_MAX


@strawberry.interface(description="An expected error. Nothing was changed.")
class Refusal:
    """GraphQL interface of refusals. ``message`` is for people."""

    message: str = strawberry.field(description="What went wrong and what to do about it, for people.")


@strawberry.type(description="An input field is not valid.")
class InvalidInput(Refusal):
    """Refusal of one input field, with what to do about it."""

    field: str = strawberry.field(description="The name of the input field.")
    reason: str = strawberry.field(description="What is wrong with the field's value, and what is expected instead.")


@strawberry.type(description="The caller tried to grant scopes that it does not have itself.")
class ScopeNotAllowed(Refusal):
    """Refusal to grant scopes that the caller does not hold."""

    scopes: list[str] = strawberry.field(
        description="The scopes that the caller does not have, sorted by name.", directives=[at_most(SCOPES_MAX)]
    )


@strawberry.type(description="The plan of the workspace does not include this.")
class PlanLimit(Refusal):
    """Refusal because the workspace's plan does not include it."""

    plan: str = strawberry.field(description="The name of the plan.")


@strawberry.type(description="The object does not exist, or the caller has no access to it.")
class NotFound(Refusal):
    """Refusal for an object that is unknown, or belongs to others."""


@strawberry.type(description="The current state of the object does not allow this.")
class Conflict(Refusal):
    """Refusal because of the object's state; names the successor of a token that was already rotated."""

    successor_id: strawberry.ID | None = strawberry.field(
        description="The ID of the token that replaced this one. Null if there is none."
    )


@strawberry.type(description="The sign-in name or the password is wrong.")
class SignInFailed(Refusal):
    """Refusal to sign in; an unknown name and a wrong password look the same."""


@strawberry.type(description="There were too many failed attempts.")
class TooManyAttempts(Refusal):
    """Refusal after too many failed attempts, with the time to wait."""

    retry_after_seconds: int = strawberry.field(description="The number of seconds until the next attempt is allowed.")


AnyRefusal: TypeAlias = (
    InvalidInput | ScopeNotAllowed | PlanLimit | NotFound | Conflict | SignInFailed | TooManyAttempts
)

T = TypeVar("T")
U = TypeVar("U")


async def answered(
    context: Context, doing: Callable[[], Awaitable[T]], *, replayed: Callable[[Replayed], U] | None = None
) -> T | U | AnyRefusal:
    """Return a resolver's result, or its expected refusal as a value. The loaders then forget all that was read before.

    :param doing: converts the input and calls the resolver; refusals of both become values.
    :param replayed: makes the value for a repeated request, for a mutation that takes an idempotency key.
    :raises GraphQLError: for missing scopes and outages, with a code.
    """
    context.loaders.forget()
    try:
        return await doing()
    except Unavailable as error:
        raise error_of(error) from None
    except domain.Refusal as error:
        if isinstance(error, Replayed) and replayed is not None:
            return replayed(error)
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
