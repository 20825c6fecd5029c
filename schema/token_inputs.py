"""What token mutations take."""

from __future__ import annotations

from datetime import datetime

import strawberry

from spacekey.domain.unset import UNSET
from spacekey.resolvers.token_expiry import asked_expiry
from spacekey.resolvers.tokens.create import NewToken
from spacekey.resolvers.tokens.rotate import GRACE_SECONDS_DEFAULT
from spacekey.resolvers.tokens.update import TokenChanges
from spacekey.schema.mutations.inputs import kept, kept_whole
from spacekey.schema.types.objects import Environment

_WAIT = "Answer only when no process anywhere accepts the token any more; false answers at once with `effectiveAt`."


@strawberry.input(description="What every new token needs.")
class CreateTokenFields:
    """Give grants, a preset, or both."""

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
        """The same in the resolvers' words.

        :raises InvalidInput: a lifetime that cannot be, or a moment beside one.
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
    """Which space."""

    space_id: strawberry.ID = strawberry.field(default=strawberry.UNSET)


@strawberry.input(description="A new token of a workspace.")
class CreateWorkspaceTokenInput(CreateTokenFields):
    """Which workspace."""

    workspace_id: strawberry.ID = strawberry.field(default=strawberry.UNSET)


@strawberry.input(description="What to change: what is left out stays, null clears.")
class UpdateTokenInput:
    """Changes of a token."""

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
        """The same in the resolvers' words.

        :raises InvalidInput: null for what cannot be cleared, or a lifetime that cannot be.
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
    """A token to disable."""

    id: strawberry.ID
    wait: bool = strawberry.field(default=True, description=_WAIT)


@strawberry.input(description="Which token.")
class EnableTokenInput:
    """A token to enable."""

    id: strawberry.ID


@strawberry.input(description="Which token, and why.")
class RevokeTokenInput:
    """A token to revoke."""

    id: strawberry.ID
    reason: str | None = None
    wait: bool = strawberry.field(default=True, description=_WAIT)


@strawberry.input(description="Which tokens, up to 100, and why. All are revoked or none.")
class RevokeTokensInput:
    """Tokens to revoke."""

    ids: list[strawberry.ID]
    reason: str | None = None
    wait: bool = strawberry.field(default=True, description=_WAIT)


@strawberry.input(description="Which token.")
class DeleteTokenInput:
    """A token to delete."""

    id: strawberry.ID
    wait: bool = strawberry.field(default=True, description=_WAIT)


@strawberry.input(description="Which token, and how long the old secret stays good.")
class RotateTokenInput:
    """A token to rotate."""

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
