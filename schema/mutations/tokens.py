"""Mutations of tokens. Each converts its input, calls one resolver and wraps the result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from spacekey.domain.unset import UNSET
from spacekey.middleware.graphql import requires_scopes
from spacekey.resolvers.tokens import revoke
from spacekey.resolvers.tokens.create import Issued, NewToken, create_space_token, create_token
from spacekey.resolvers.tokens.grants import asked_expiry
from spacekey.resolvers.tokens.rotate import GRACE_SECONDS_DEFAULT, ROTATING, rotate_token
from spacekey.resolvers.tokens.update import Changed, TokenChanges, update_token
from spacekey.resolvers.tokens.view import TokenView
from spacekey.resolvers.validation import BULK_MAX
from spacekey.schema.context import Context, SpacekeyInfo
from spacekey.schema.limits.costs import at_most
from spacekey.schema.types.objects import Environment, Token, token_type
from spacekey.schema.types.results import (
    AnyRefusal,
    Conflict,
    InvalidInput,
    NotFound,
    PlanLimit,
    ScopeNotAllowed,
    answered,
)

from .inputs import kept, kept_whole

_EFFECTIVE = "From then on the change holds in every process."


@strawberry.type(description="A new token. The secret is shown here and never again.")
class CreateTokenSuccess:
    """Result with the token and its secret."""

    token: Token | None
    secret: str
    effective_at: datetime


@strawberry.type(description="The successor. Its secret is shown here and never again.")
class RotateTokenSuccess:
    """Result with the new token, its secret, and when a grace of 0 has ended the old token in every process."""

    token: Token | None
    secret: str
    effective_at: datetime


@strawberry.type(description="The token as it is now.")
class ChangeTokenSuccess:
    """Result with the token after the change."""

    token: Token | None
    effective_at: datetime = strawberry.field(description=_EFFECTIVE)


@strawberry.type(description="The tokens as they are now, in the order asked.")
class RevokeTokensSuccess:
    """Result with the revoked tokens."""

    tokens: list[Token | None] | None = strawberry.field(directives=[at_most(BULK_MAX)])
    effective_at: datetime = strawberry.field(description=_EFFECTIVE)


@strawberry.type(description="The token is gone from lists.")
class DeleteTokenSuccess:
    """Result with the deleted token's id."""

    deleted_token_id: strawberry.ID = strawberry.field(description="The token's `id`, to drop from a client's cache.")
    effective_at: datetime = strawberry.field(description=_EFFECTIVE)


CreateTokenResult: TypeAlias = Annotated[
    CreateTokenSuccess | InvalidInput | ScopeNotAllowed | PlanLimit | NotFound | Conflict,
    strawberry.union("CreateTokenResult"),
]
RotateTokenResult: TypeAlias = Annotated[
    RotateTokenSuccess | InvalidInput | ScopeNotAllowed | PlanLimit | NotFound | Conflict,
    strawberry.union("RotateTokenResult"),
]
ChangeTokenResult: TypeAlias = Annotated[
    ChangeTokenSuccess | InvalidInput | ScopeNotAllowed | PlanLimit | NotFound | Conflict,
    strawberry.union("ChangeTokenResult"),
]
RevokeTokensResult: TypeAlias = Annotated[
    RevokeTokensSuccess | InvalidInput | NotFound | Conflict, strawberry.union("RevokeTokensResult")
]
DeleteTokenResult: TypeAlias = Annotated[
    DeleteTokenSuccess | NotFound | Conflict, strawberry.union("DeleteTokenResult")
]


