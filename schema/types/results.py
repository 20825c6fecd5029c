"""Expected errors as members of a mutation's result union."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeAlias, TypeVar

import strawberry

from spacekey.domain import refusal as domain
from spacekey.domain.errors import ServiceUnavailable
from spacekey.resolvers.tokens.idempotency import Replayed
from spacekey.schema.context import Context
from spacekey.schema.errors import PATH_MAX, error_of, faults_of, message_of
from spacekey.schema.limits.costs import at_most

from .product import SCOPES_MAX
from .relay import enum_value

FAULTS_MAX = 100
"""Faults of one input that are answered. An input with more has them in one list, which is refused as a whole."""

strawberry.enum(
    domain.InputCode,
    name="InputErrorCode",
    description="What is wrong with a value of an input. Expect new codes to be added.",
)


@strawberry.enum(description="Why a mutation did nothing. Expect new codes to be added.")
class ErrorCode(Enum):
    """Enum of the codes of expected errors: those of REST, in capitals."""

    INVALID_INPUT = enum_value("INVALID_INPUT", "Values of the input are not valid. Correct all that `errors` lists.")
    SCOPE_NOT_ALLOWED = enum_value(
        "SCOPE_NOT_ALLOWED", "The caller does not have the scopes itself. Grant fewer, or ask someone who has them."
    )
    PLAN_LIMIT = enum_value("PLAN_LIMIT", "The plan does not include this. Revoke a token, or change the plan.")
    NOT_FOUND = enum_value("NOT_FOUND", "The object does not exist, or the caller has no access to it. Check the ID.")
    SIGN_IN_FAILED = enum_value("SIGN_IN_FAILED", "The sign-in name or the password is wrong. Enter them again.")
    TOO_MANY_ATTEMPTS = enum_value(
        "TOO_MANY_ATTEMPTS", "Too many attempts failed. Try again after `retryAfterSeconds`."
    )
    ALREADY_CREATED = enum_value(
        "ALREADY_CREATED",
        "An earlier request with this idempotency key created `token`. Rotate it if you do not have its secret.",
    )
    ALREADY_ROTATED = enum_value(
        "ALREADY_ROTATED", "The token was rotated before. Use or rotate the token that `successorId` names."
    )
    TOKEN_REVOKED = enum_value("TOKEN_REVOKED", "The token is revoked for good. Create a new one.")
    TOKEN_DISABLED = enum_value("TOKEN_DISABLED", "The token is disabled. Enable it first.")
    TOKEN_EXPIRED = enum_value("TOKEN_EXPIRED", "The token has expired. Create a new one.")
    TOKEN_DELETED = enum_value(
        "TOKEN_DELETED",
        "The token that an earlier request with this idempotency key created was deleted. Send a new key.",
    )
    SLUG_TAKEN = enum_value("SLUG_TAKEN", "Another workspace or space has this slug. Choose another one.")
    EXTERNAL_ID_TAKEN = enum_value(
        "EXTERNAL_ID_TAKEN",
        "Another workspace of the product, or another space of the workspace, has this external ID. Find that one.",
    )
    ADDRESS_TAKEN = enum_value(
        "ADDRESS_TAKEN", "Another account has this address or name. Use another one, or sign in to that account."
    )
    OUTSIDE_IDENTITY = enum_value(
        "OUTSIDE_IDENTITY", "The account signs in through an identity provider and has no password here."
    )
    ADDRESS_UNUSABLE = enum_value(
        "ADDRESS_UNUSABLE", "The account has no address that can be used. Its owner must enter one first."
    )
    ALREADY_MEMBER = enum_value("ALREADY_MEMBER", "The person is a member already. Change their role instead.")
    LAST_OWNER = enum_value("LAST_OWNER", "The workspace would have no owner. Make another member an owner first.")
    ROLE_IN_USE = enum_value(
        "ROLE_IN_USE", "Members, tokens or invitations have this role. Give them another one first."
    )
    LIMIT_REACHED = enum_value(
        "LIMIT_REACHED", "The maximum that the message names is reached. Remove something first."
    )
    CONCURRENT_CHANGE = enum_value(
        "CONCURRENT_CHANGE", "The object was changed at the same time. Read it again and repeat the change if needed."
    )
    WORKSPACE_SUSPENDED = enum_value("WORKSPACE_SUSPENDED", "The workspace is suspended. Resume it first.")
    IDEMPOTENCY_KEY_IN_USE = enum_value(
        "IDEMPOTENCY_KEY_IN_USE", "Another request with this idempotency key is running. Repeat yours in a moment."
    )


@strawberry.interface(description="An expected error. Nothing was changed.")
class UserError:
    """GraphQL interface of expected errors. ``message`` is for people, ``code`` for programs."""

    message: str = strawberry.field(description="What went wrong and what to do about it, for people.")
    code: ErrorCode = strawberry.field(description="What went wrong, for programs.")


@strawberry.type(description="What is wrong with one value of an input.")
class FieldError:
    """GraphQL type of one fault of an input."""

    path: list[str] = strawberry.field(
        description='Where the value is: names of fields and positions in lists, such as `["grants", "1"]`.',
        directives=[at_most(PATH_MAX)],
    )
    code: domain.InputCode = strawberry.field(description="What is wrong, for programs.")
    message: str = strawberry.field(description="What is wrong and what is expected instead, for people.")


@strawberry.type(description="Values of the input are not valid.")
class InvalidInput(UserError):
    """Error of an input, with all that is wrong with it."""

    errors: list[FieldError] = strawberry.field(
        description="What is wrong with the input, each value for itself.", directives=[at_most(FAULTS_MAX)]
    )


@strawberry.type(description="The caller tried to grant scopes that it does not have itself.")
class ScopeNotAllowed(UserError):
    """Refusal to grant scopes that the caller does not hold."""

    scopes: list[str] = strawberry.field(
        description="The scopes that the caller does not have, sorted by name.", directives=[at_most(SCOPES_MAX)]
    )


@strawberry.type(description="The plan of the workspace does not include this.")
class PlanLimit(UserError):
    """Refusal because the workspace's plan does not include it."""

    plan: str = strawberry.field(description="The name of the plan.")


