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
from spacekey.schema.types.members import Invitation, Member, invitation_type, invited_type, member_type
from spacekey.schema.types.results import AnyRefusal, Conflict, InvalidInput, NotFound, ScopeNotAllowed, answered


@strawberry.input(description="Whom to add, in which role.")
class AddMemberInput:
    """Input of ``addMember``."""

    workspace_id: strawberry.ID
    email: str = strawberry.field(description="Says for whom the invitation is; anyone who has its code can use it.")
    role: str
    name: str | None = strawberry.field(
        default=None, description="What the list of invitations calls the person; no account gets it."
    )


@strawberry.input(description="Whose role to change, and to what.")
class ChangeMemberRoleInput:
    """Input of ``changeMemberRole``."""

    workspace_id: strawberry.ID
    user_id: strawberry.ID
    role: str
    wait: bool = True


@strawberry.input(description="Whom to remove. The tokens they made stay.")
class RemoveMemberInput:
    """Input of ``removeMember``."""

    workspace_id: strawberry.ID
    user_id: strawberry.ID
    wait: bool = True


@strawberry.input(description="Which invitation to take back. Its code is good for nothing from then on.")
class WithdrawInvitationInput:
    """Input of ``withdrawInvitation``."""

    id: strawberry.ID


@strawberry.type(description="The member as they are now.")
class MemberSuccess:
    """Result with the member after the change."""

    member: Member | None
    effective_at: datetime
    invitation: str | None = strawberry.field(
        description="Hand it to the person: a code, shown once, good for 7 days, with which they become a member. "
        "Anyone who has it can use it."
    )
    pending: Invitation | None = strawberry.field(description="The invitation; null where a member was changed.")


@strawberry.type(description="The person is no longer a member.")
class RemoveMemberSuccess:
    """Result with the membership that ended."""

    removed_member_id: strawberry.ID = strawberry.field(description="The member's `id`, to drop from a client's cache.")
    effective_at: datetime


@strawberry.type(description="The invitation can no longer be accepted.")
class WithdrawInvitationSuccess:
    """Result with the withdrawn invitation."""

    withdrawn_invitation_id: strawberry.ID = strawberry.field(
        description="The invitation's `id`, to drop from a client's cache."
    )


MemberResult: TypeAlias = Annotated[
    MemberSuccess | InvalidInput | ScopeNotAllowed | NotFound | Conflict, strawberry.union("MemberResult")
]
RemoveMemberResult: TypeAlias = Annotated[
    RemoveMemberSuccess | ScopeNotAllowed | NotFound | Conflict, strawberry.union("RemoveMemberResult")
]
WithdrawInvitationResult: TypeAlias = Annotated[
    WithdrawInvitationSuccess | ScopeNotAllowed | NotFound | Conflict, strawberry.union("WithdrawInvitationResult")
]


@strawberry.type
class MemberMutations:
    """Mutations of members and invitations."""

    @strawberry.mutation(graphql_type=MemberResult | None, directives=[requires_scopes("members:write")])
    async def add_member(self, info: SpacekeyInfo, input: AddMemberInput) -> object:  # noqa: A002
        """Invite a person to a workspace."""
        context = info.context
        return _member_success(
            await answered(
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
        )

    @strawberry.mutation(graphql_type=MemberResult | None, directives=[requires_scopes("members:write")])
    async def change_member_role(self, info: SpacekeyInfo, input: ChangeMemberRoleInput) -> object:  # noqa: A002
        """Give a member another role."""
        context = info.context
        return _member_success(
            await answered(
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
        )

    @strawberry.mutation(graphql_type=RemoveMemberResult | None, directives=[requires_scopes("members:write")])
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
        return RemoveMemberSuccess(removed_member_id=strawberry.ID(removed), effective_at=answer.effective_at)

    @strawberry.mutation(graphql_type=WithdrawInvitationResult | None, directives=[requires_scopes("members:write")])
    async def withdraw_invitation(self, info: SpacekeyInfo, input: WithdrawInvitationInput) -> object:  # noqa: A002
        """Take back an invitation that was not accepted yet."""
        context = info.context

        async def withdraw() -> WithdrawInvitationSuccess:
            await withdraw_invitation(context.system, context.known_caller, input.id)
            return WithdrawInvitationSuccess(withdrawn_invitation_id=input.id)

        return await answered(context, withdraw)


def _member_success(answer: Membership | Invited | AnyRefusal) -> MemberSuccess | AnyRefusal:
    match answer:
        case Membership():
            return MemberSuccess(
                member=member_type(answer.member, answer.user),
                effective_at=answer.effective_at,
                invitation=None,
                pending=None,
            )
        case Invited():
            return MemberSuccess(
                member=invited_type(answer.pending),
                effective_at=answer.effective_at,
                invitation=answer.invitation.reveal(),
                pending=invitation_type(answer.pending),
            )
        case _:
            return answer
