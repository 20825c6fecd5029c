"""Mutations of a signed-in member's sessions and account, and accepting an invitation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeAlias, TypeVar

import strawberry

from spacekey.middleware.graphql import requires_scopes
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.accounts import sessions
from spacekey.resolvers.accounts.sessions import (
    SESSIONS_LISTED_MAX,
    SignedIn,
    SignedOut,
    end_other_sessions,
    end_session,
)
from spacekey.resolvers.accounts.users import update_account
from spacekey.resolvers.members.invitations import Joined, accept_invitation
from spacekey.schema.context import Context, SpacekeyInfo
from spacekey.schema.limits.costs import at_most
from spacekey.schema.types.members import User, user_type
from spacekey.schema.types.results import (
    AnyRefusal,
    Conflict,
    InvalidInput,
    NotFound,
    SignInFailed,
    TooManyAttempts,
    answered,
)

from .inputs import check_not_null, kept, kept_whole

T = TypeVar("T")


@strawberry.input(description="The sign-in name and password of a person.")
class SignInInput:
    """Input of ``signIn``."""

    email: str = strawberry.field(
        description=(
            "The sign-in name or the ID of the account. The sign-in name is the address that the "
            "person was invited by, unless they chose another."
        )
    )
    password: str = strawberry.field(description="The password of the account.")


@strawberry.input(
    description=(
        "The code of an invitation. A signed-in person joins with their account; otherwise an account is created."
    )
)
class AcceptInvitationInput:
    """Input of ``acceptInvitation``."""

    code: str = strawberry.field(description="The code of the invitation.")
    password: str | None = strawberry.field(
        default=None, description="The password for the new account. Leave it out if you are signed in."
    )
    name: str | None = strawberry.field(
        default=None,
        description=("The name for the new account. Defaults to the part of the email address before the @."),
    )


@strawberry.input(description=("The changes to the caller's account. Fields that are left out keep their value."))
class UpdateAccountInput:
    """Input of ``updateAccount``."""

    name: str | None = strawberry.field(default=strawberry.UNSET, description="The new name of the person.")
    email: str | None = strawberry.field(
        default=strawberry.UNSET, description="The new email address, which is not verified. Null removes the address."
    )
    sign_in_name: str | None = strawberry.field(default=strawberry.UNSET, description="The new sign-in name.")


@strawberry.input(description="The current and the new password of the caller.")
class ChangePasswordInput:
    """Input of ``changePassword``."""

    current: str = strawberry.field(description="The current password.")
    new: str = strawberry.field(description="The new password.")


@strawberry.type(description="The person is signed in. The session is in the response's cookie.")
class SignInSuccess:
    """Result with the member, and when the session ends at the latest."""

    user: User | None = strawberry.field(description="The account of the person.")
    expires_at: datetime = strawberry.field(description="When the session ends at the latest.")


@strawberry.type(description="The person is a member of the workspace.")
class AcceptInvitationSuccess:
    """Result with the account, the workspace, and when a new session ends at the latest."""

    user: User | None = strawberry.field(description="The account of the person.")
    workspace_id: strawberry.ID = strawberry.field(description="The ID of the workspace.")
    expires_at: datetime | None = strawberry.field(
        description=("When the new account's session ends at the latest. Null if the person was signed in already.")
    )


@strawberry.type(description="The account after the change.")
class UpdateAccountSuccess:
    """Result with the account after the change."""

    user: User | None = strawberry.field(description="The account after the change.")


@strawberry.type(description="The password was changed. The new session is in the response's cookie.")
class ChangePasswordSuccess:
    """Result with the account, and when the new session ends at the latest."""

    user: User | None = strawberry.field(description="The account of the person.")
    expires_at: datetime = strawberry.field(description="When the new session ends at the latest.")


@strawberry.type(description="The caller is signed out.")
class SignOutSuccess:
    """Result of signing out."""

    ended_session_id: strawberry.ID | None = strawberry.field(
        description="The ID of the session that ended. Null if it had ended already."
    )
    next_url: str | None = strawberry.field(
        description=(
            "The page to open next, on which the person signs out of the identity provider or host application too. "
            "Null if there is none."
        )
    )


@strawberry.input(description="The session to end.")
class EndSessionInput:
    """Input of ``endSession``."""

    id: strawberry.ID = strawberry.field(description="The ID of the session.")


@strawberry.type(description="The session has ended. The browser has to sign in again.")
class EndSessionSuccess:
    """Result with the session that ended."""

    ended_session_id: strawberry.ID = strawberry.field(description="The ID of the session that ended.")


@strawberry.type(description="The sessions have ended. These browsers have to sign in again.")
class EndOtherSessionsSuccess:
    """Result with the sessions that ended."""

    ended_count: int = strawberry.field(description="The number of sessions that ended.")
    ended_session_ids: list[strawberry.ID] = strawberry.field(
        description="The IDs of the sessions that ended, at most 100.", directives=[at_most(SESSIONS_LISTED_MAX)]
    )


SignInResult: TypeAlias = Annotated[
    SignInSuccess | SignInFailed | TooManyAttempts | InvalidInput,
    strawberry.union("SignInResult", description="The result of `signIn`."),
]

ChangePasswordResult: TypeAlias = Annotated[
    ChangePasswordSuccess | SignInFailed | TooManyAttempts | InvalidInput | NotFound,
    strawberry.union("ChangePasswordResult", description="The result of `changePassword`."),
]

SignOutResult: TypeAlias = Annotated[
    SignOutSuccess | Conflict, strawberry.union("SignOutResult", description="The result of `signOut`.")
]

AcceptInvitationResult: TypeAlias = Annotated[
    AcceptInvitationSuccess | TooManyAttempts | InvalidInput | NotFound | Conflict,
    strawberry.union("AcceptInvitationResult", description="The result of `acceptInvitation`."),
]

UpdateAccountResult: TypeAlias = Annotated[
    UpdateAccountSuccess | InvalidInput | Conflict | TooManyAttempts | NotFound,
    strawberry.union("UpdateAccountResult", description="The result of `updateAccount`."),
]

EndSessionResult: TypeAlias = Annotated[
    EndSessionSuccess | NotFound | Conflict,
    strawberry.union("EndSessionResult", description="The result of `endSession`."),
]

EndOtherSessionsResult: TypeAlias = Annotated[
    EndOtherSessionsSuccess | NotFound | Conflict,
    strawberry.union("EndOtherSessionsResult", description="The result of `endOtherSessions`."),
]


@strawberry.type
class SessionMutations:
    """Mutations for signed-in members; tokens are refused."""

    @strawberry.mutation(
        graphql_type=SignInResult | None, description="Sign in and open a session. Not available to tokens."
    )
    async def sign_in(self, info: SpacekeyInfo, input: SignInInput) -> object:  # noqa: A002
        """Call :func:`sessions.sign_in`."""
        context = info.context
        return await _opened(
            context,
            SignInSuccess,
            lambda: sessions.sign_in(context.system, context.request_facts, email=input.email, password=input.password),
        )

    @strawberry.mutation(
        graphql_type=AcceptInvitationResult | None,
        description="Accept an invitation to a workspace, with the caller's account or a new one.",
    )
    async def accept_invitation(self, info: SpacekeyInfo, input: AcceptInvitationInput) -> object:  # noqa: A002
        """Call :func:`accept_invitation`."""
        context = info.context
        member = context.caller if isinstance(context.caller, MemberCaller) else None
        answer = await answered(
            context,
            lambda: accept_invitation(
                context.system,
                context.request_facts,
                member,
                code=input.code,
                password=input.password,
                name=input.name,
            ),
        )
        if not isinstance(answer, Joined):
            return answer
        if answer.signed_in is not None:
            context.session.open(answer.signed_in)
        return AcceptInvitationSuccess(
            user=user_type(answer.user),
            workspace_id=strawberry.ID(answer.workspace_id),
            expires_at=None if answer.signed_in is None else answer.signed_in.expires_at,
        )

    @strawberry.mutation(
        graphql_type=UpdateAccountResult | None,
        description=("Change the caller's name, email address or sign-in name. Not available to tokens."),
        directives=[requires_scopes()],
    )
    async def update_account(self, info: SpacekeyInfo, input: UpdateAccountInput) -> object:  # noqa: A002
        """Call :func:`update_account`."""
        context = info.context
        caller = context.signed_in_caller

        async def update() -> UpdateAccountSuccess:
            check_not_null(name=input.name, sign_in_name=input.sign_in_name)
            changed = await update_account(
                context.system,
                caller,
                name=kept_whole("name", input.name),
                email=kept(input.email),
                sign_in_name=kept_whole("sign_in_name", input.sign_in_name),
            )
            return UpdateAccountSuccess(user=user_type(changed))

        return await answered(context, update)

    @strawberry.mutation(
        graphql_type=ChangePasswordResult | None,
        description=(
            "Change the caller's password. All of their sessions end and a new one is opened. Not available to tokens."
        ),
        directives=[requires_scopes()],
    )
    async def change_password(self, info: SpacekeyInfo, input: ChangePasswordInput) -> object:  # noqa: A002
        """Call :func:`sessions.change_password`."""
        context = info.context
        caller = context.signed_in_caller
        return await _opened(
            context,
            ChangePasswordSuccess,
            lambda: sessions.change_password(context.system, caller, current=input.current, new=input.new),
        )

    @strawberry.mutation(
        graphql_type=SignOutResult | None,
        description="End the session of this request. Not available to tokens.",
        directives=[requires_scopes()],
    )
    async def sign_out(self, info: SpacekeyInfo) -> object:
        """Call :func:`sessions.sign_out`."""
        context = info.context
        caller, secret = context.signed_in_caller, context.session.secret

        async def end() -> SignOutSuccess:
            ended = SignedOut() if secret is None else await sessions.sign_out(context.system, caller, secret)
            return SignOutSuccess(
                ended_session_id=None if ended.session_id is None else strawberry.ID(ended.session_id),
                next_url=await context.session.page_after(ended.issuer),
            )

        answer = await answered(context, end)
        if isinstance(answer, SignOutSuccess):
            context.session.close()
        return answer

    @strawberry.mutation(
        graphql_type=EndSessionResult | None,
        description="End one of the caller's sessions. Not available to tokens.",
        directives=[requires_scopes()],
    )
    async def end_session(self, info: SpacekeyInfo, input: EndSessionInput) -> object:  # noqa: A002
        """Call :func:`end_session`."""
        context = info.context
        caller = context.signed_in_caller
        answer = await answered(context, lambda: end_session(context.system, caller, input.id, context.session.secret))
        if not isinstance(answer, bool):
            return answer
        if answer:
            context.session.close()
        return EndSessionSuccess(ended_session_id=input.id)

    @strawberry.mutation(
        graphql_type=EndOtherSessionsResult | None,
        description=("End all of the caller's sessions except the one of this request. Not available to tokens."),
        directives=[requires_scopes()],
    )
    async def end_other_sessions(self, info: SpacekeyInfo) -> object:
        """Call :func:`end_other_sessions`."""
        context = info.context
        caller = context.signed_in_caller
        answer = await answered(context, lambda: end_other_sessions(context.system, caller, context.session.secret))
        if not isinstance(answer, list):
            return answer
        shown = [strawberry.ID(one) for one in answer[:SESSIONS_LISTED_MAX]]
        return EndOtherSessionsSuccess(ended_count=len(answer), ended_session_ids=shown)


async def _opened(
    context: Context, success: Callable[..., T], doing: Callable[[], Awaitable[SignedIn]]
) -> T | AnyRefusal:
    answer = await answered(context, doing)
    if not isinstance(answer, SignedIn):
        return answer
    context.session.open(answer)
    return success(user=user_type(answer.user), expires_at=answer.expires_at)
