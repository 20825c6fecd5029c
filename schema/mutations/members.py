"""Mutations of members and invitations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from spacekey.domain.ids import member_id
from spacekey.middleware.graphql import requires_scopes
from spacekey.resolvers.members import members
from spacekey.resolvers.members.invitations import withdraw_invitation
from spacekey.resolvers.members.members import Invited, Membership
from spacekey.schema.context import SpacekeyInfo
from spacekey.schema.types.members import Invitation, Member, member_type
from spacekey.schema.types.objects import shown_invitation
from spacekey.schema.types.results import Conflict, InvalidInput, NotFound, ScopeNotAllowed, answered

from .inputs import EFFECTIVE, WAIT


@strawberry.input(description="The person to invite to a workspace.")
class AddMemberInput:
    """Input of ``addMember``."""

    workspace_id: strawberry.ID = strawberry.field(description="The ID of the workspace.")
    email: str = strawberry.field(
        description=(
            "The email address of the person, to tell invitations apart. Anyone who has the "
            "invitation's code can accept it."
        )
    )
    role: str = strawberry.field(description="The name of the role that the person gets.")
    name: str | None = strawberry.field(
        default=None, description="The name of the person, shown in the list of invitations."
    )


@strawberry.input(description="The member whose role to change, and the new role.")
class ChangeMemberRoleInput:
    """Input of ``changeMemberRole``."""

    workspace_id: strawberry.ID = strawberry.field(description="The ID of the workspace.")
    user_id: strawberry.ID = strawberry.field(description="The ID of the member's account.")
    role: str = strawberry.field(description="The name of the new role.")
    wait: bool = strawberry.field(default=True, description=WAIT)


@strawberry.input(description="The member to remove. Tokens that they created remain.")
class RemoveMemberInput:
    """Input of ``removeMember``."""

    workspace_id: strawberry.ID = strawberry.field(description="The ID of the workspace.")
    user_id: strawberry.ID = strawberry.field(description="The ID of the member's account.")
    wait: bool = strawberry.field(default=True, description=WAIT)


@strawberry.input(description="The invitation to withdraw. Its code no longer works.")
class WithdrawInvitationInput:
    """Input of ``withdrawInvitation``."""

    id: strawberry.ID = strawberry.field(description="The ID of the invitation.")


@strawberry.type(description="The person was invited.")
class AddMemberSuccess:
    """Result with the invitation and its code."""

    invitation: Invitation | None = strawberry.field(description="The invitation.")
    invitation_code: str = strawberry.field(
        description=(
            "The invitation's code, to be given to the person. It is shown only here and valid "
            "for 7 days, and anyone who has it can accept the invitation."
        )
    )


@strawberry.type(description="The member has the role.")
class ChangeMemberRoleSuccess:
    """Result with the member after the change."""

    member: Member | None = strawberry.field(description="The member after the change.")
    effective_at: datetime = strawberry.field(description=EFFECTIVE)


@strawberry.type(description="The person is no longer a member.")
class RemoveMemberSuccess:
    """Result with the membership that ended."""

    removed_member_id: strawberry.ID = strawberry.field(description="The ID of the removed member.")
    removed_user_id: strawberry.ID = strawberry.field(description="The ID of the account of the removed member.")
    effective_at: datetime = strawberry.field(description=EFFECTIVE)


@strawberry.type(description="The invitation was withdrawn.")
class WithdrawInvitationSuccess:
    """Result with the withdrawn invitation."""

    withdrawn_invitation_id: strawberry.ID = strawberry.field(description="The ID of the withdrawn invitation.")


AddMemberResult: TypeAlias = Annotated[
    AddMemberSuccess | InvalidInput | ScopeNotAllowed | NotFound | Conflict,
    strawberry.union("AddMemberResult", description="The result of `addMember`."),
]
ChangeMemberRoleResult: TypeAlias = Annotated[
    ChangeMemberRoleSuccess | InvalidInput | ScopeNotAllowed | NotFound | Conflict,
    strawberry.union("ChangeMemberRoleResult", description="The result of `changeMemberRole`."),
]
RemoveMemberResult: TypeAlias = Annotated[
    RemoveMemberSuccess | ScopeNotAllowed | NotFound | Conflict,
    strawberry.union("RemoveMemberResult", description="The result of `removeMember`."),
]
WithdrawInvitationResult: TypeAlias = Annotated[
    WithdrawInvitationSuccess | ScopeNotAllowed | NotFound | Conflict,
    strawberry.union("WithdrawInvitationResult", description="The result of `withdrawInvitation`."),
]


@strawberry.type
class MemberMutations:
    """Mutations of members and invitations."""

    @strawberry.mutation(
        graphql_type=AddMemberResult | None,
        description="Invite a person to a workspace.",
        directives=[requires_scopes("members:write")],
    )
    async def add_member(self, info: SpacekeyInfo, input: AddMemberInput) -> object:  # noqa: A002
        """Invite a person to a workspace."""
        context = info.context
        answer = await answered(
            context,
            lambda: members.add_member(
                context.system,
                context.known_caller,
                input.workspace_id,
                email=input.email,
                role=input.role,
                name=input.name,
            ),
        )
        if not isinstance(answer, Invited):
            return answer
        return AddMemberSuccess(invitation=shown_invitation(answer.pending), invitation_code=answer.invitation.reveal())

    @strawberry.mutation(
        graphql_type=ChangeMemberRoleResult | None,
        description="Change the role of a member.",
        directives=[requires_scopes("members:write")],
    )
    async def change_member_role(self, info: SpacekeyInfo, input: ChangeMemberRoleInput) -> object:  # noqa: A002
        """Give a member another role."""
        context = info.context
        answer = await answered(
            context,
            lambda: members.change_member_role(
                context.system,
                context.known_caller,
                input.workspace_id,
                input.user_id,
                role=input.role,
                wait=input.wait,
            ),
        )
        if not isinstance(answer, Membership):
            return answer
        return ChangeMemberRoleSuccess(member=member_type(answer.member, answer.user), effective_at=answer.effective_at)

    @strawberry.mutation(
        graphql_type=RemoveMemberResult | None,
        description="Remove a member from a workspace. Tokens that they created remain.",
        directives=[requires_scopes("members:write")],
    )
    async def remove_member(self, info: SpacekeyInfo, input: RemoveMemberInput) -> object:  # noqa: A002
        """Remove a member; the tokens they made stay."""
        context = info.context
        answer = await answered(
            context,
            lambda: members.remove_member(
                context.system, context.known_caller, input.workspace_id, input.user_id, wait=input.wait
            ),
        )
        if not isinstance(answer, Membership):
            return answer
        removed = member_id(answer.member.workspace_id, answer.member.user_id)
        return RemoveMemberSuccess(
            removed_member_id=strawberry.ID(removed),
            removed_user_id=strawberry.ID(answer.member.user_id),
            effective_at=answer.effective_at,
        )

    @strawberry.mutation(
        graphql_type=WithdrawInvitationResult | None,
        description="Withdraw a pending invitation.",
        directives=[requires_scopes("members:write")],
    )
    async def withdraw_invitation(self, info: SpacekeyInfo, input: WithdrawInvitationInput) -> object:  # noqa: A002
        """Take back an invitation that was not accepted yet."""
        context = info.context

        async def withdraw() -> WithdrawInvitationSuccess:
            await withdraw_invitation(context.system, context.known_caller, input.id)
            return WithdrawInvitationSuccess(withdrawn_invitation_id=input.id)

        return await answered(context, withdraw)