@strawberry.type
class TokenMutations:
    """Mutations of tokens."""

    @strawberry.mutation(
        graphql_type=CreateTokenResult | None,
        description="Create a token of a space; the secret is in the answer, once.",
        directives=[requires_scopes("tokens:create")],
    )
    async def create_space_token(self, info: SpacekeyInfo, input: CreateSpaceTokenInput) -> object:  # noqa: A002
        """Call :func:`create_space_token`."""
        context = info.context
        now = context.system.clock()
        return await _issued(
            context,
            lambda: create_space_token(context.system, context.known_caller, input.space_id, input.asked("", now)),
        )

    @strawberry.mutation(
        graphql_type=CreateTokenResult | None,
        description="Create a token of a workspace; the secret is in the answer, once.",
        directives=[requires_scopes("tokens:create")],
    )
    async def create_workspace_token(self, info: SpacekeyInfo, input: CreateWorkspaceTokenInput) -> object:  # noqa: A002
        """Call :func:`create_token`."""
        context = info.context
        now = context.system.clock()
        return await _issued(
            context, lambda: create_token(context.system, context.known_caller, input.asked(input.workspace_id, now))
        )

    @strawberry.mutation(
        graphql_type=ChangeTokenResult | None,
        description="Edit a token: what is left out stays, null clears.",
        directives=[requires_scopes("tokens:update")],
    )
    async def update_token(self, info: SpacekeyInfo, input: UpdateTokenInput) -> object:  # noqa: A002
        """Call :func:`update_token`."""
        context = info.context
        now = context.system.clock()
        return await _changed(
            context,
            lambda: update_token(context.system, context.known_caller, input.id, input.changes(now), wait=input.wait),
        )

    @strawberry.mutation(
        graphql_type=ChangeTokenResult | None,
        description="Refuse the token until it is enabled again.",
        directives=[requires_scopes("tokens:disable")],
    )
    async def disable_token(self, info: SpacekeyInfo, input: DisableTokenInput) -> object:  # noqa: A002
        """Call :func:`revoke.disable_token`."""
        context = info.context
        return await _changed(
            context, lambda: revoke.disable_token(context.system, context.known_caller, input.id, wait=input.wait)
        )

    @strawberry.mutation(
        graphql_type=ChangeTokenResult | None,
        description="Accept a disabled token again.",
        directives=[requires_scopes("tokens:disable")],
    )
    async def enable_token(self, info: SpacekeyInfo, input: EnableTokenInput) -> object:  # noqa: A002
        """Call :func:`revoke.enable_token`."""
        context = info.context
        return await _changed(context, lambda: revoke.enable_token(context.system, context.known_caller, input.id))

    @strawberry.mutation(
        graphql_type=ChangeTokenResult | None,
        description="End the token for good; it stays in lists as revoked.",
        directives=[requires_scopes("tokens:revoke")],
    )
    async def revoke_token(self, info: SpacekeyInfo, input: RevokeTokenInput) -> object:  # noqa: A002
        """Call :func:`revoke.revoke_token`."""
        context = info.context
        return await _changed(
            context,
            lambda: revoke.revoke_token(
                context.system, context.known_caller, input.id, reason=input.reason, wait=input.wait
            ),
        )

    @strawberry.mutation(
        graphql_type=RevokeTokensResult | None,
        description="Revoke several tokens in one transaction: all or none.",
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
        graphql_type=DeleteTokenResult | None,
        description="End the token and take it out of lists; the audit log keeps it.",
        directives=[requires_scopes("tokens:delete")],
    )
    async def delete_token(self, info: SpacekeyInfo, input: DeleteTokenInput) -> object:  # noqa: A002
        """Call :func:`revoke.delete_token`."""
        context = info.context
        answer = await answered(
            context, lambda: revoke.delete_token(context.system, context.known_caller, input.id, wait=input.wait)
        )
        if isinstance(answer, Changed):
            return DeleteTokenSuccess(deleted_token_id=_id(answer.view), effective_at=answer.effective_at)
        return answer

    @strawberry.mutation(
        graphql_type=RotateTokenResult | None,
        description="Make a successor with the same grants; the old token ends after the grace.",
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
            ),
        )
        if isinstance(answer, Issued):
            return RotateTokenSuccess(
                token=token_type(answer.view), secret=answer.secret.reveal(), effective_at=answer.effective_at
            )
        return answer


async def _issued(context: Context, doing: Callable[[], Awaitable[Issued]]) -> CreateTokenSuccess | AnyRefusal:
    answer = await answered(context, doing)
    if isinstance(answer, Issued):
        return CreateTokenSuccess(
            token=token_type(answer.view), secret=answer.secret.reveal(), effective_at=answer.effective_at
        )
    return answer


async def _changed(context: Context, doing: Callable[[], Awaitable[Changed]]) -> ChangeTokenSuccess | AnyRefusal:
    answer = await answered(context, doing)
    if isinstance(answer, Changed):
        return ChangeTokenSuccess(token=token_type(answer.view), effective_at=answer.effective_at)
    return answer


