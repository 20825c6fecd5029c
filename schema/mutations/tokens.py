"""Mutations of tokens. Each converts its input, calls one resolver and wraps the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeAlias, TypeVar, cast

import strawberry
from strawberry.scalars import JSON

from spacekey.domain import refusal as domain
from spacekey.domain.ids import SPACE, id_prefix
from spacekey.domain.unset import UNSET, Unset
from spacekey.middleware.graphql import requires_scopes
from spacekey.resolvers.tokens import revoke
from spacekey.resolvers.tokens.create import Issued, NewToken, create_space_token, create_token
from spacekey.resolvers.tokens.grants import asked_expiry
from spacekey.resolvers.tokens.idempotency import Replayed
from spacekey.resolvers.tokens.rotate import GRACE_SECONDS_DEFAULT, ROTATING, rotate_token
from spacekey.resolvers.tokens.update import Changed, TokenChanges, update_token
from spacekey.resolvers.validation import BULK_MAX
from spacekey.schema.context import SpacekeyInfo
from spacekey.schema.limits.costs import at_most
from spacekey.schema.types.objects import Token, token_type
from spacekey.schema.types.results import (
    AnyRefusal,
    Conflict,
    ErrorCode,
    InvalidInput,
    NotFound,
    PlanLimit,
    ScopeNotAllowed,
    UserError,
    answered,
)

from .inputs import (
    EFFECTIVE,
    EXTERNAL_ID,
    IDEMPOTENCY_KEY,
    LIFETIME,
    METADATA,
    WAIT,
    check_not_null,
    kept,
    kept_whole,
    once,
)

T = TypeVar("T")

OWNERS_ID = EXTERNAL_ID.format(whose="the token's owner")


@strawberry.type(description="The created token. Its secret is shown only here.")
class CreateTokenSuccess:
    """Result with the token and its secret."""

    token: Token | None = strawberry.field(description="The created token.")
    secret: str = strawberry.field(description="The secret, to be sent in requests. It cannot be retrieved again.")
    effective_at: datetime = strawberry.field(description="When all servers accept the token.")


@strawberry.type(description="The token that replaces the rotated one. Its secret is shown only here.")
class RotateTokenSuccess:
    """Result with the new token, its secret, and when a grace of 0 has ended the old token in every process."""

    token: Token | None = strawberry.field(description="The new token.")
    secret: str = strawberry.field(
        description="The new token's secret, to be sent in requests. It cannot be retrieved again."
    )
    effective_at: datetime = strawberry.field(description="When the change is in effect on all servers.")


@strawberry.type(description="An earlier request with the same idempotency key created the token. Nothing was changed.")
class TokenAlreadyCreated(UserError):
    """Refusal to create a token twice, with the token that exists, without its secret."""

    token: Token | None = strawberry.field(
        description="The token that exists. Rotate it with a new idempotency key if you do not have its secret."
    )


@strawberry.type(description="The token was changed.")
class UpdateTokenSuccess:
    """Result with the token after the change."""

    token: Token | None = strawberry.field(description="The token after the change.")
    effective_at: datetime = strawberry.field(description=EFFECTIVE)


@strawberry.type(description="The token is disabled.")
class DisableTokenSuccess:
    """Result with the disabled token."""

    token: Token | None = strawberry.field(description="The disabled token.")
    effective_at: datetime = strawberry.field(description=EFFECTIVE)


@strawberry.type(description="The token is enabled.")
class EnableTokenSuccess:
    """Result with the enabled token."""

    token: Token | None = strawberry.field(description="The enabled token.")
    effective_at: datetime = strawberry.field(description=EFFECTIVE)


@strawberry.type(description="The token is revoked.")
class RevokeTokenSuccess:
    """Result with the revoked token."""

    token: Token | None = strawberry.field(description="The revoked token.")
    effective_at: datetime = strawberry.field(description=EFFECTIVE)


@strawberry.type(description="The token was deleted.")
class DeleteTokenSuccess:
    """Result with the deleted token's id."""

    deleted_token_id: strawberry.ID = strawberry.field(description="The ID of the deleted token.")
    effective_at: datetime = strawberry.field(description=EFFECTIVE)


@strawberry.type(description="The tokens are disabled.")
class DisableTokensSuccess:
    """Result with the disabled tokens."""

    tokens: list[Token | None] | None = strawberry.field(
        description="The disabled tokens, in the order of the input.", directives=[at_most(BULK_MAX)]
    )
    effective_at: datetime = strawberry.field(description=EFFECTIVE)