@strawberry.type(description="The object does not exist, or the caller has no access to it.")
class NotFound(UserError):
    """Refusal for an object that is unknown, or belongs to others."""


@strawberry.type(description="The current state of the object does not allow this.")
class Conflict(UserError):
    """Refusal because of the object's state; names the successor of a token that was already rotated."""

    successor_id: strawberry.ID | None = strawberry.field(
        description="The ID of the token that replaced this one. Null if there is none."
    )


@strawberry.type(description="The sign-in name or the password is wrong.")
class SignInFailed(UserError):
    """Refusal to sign in; an unknown name and a wrong password look the same."""


@strawberry.type(description="There were too many failed attempts.")
class TooManyAttempts(UserError):
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
    except ServiceUnavailable as error:
        raise error_of(error) from None
    except domain.UserError as error:
        if isinstance(error, Replayed) and replayed is not None:
            return replayed(error)
        return error_value(error)


def error_value(error: domain.UserError) -> AnyRefusal:
    """Return an expected refusal as a member of a result.

    :raises GraphQLError: for missing scopes or another kind of credential, with a code.
    """
    if isinstance(error, domain.Forbidden | domain.CredentialNotAllowed):
        raise error_of(error)
    message, code = str(error), ErrorCode(error.code)
    match error:
        case domain.InvalidInput():
            faults = faults_of(error)
            return InvalidInput(
                message=message_of(faults),
                code=code,
                errors=[
                    FieldError(path=list(one.path), code=one.code, message=one.reason) for one in faults[:FAULTS_MAX]
                ],
            )
        case domain.ScopeNotAllowed():
            return ScopeNotAllowed(message=message, code=code, scopes=list(error.scopes))
        case domain.PlanLimit():
            return PlanLimit(message=message, code=code, plan=error.plan)
        case domain.NotFound():
            return NotFound(message=message, code=code)
        case domain.Conflict():
            successor = None if error.successor_id is None else strawberry.ID(error.successor_id)
            return Conflict(message=message, code=code, successor_id=successor)
        case domain.SignInFailed():
            return SignInFailed(message=message, code=code)
        case domain.TooManyAttempts():
            return TooManyAttempts(message=message, code=code, retry_after_seconds=error.retry_after_seconds)
        case _:
            raise error_of(error)
