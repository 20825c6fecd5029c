"""GraphQL types of audit events, their actions and outcomes."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry
from strawberry.scalars import JSON

from spacekey.domain.ids import id_prefix
from spacekey.models.tables.records import AnyEvent
from spacekey.resolvers.access.authority import READ
from spacekey.schema.context import SpacekeyInfo
from spacekey.schema.errors import answering

from .actors import Actor, ObjectTypes, actor_type
from .relay import Node, enum_value


@strawberry.enum(description="How an action ended.")
class AuditOutcome(Enum):
    """Enum of the outcomes of events."""

    SUCCESS = enum_value("success", description="The action was carried out.")
    DENIED = enum_value("denied", description="The action was refused, and nothing was changed.")
    ALERT = enum_value(
        "alert", description="The action was refused, and the secret may be in the wrong hands: look into it."
    )


@strawberry.enum(description="What was done. Expect new actions to be added.")
class AuditAction(Enum):
    """Enum of the actions of events, whose values are their names in the audit log."""

    AUDIT_CHECKPOINT = enum_value("audit.checkpoint", description="The heads of the audit logs were recorded.")
    AUDIT_RESTORE = enum_value("audit.restore", description="After a restore, exports of the audit log were replayed.")
    MEMBER_ADD = enum_value("member.add", description="The operator added a member.")
    MEMBER_CHANGE_ROLE = enum_value("member.change_role", description="The role of a member was changed.")
    MEMBER_END_INVITATIONS = enum_value(
        "member.end_invitations", description="Invitations ended because their inviter may no longer make them."
    )
    MEMBER_INVITE = enum_value("member.invite", description="A person was invited.")
    MEMBER_JOIN = enum_value("member.join", description="A person accepted an invitation.")
    MEMBER_REMOVE = enum_value("member.remove", description="A member was removed.")
    MEMBER_WITHDRAW_INVITATION = enum_value("member.withdraw_invitation", description="An invitation was withdrawn.")
    PORTAL_SESSION_END = enum_value("portal_session.end", description="A portal session was ended before its time.")
    PORTAL_SESSION_OPEN = enum_value("portal_session.open", description="A portal session was opened.")
    ROLE_REMOVE = enum_value("role.remove", description="A role was removed from the workspace.")
    ROLE_SET = enum_value("role.set", description="A role of the workspace was added or changed.")
    SERVICE_CREATE = enum_value("service.create", description="The operator created a service.")
    SERVICE_END_SECRET = enum_value("service.end_secret", description="A service revoked its own secret.")
    SERVICE_REVOKE = enum_value("service.revoke", description="The operator revoked a service's credential.")
    SERVICE_ROTATE = enum_value("service.rotate", description="The operator rotated a service's credential.")
    SESSION_END = enum_value("session.end", description="A person ended one of their sessions.")
    SESSION_END_OTHERS = enum_value("session.end_others", description="A person ended their other sessions.")
    SESSION_SIGN_IN = enum_value("session.sign_in", description="A person signed in, or failed to.")
    SESSION_SIGN_OUT = enum_value("session.sign_out", description="A person signed out.")
    SETTINGS_STALENESS = enum_value("settings.staleness", description="The revocation delay was changed.")
    SPACE_CREATE = enum_value("space.create", description="A space was created.")
    SPACE_DELETE = enum_value("space.delete", description="A space was deleted.")
    SPACE_UPDATE = enum_value("space.update", description="A space was changed.")
    TOKEN_CREATE = enum_value("token.create", description="A token was created, also by a rotation.")
    TOKEN_DELETE = enum_value("token.delete", description="A token was deleted.")
    TOKEN_DISABLE = enum_value("token.disable", description="A token was disabled.")
    TOKEN_ENABLE = enum_value("token.enable", description="A token was enabled.")
    TOKEN_IMPORT = enum_value("token.import", description="A key that another system made was imported.")
    TOKEN_REFUSED = enum_value("token.refused", description="A token that is not valid was used.")
    TOKEN_REVOKE = enum_value("token.revoke", description="A token was revoked.")
    TOKEN_ROTATE = enum_value("token.rotate", description="A token was replaced by another one.")
    TOKEN_UPDATE = enum_value("token.update", description="A token was changed.")
    USER_ACCEPT_INVITATION = enum_value(
        "user.accept_invitation", description="An account was created by accepting an invitation."
    )
    USER_CHANGE_PASSWORD = enum_value("user.change_password", description="A person changed their password.")
    USER_CREATE = enum_value("user.create", description="An account was created.")
    USER_ERASE = enum_value("user.erase", description="A person's data was erased.")
    USER_JOIN = enum_value("user.join", description="A person signed in from outside for the first time.")
    USER_LINK = enum_value(
        "user.link", description="An account was given an identity from outside, and lost its password."
    )
    USER_PROVE_EMAIL = enum_value("user.prove_email", description="An email address was verified.")
    USER_RESET_PASSWORD = enum_value("user.reset_password", description="The operator reset a password.")
    USER_UPDATE = enum_value("user.update", description="An account was changed.")
    WORKSPACE_CREATE = enum_value("workspace.create", description="The workspace was created.")
    WORKSPACE_DELETE = enum_value("workspace.delete", description="The workspace was deleted.")
    WORKSPACE_UPDATE = enum_value(
        "workspace.update", description="The name, slug, plan, policy or limit of the workspace was changed."
    )
    OTHER = enum_value("other", description="An action of another version of this server.")


@strawberry.type(
    description=("An entry of the audit log: who did what to which object, from where, and with what outcome.")
)
class AuditEvent(Node):
    """GraphQL type of an audit event. Its hash covers the event before it."""

    row: strawberry.Private[AnyEvent]
    types: strawberry.Private[ObjectTypes]
    sequence: int = strawberry.field(
        description=("The position of the event in the workspace's audit log, counted from 1 without gaps.")
    )
    created_at: datetime = strawberry.field(description="When the event happened.")
    action: AuditAction = strawberry.field(description="What was done.")
    outcome: AuditOutcome = strawberry.field(description="How the action ended.")
    actor: Actor = strawberry.field(description="Who did it.")
    credential: str | None = strawberry.field(
        description=(
            "The credential that was used: `session`, `command line`, or the ID of a token. Null if there was none."
        )
    )
    target_id: str = strawberry.field(description="The ID of the object that the action was about.")
    target_name: str | None = strawberry.field(
        description=(
            "The name or email address of the person that the action was about. Null if it was "
            "about no person, or once the person was erased."
        )
    )
    target_facts: JSON | None = strawberry.field(
        description=("Further facts about the person that the action was about. An erasure removes them.")
    )
    before: JSON | None = strawberry.field(
        description="The changed values before the action. Null if the action has none."
    )
    after: JSON | None = strawberry.field(
        description="The changed values after the action. Null if the action has none."
    )
    ip: str | None = strawberry.field(description="The IP address that the request came from. Null if it is unknown.")
    user_agent: str | None = strawberry.field(
        description="The `User-Agent` header of the request. Null if it is unknown."
    )
    request_id: str = strawberry.field(
        description=("The ID of the request, as in the response's `X-Request-ID` header and in the server's log.")
    )
    hash: str = strawberry.field(
        description=("The SHA-256 hash of this event and the hash of the one before it, in hexadecimal.")
    )
    actor_erased: bool = strawberry.field(description="Whether the actor's name was erased. Its kind and ID remain.")
    target_erased: bool = strawberry.field(description="Whether the person that the action was about was erased.")

    @strawberry.field(
        description=(
            "The object that the action was about: a token, space, workspace, member or pending invitation. "
            "Null if it is none of these, no longer exists, or the caller cannot read it."
        )
    )
    async def target(self, info: SpacekeyInfo) -> Node | None:
        """Return the object that the action was about."""
        loaders, types, target_id = info.context.loaders, self.types, self.row.target_id
        with answering():
            match id_prefix(target_id):
                case "key":
                    view = await loaders.token.load(target_id)
                    return None if view is None else types.token(view)
                case "space":
                    space = await loaders.space.load(target_id)
                    return None if space is None else types.space(space)
                case "ws":
                    authority = await loaders.authority.load(target_id)
                    readable = authority is not None and READ in authority.scopes
                    return types.workspace(authority) if authority is not None and readable else None
                case "usr":
                    member = await loaders.member.load((self.row.chain, target_id))
                    return None if member is None else types.member(*member)
                case "inv":
                    invitation = await loaders.invitation.load(target_id)
                    return None if invitation is None else types.invitation(invitation)
                case _:
                    return None


def event_type(row: AnyEvent, types: ObjectTypes) -> AuditEvent:
    """Return an event as its GraphQL type."""
    return AuditEvent(
        id=strawberry.ID(row.id),
        row=row,
        types=types,
        sequence=row.sequence,
        created_at=row.at,
        action=_ACTIONS.get(row.action, AuditAction.OTHER),
        outcome=AuditOutcome(row.outcome),
        actor=actor_type(row.actor, row.chain, types),
        credential=row.credential or None,
        target_id=row.target_id,
        target_name=row.target_name or None,
        target_facts=None if row.target_facts is None else JSON(row.target_facts),
        before=None if row.before is None else JSON(row.before),
        after=None if row.after is None else JSON(row.after),
        ip=row.ip or None,
        user_agent=row.user_agent or None,
        request_id=row.request_id,
        hash=row.hash.hex(),
        actor_erased=row.actor_erased,
        target_erased=row.target_erased,
    )


_ACTIONS = {one.value: one for one in AuditAction}