@strawberry.type(description="The tokens are revoked.")
class RevokeTokensSuccess:
    """Result with the revoked tokens."""

    tokens: list[Token | None] | None = strawberry.field(
        description="The revoked tokens, in the order of the input.", directives=[at_most(BULK_MAX)]
    )
    effective_at: datetime = strawberry.field(description=EFFECTIVE)


@strawberry.type(description="The tokens were deleted.")
class DeleteTokensSuccess:
    """Result with the ids of the deleted tokens."""

    deleted_token_ids: list[strawberry.ID] = strawberry.field(
        description="The IDs of the deleted tokens, in the order of the input.", directives=[at_most(BULK_MAX)]
    )
    effective_at: datetime = strawberry.field(description=EFFECTIVE)


CreateTokenResult: TypeAlias = Annotated[
    CreateTokenSuccess | TokenAlreadyCreated | InvalidInput | ScopeNotAllowed | PlanLimit | NotFound | Conflict,
    strawberry.union("CreateTokenResult", description="The result of `createToken`."),
]
RotateTokenResult: TypeAlias = Annotated[
    RotateTokenSuccess | TokenAlreadyCreated | InvalidInput | ScopeNotAllowed | PlanLimit | NotFound | Conflict,
    strawberry.union("RotateTokenResult", description="The result of `rotateToken`."),
]
UpdateTokenResult: TypeAlias = Annotated[
    UpdateTokenSuccess | InvalidInput | ScopeNotAllowed | PlanLimit | NotFound | Conflict,
    strawberry.union("UpdateTokenResult", description="The result of `updateToken`."),
]
DisableTokenResult: TypeAlias = Annotated[
    DisableTokenSuccess | NotFound | Conflict,
    strawberry.union("DisableTokenResult", description="The result of `disableToken`."),
]
EnableTokenResult: TypeAlias = Annotated[
    EnableTokenSuccess | InvalidInput | ScopeNotAllowed | PlanLimit | NotFound | Conflict,
    strawberry.union("EnableTokenResult", description="The result of `enableToken`."),
]
RevokeTokenResult: TypeAlias = Annotated[
    RevokeTokenSuccess | InvalidInput | NotFound | Conflict,
    strawberry.union("RevokeTokenResult", description="The result of `revokeToken`."),
]
DeleteTokenResult: TypeAlias = Annotated[
    DeleteTokenSuccess | NotFound | Conflict,
    strawberry.union("DeleteTokenResult", description="The result of `deleteToken`."),
]
DisableTokensResult: TypeAlias = Annotated[
    DisableTokensSuccess | InvalidInput | NotFound | Conflict,
    strawberry.union("DisableTokensResult", description="The result of `disableTokens`."),
]
RevokeTokensResult: TypeAlias = Annotated[
    RevokeTokensSuccess | InvalidInput | NotFound | Conflict,
    strawberry.union("RevokeTokensResult", description="The result of `revokeTokens`."),
]
DeleteTokensResult: TypeAlias = Annotated[
    DeleteTokensSuccess | InvalidInput | NotFound | Conflict,
    strawberry.union("DeleteTokensResult", description="The result of `deleteTokens`."),
]