def _id(view: TokenView) -> strawberry.ID:
    return strawberry.ID(view.token.id)


_WAIT = "Answer only when no process anywhere accepts the token any more; false answers at once with `effectiveAt`."


@strawberry.input(description="What every new token needs.")
class CreateTokenFields:
    """Fields that the inputs of both mutations for creating tokens share."""

    name: str
    grants: list[str] | None = strawberry.field(default=None, description="Scopes, shorthands or a role.")
    preset: str | None = strawberry.field(default=None, description="Adds the preset's single scopes.")
    description: str = ""
    environment: Environment | None = strawberry.field(default=None, description="The catalog's first when left out.")
    expires_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Null: never; left out: the policy's default lifetime."
    )
    expires_in: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="A lifetime in seconds from now, by the server's clock; give either this or `expiresAt`.",
    )

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
            description=self.description,
            environment=None if self.environment is None else self.environment.value,
            expires_at=expires_at,
        )


@strawberry.input(description="A new token of a space.")
class CreateSpaceTokenInput(CreateTokenFields):
    """Input of ``createSpaceToken``."""

    space_id: strawberry.ID = strawberry.field(default=strawberry.UNSET)


@strawberry.input(description="A new token of a workspace.")
class CreateWorkspaceTokenInput(CreateTokenFields):
    """Input of ``createWorkspaceToken``."""

    workspace_id: strawberry.ID = strawberry.field(default=strawberry.UNSET)


@strawberry.input(description="What to change: what is left out stays, null clears.")
class UpdateTokenInput:
    """Input of ``updateToken``."""

    id: strawberry.ID
    name: str | None = strawberry.UNSET
    description: str | None = strawberry.UNSET
    grants: list[str] | None = strawberry.UNSET
    expires_at: datetime | None = strawberry.UNSET
    expires_in: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="A lifetime in seconds from now, by the server's clock; give either this or `expiresAt`.",
    )
    wait: bool = strawberry.field(default=True, description=_WAIT)

    def changes(self, now: datetime) -> TokenChanges:
        """Return the same as a resolver's argument.

        :raises InvalidInput: null for a field that cannot be cleared, or a lifetime that is out of range.
        """
        grants = kept_whole("grants", self.grants)
        return TokenChanges(
            name=kept_whole("name", self.name),
            description=kept(self.description),
            grants=UNSET if grants is UNSET else tuple(grants),
            expires_at=asked_expiry(now, kept(self.expires_at), kept(self.expires_in)),
        )


@strawberry.input(description="Which token.")
class DisableTokenInput:
    """Input of ``disableToken``."""

    id: strawberry.ID
    wait: bool = strawberry.field(default=True, description=_WAIT)


@strawberry.input(description="Which token.")
class EnableTokenInput:
    """Input of ``enableToken``."""

    id: strawberry.ID


@strawberry.input(description="Which token, and why.")
class RevokeTokenInput:
    """Input of ``revokeToken``."""

    id: strawberry.ID
    reason: str | None = None
    wait: bool = strawberry.field(default=True, description=_WAIT)


@strawberry.input(description="Which tokens, up to 100, and why. All are revoked or none.")
class RevokeTokensInput:
    """Input of ``revokeTokens``."""

    ids: list[strawberry.ID]
    reason: str | None = None
    wait: bool = strawberry.field(default=True, description=_WAIT)


@strawberry.input(description="Which token.")
class DeleteTokenInput:
    """Input of ``deleteToken``."""

    id: strawberry.ID
    wait: bool = strawberry.field(default=True, description=_WAIT)


@strawberry.input(description="Which token, and how long the old secret stays good.")
class RotateTokenInput:
    """Input of ``rotateToken``."""

    id: strawberry.ID
    grace_seconds: int = strawberry.field(default=GRACE_SECONDS_DEFAULT, description="0 to 604800 (7 days).")
    retire_on_first_use: bool = strawberry.field(
        default=False, description="The new token's first use ends the old one earlier."
    )
    expires_at: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Left out: the old token's whole lifetime again."
    )
    expires_in: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="A lifetime in seconds from now, by the server's clock; give either this or `expiresAt`.",
    )
    wait: bool = strawberry.field(default=True, description=_WAIT)