@strawberry.type
class TokenMutations:
    """Mutations of tokens."""

    @strawberry.mutation(
        graphql_type=CreateTokenResult | None,
        description=(
            "Create a token for a workspace or a space. The answer is the only place where its secret is shown."
        ),
        directives=[requires_scopes("tokens:create")],
    )
    async def create_token(self, info: SpacekeyInfo, input: CreateTokenInput) -> object:  # noqa: A002
        """Call :func:`create_token` or :func:`create_space_token`."""
        context = info.context
        system, caller, now = context.system, context.known_caller, context.system.clock()

        async def create() -> Issued:
            try:
                if id_prefix(input.owner_id) == SPACE:
                    return await create_space_token(system, caller, input.owner_id, input.asked("", now), once(input))
                return await create_token(system, caller, input.asked(input.owner_id, now), once(input))
            except domain.NotFound:
                raise domain.NotFound("workspace or space") from None

        answer = await answered(context, create, replayed=_replayed)
        if isinstance(answer, Issued):
            return CreateTokenSuccess(
                token=token_type(answer.view), secret=answer.secret.reveal(), effective_at=answer.effective_at
            )
        return answer

    @strawberry.mutation(
        graphql_type=UpdateTokenResult | None,
        description=("Change a token. Fields that are left out keep their value; null clears a field."),
        directives=[requires_scopes("tokens:update")],
    )
    async def update_token(self, info: SpacekeyInfo, input: UpdateTokenInput) -> object:  # noqa: A002
        """Call :func:`update_token`."""
        context = info.context
        now = context.system.clock()
        return _changed(
            UpdateTokenSuccess,
            await answered(
                context,
                lambda: update_token(
                    context.system, context.known_caller, input.id, input.changes(now), wait=input.wait
                ),
            ),
        )

    @strawberry.mutation(
        graphql_type=DisableTokenResult | None,
        description="Disable a token. It is rejected until it is enabled again.",
        directives=[requires_scopes("tokens:disable")],
    )
    async def disable_token(self, info: SpacekeyInfo, input: DisableTokenInput) -> object:  # noqa: A002
        """Call :func:`revoke.disable_token`."""
        context = info.context
        return _changed(
            DisableTokenSuccess,
            await answered(
                context, lambda: revoke.disable_token(context.system, context.known_caller, input.id, wait=input.wait)
            ),
        )

    @strawberry.mutation(
        graphql_type=EnableTokenResult | None,
        description="Enable a disabled token.",
        directives=[requires_scopes("tokens:disable")],
    )
    async def enable_token(self, info: SpacekeyInfo, input: EnableTokenInput) -> object:  # noqa: A002
        """Call :func:`revoke.enable_token`."""
        context = info.context
        return _changed(
            EnableTokenSuccess,
            await answered(context, lambda: revoke.enable_token(context.system, context.known_caller, input.id)),
        )

    @strawberry.mutation(
        graphql_type=RevokeTokenResult | None,
        description="Revoke a token for good. It stays in lists.",
        directives=[requires_scopes("tokens:revoke")],
    )
    async def revoke_token(self, info: SpacekeyInfo, input: RevokeTokenInput) -> object:  # noqa: A002
        """Call :func:`revoke.revoke_token`."""
        context = info.context
        return _changed(
            RevokeTokenSuccess,
            await answered(
                context,
                lambda: revoke.revoke_token(
                    context.system, context.known_caller, input.id, reason=input.reason, wait=input.wait
                ),
            ),
        )

    @strawberry.mutation(
        graphql_type=DeleteTokenResult | None,
        description="Revoke a token and remove it from lists. The audit log keeps it.",
        directives=[requires_scopes("tokens:delete")],
    )
    async def delete_token(self, info: SpacekeyInfo, input: DeleteTokenInput) -> object:  # noqa: A002
        """Call :func:`revoke.delete_token`."""
        context = info.context
        answer = await answered(
            context, lambda: revoke.delete_token(context.system, context.known_caller, input.id, wait=input.wait)
        )
        if isinstance(answer, Changed):
            deleted = strawberry.ID(answer.view.token.id)
            return DeleteTokenSuccess(deleted_token_id=deleted, effective_at=answer.effective_at)
        return answer

    @strawberry.mutation(
        graphql_type=DisableTokensResult | None,
        description=("Disable several tokens in one transaction. Either all of them are disabled or none."),
        directives=[requires_scopes("tokens:disable")],
    )
    async def disable_tokens(self, info: SpacekeyInfo, input: DisableTokensInput) -> object:  # noqa: A002
        """Call :func:`revoke.disable_tokens`."""
        context = info.context
        answer = await answered(
            context, lambda: revoke.disable_tokens(context.system, context.known_caller, input.ids, wait=input.wait)
        )
        if isinstance(answer, tuple):
            views, effective_at = answer
            return DisableTokensSuccess(tokens=[token_type(view) for view in views], effective_at=effective_at)
        return answer

    @strawberry.mutation(
        graphql_type=RevokeTokensResult | None,
        description=("Revoke several tokens in one transaction. Either all of them are revoked or none."),
        directives=[requires_scopes("tokens:revoke")],
    )
    async def revoke_tokens(self, info: SpacekeyInfo, input: RevokeTokensInput) -> object:  # noqa: A002
        """Call :func:`revoke.revoke_tokens`."""
        context = info.context
        answer = await answered(
            context,
            lambda: revoke.revoke_tokens(
                context.system, context.known_caller, input.ids, reason=input.reason, wait=input.wait
            ),
        )
        if isinstance(answer, tuple):
            views, effective_at = answer
            return RevokeTokensSuccess(tokens=[token_type(view) for view in views], effective_at=effective_at)
        return answer

    @strawberry.mutation(
        graphql_type=DeleteTokensResult | None,
        description=(
            "Revoke several tokens and remove them from lists, in one transaction. Either all of them are "
            "deleted or none."
        ),
        directives=[requires_scopes("tokens:delete")],
    )
    async def delete_tokens(self, info: SpacekeyInfo, input: DeleteTokensInput) -> object:  # noqa: A002
        """Call :func:`revoke.delete_tokens`."""
        context = info.context
        answer = await answered(
            context, lambda: revoke.delete_tokens(context.system, context.known_caller, input.ids, wait=input.wait)
        )
        if isinstance(answer, tuple):
            views, effective_at = answer
            deleted = [strawberry.ID(view.token.id) for view in views]
            return DeleteTokensSuccess(deleted_token_ids=deleted, effective_at=effective_at)
        return answer

    @strawberry.mutation(
        graphql_type=RotateTokenResult | None,
        description=(
            "Replace a token by a new one with the same grants. The old token keeps working for a grace period."
        ),
        directives=[requires_scopes(*ROTATING)],
    )
    async def rotate_token(self, info: SpacekeyInfo, input: RotateTokenInput) -> object:  # noqa: A002
        """Call :func:`rotate_token`."""
        context = info.context
        answer = await answered(
            context,
            lambda: rotate_token(
                context.system,
                context.known_caller,
                input.id,
                grace_seconds=input.grace_seconds,
                retire_on_first_use=input.retire_on_first_use,
                expires_at=asked_expiry(context.system.clock(), kept(input.expires_at), kept(input.expires_in)),
                wait=input.wait,
                request=once(input),
            ),
            replayed=_replayed,
        )
        if isinstance(answer, Issued):
            return RotateTokenSuccess(
                token=token_type(answer.view), secret=answer.secret.reveal(), effective_at=answer.effective_at
            )
        return answer


def _replayed(error: Replayed) -> TokenAlreadyCreated:
    return TokenAlreadyCreated(message=str(error), code=ErrorCode(error.code), token=token_type(error.view))


def _changed(success: Callable[..., T], answer: Changed | AnyRefusal) -> T | AnyRefusal:
    """Return the mutation's success with the changed token, or the refusal."""
    if isinstance(answer, Changed):
        return success(token=token_type(answer.view), effective_at=answer.effective_at)
    return answer


@strawberry.input(description="The token to create.")
class CreateTokenInput:
    """Input of ``createToken``."""

    owner_id: strawberry.ID = strawberry.field(
        description="The ID of the workspace or the space that the token will belong to."
    )
    name: str = strawberry.field(description="The name of the token.")
    grants: list[str] | None = strawberry.field(default=None, description="The scopes, shorthands or role to grant.")
    preset: str | None = strawberry.field(
        default=None, description="The name of a preset whose scopes are granted too."
    )
    description: str | None = strawberry.field(default=None, description="What the token is for.")
    environment: str | None = strawberry.field(
        default=None,
        description=(
            "The environment that the token is valid in: one of the product's `environments`. Defaults to the first."
        ),
    )
    expires_at: datetime | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "When the token expires. Null for a token that does not expire. Defaults to the "
            "default lifetime of the workspace's policy."
        ),
    )
    expires_in: int | None = strawberry.field(default=strawberry.UNSET, description=LIFETIME)
    external_id: str | None = strawberry.field(default=None, description=OWNERS_ID)
    metadata: JSON | None = strawberry.field(default=None, description=METADATA)
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)

    def asked(self, workspace_id: str, now: datetime) -> NewToken:
        """Return the same as a resolver's argument.

        :raises InvalidInput: the lifetime is out of range, or both a lifetime and a time are given.
        """
        expires_at = asked_expiry(now, kept(self.expires_at), kept(self.expires_in))
        return NewToken(
            workspace_id=workspace_id,
            name=self.name,
            grants=tuple(self.grants or ()),
            preset=self.preset,
            description=self.description or "",
            environment=self.environment,
            expires_at=expires_at,
            external_id=self.external_id,
            metadata=cast("Mapping[str, Any] | None", self.metadata),
        )


@strawberry.input(
    description=("The changes to a token. Fields that are left out keep their value; null clears a field.")
)
class UpdateTokenInput:
    """Input of ``updateToken``."""

    id: strawberry.ID = strawberry.field(description="The ID of the token.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="The new name of the token.")
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="The new description of the token. Null removes it."
    )
    grants: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="The new grants of the token. They replace the old ones."
    )
    expires_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="The new expiry of the token. Null removes it."
    )
    expires_in: int | None = strawberry.field(default=strawberry.UNSET, description=LIFETIME)
    external_id: str | None = strawberry.field(default=strawberry.UNSET, description=f"{OWNERS_ID} Null removes it.")
    metadata: JSON | None = strawberry.field(
        default=strawberry.UNSET, description=f"{METADATA} It replaces the old object. Null removes it."
    )
    wait: bool = strawberry.field(default=True, description=WAIT)

    def changes(self, now: datetime) -> TokenChanges:
        """Return the same as a resolver's argument.

        :raises InvalidInput: null for a field that cannot be cleared, or a lifetime that is out of range.
        """
        check_not_null(name=self.name, grants=self.grants)
        grants = kept_whole("grants", self.grants)
        return TokenChanges(
            name=kept_whole("name", self.name),
            description=kept(self.description),
            grants=UNSET if grants is UNSET else tuple(grants),
            expires_at=asked_expiry(now, kept(self.expires_at), kept(self.expires_in)),
            external_id=kept(self.external_id),
            metadata=cast("Mapping[str, Any] | Unset | None", kept(self.metadata)),
        )


@strawberry.input(description="The token to disable.")
class DisableTokenInput:
    """Input of ``disableToken``."""

    id: strawberry.ID = strawberry.field(description="The ID of the token.")
    wait: bool = strawberry.field(default=True, description=WAIT)


@strawberry.input(description="The token to enable.")
class EnableTokenInput:
    """Input of ``enableToken``."""

    id: strawberry.ID = strawberry.field(description="The ID of the token.")


@strawberry.input(description="The token to revoke.")
class RevokeTokenInput:
    """Input of ``revokeToken``."""

    id: strawberry.ID = strawberry.field(description="The ID of the token.")
    reason: str | None = strawberry.field(
        default=None, description="Why the token is revoked, kept with the token and in the audit log."
    )
    wait: bool = strawberry.field(default=True, description=WAIT)


@strawberry.input(description="The tokens to revoke.")
class RevokeTokensInput:
    """Input of ``revokeTokens``."""

    ids: list[strawberry.ID] = strawberry.field(description="The IDs of the tokens, at most 100.")
    reason: str | None = strawberry.field(
        default=None, description="Why the tokens are revoked, kept with each token and in the audit log."
    )
    wait: bool = strawberry.field(default=True, description=WAIT)


@strawberry.input(description="The tokens to disable.")
class DisableTokensInput:
    """Input of ``disableTokens``."""

    ids: list[strawberry.ID] = strawberry.field(description="The IDs of the tokens, at most 100.")
    wait: bool = strawberry.field(default=True, description=WAIT)


@strawberry.input(description="The tokens to delete.")
class DeleteTokensInput:
    """Input of ``deleteTokens``."""

    ids: list[strawberry.ID] = strawberry.field(description="The IDs of the tokens, at most 100.")
    wait: bool = strawberry.field(default=True, description=WAIT)


@strawberry.input(description="The token to delete.")
class DeleteTokenInput:
    """Input of ``deleteToken``."""

    id: strawberry.ID = strawberry.field(description="The ID of the token.")
    wait: bool = strawberry.field(default=True, description=WAIT)


@strawberry.input(description="The token to rotate, and how long the old secret keeps working.")
class RotateTokenInput:
    """Input of ``rotateToken``."""

    id: strawberry.ID = strawberry.field(description="The ID of the token.")
    grace_seconds: int = strawberry.field(
        default=GRACE_SECONDS_DEFAULT,
        description=("The number of seconds that the old secret keeps working, from 0 to 604800 (7 days)."),
    )
    retire_on_first_use: bool = strawberry.field(
        default=False, description="Whether the first use of the new token ends the grace period early."
    )
    expires_at: datetime | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "When the new token expires. Null for a token that does not expire. Defaults to the "
            "old token's whole lifetime, counted from now."
        ),
    )
    expires_in: int | None = strawberry.field(default=strawberry.UNSET, description=LIFETIME)
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)
    wait: bool = strawberry.field(default=True, description=WAIT)
