"""Sign in, sign out, end other sessions, first password, other password."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from spacekey.middleware.graphql import requires_scopes
from spacekey.resolvers import sessions
from spacekey.resolvers.accept_invitation import accept_invitation
from spacekey.resolvers.caller import MemberCaller
from spacekey.resolvers.own_sessions import SESSIONS_LISTED_MAX, end_other_sessions, end_session
from spacekey.resolvers.sessions import SignedIn

from .answering import answering
from .context import Context, SpacekeyInfo
from .costs import at_most
from .refusal_types import AnyRefusal, Conflict, InvalidInput, NotFound, SignInFailed, TooManyAttempts, answered
from .session_types import User


@strawberry.input(description="Who you are.")
class SignInInput:
    """E-mail address and password."""

    email: str
    password: str


@strawberry.input(description="The code from an invitation, and for somebody new the password to set.")
class AcceptInvitationInput:
    """A first password."""

    code: str
    password: str | None = strawberry.field(
        default=None, description="Your first password; leave it out when you have an account, and sign in before."
    )


@strawberry.input(description="The password you have, and the one you want.")
class ChangePasswordInput:
    """Another password."""

    current: str
    new: str


@strawberry.type(description="You are signed in; the session is in the cookie.")
class SignInSuccess:
    """Who you are, and until when the session can last."""

    user: User
    expires_at: datetime


@strawberry.type(description="The session has ended.")
class SignOutSuccess:
    """Signed out."""

    signed_out: bool


@strawberry.input(description="Which of your sessions to end.")
class EndSessionInput:
    """One session."""

    id: strawberry.ID


@strawberry.type(description="Those browsers have to sign in again.")
class EndSessionsSuccess:
    """The sessions that ended."""

    ended: int = strawberry.field(description="How many.")
    ended_session_ids: list[strawberry.ID] = strawberry.field(
        description="Their `id`s, to drop from a client's cache; at most 100.",
        directives=[at_most(SESSIONS_LISTED_MAX)],
    )


SignInResult: TypeAlias = Annotated[
    SignInSuccess | SignInFailed | TooManyAttempts | InvalidInput | NotFound, strawberry.union("SignInResult")
]

EndSessionsResult: TypeAlias = Annotated[
    EndSessionsSuccess | NotFound | Conflict, strawberry.union("EndSessionsResult")
]


@strawberry.type
class SessionMutations:
    """What members do with their sessions. Tokens cannot."""

    @strawberry.mutation(graphql_type=SignInResult, description="Open a session; for people, not for tokens.")
    async def sign_in(self, info: SpacekeyInfo, input: SignInInput) -> object:  # noqa: A002
        """A door to :func:`sessions.sign_in`."""
        context = info.context
        return await _opened(
            context,
            lambda: sessions.sign_in(context.system, context.request_facts, email=input.email, password=input.password),
        )

    @strawberry.mutation(
        graphql_type=SignInResult,
        description="Join the workspace an invitation is for, with your first password or signed in already.",
    )
    async def accept_invitation(self, info: SpacekeyInfo, input: AcceptInvitationInput) -> object:  # noqa: A002
        """A door to :func:`accept_invitation`."""
        context = info.context
        member = context.caller if isinstance(context.caller, MemberCaller) else None
        return await _opened(
            context,
            lambda: accept_invitation(
                context.system, context.request_facts, member, code=input.code, password=input.password
            ),
        )

    @strawberry.mutation(
        graphql_type=SignInResult,
        description="Set another password; all your sessions end and a new one begins.",
        directives=[requires_scopes()],
    )
    async def change_password(self, info: SpacekeyInfo, input: ChangePasswordInput) -> object:  # noqa: A002
        """A door to :func:`sessions.change_password`."""
        context = info.context
        caller = context.signed_in_caller
        return await _opened(
            context, lambda: sessions.change_password(context.system, caller, current=input.current, new=input.new)
        )

    @strawberry.mutation(description="End this session.", directives=[requires_scopes()])
    async def sign_out(self, info: SpacekeyInfo) -> SignOutSuccess:
        """A door to :func:`sessions.sign_out`."""
        context = info.context
        caller, secret = context.signed_in_caller, context.session.secret
        if secret is not None:
            with answering():
                await sessions.sign_out(context.system, caller, secret)
        context.session.close()
        return SignOutSuccess(signed_out=True)

    @strawberry.mutation(
        graphql_type=EndSessionsResult, description="End one of your sessions.", directives=[requires_scopes()]
    )
    async def end_session(self, info: SpacekeyInfo, input: EndSessionInput) -> object:  # noqa: A002
        """A door to :func:`end_session`."""
        context = info.context
        caller = context.signed_in_caller
        answer = await answered(context, lambda: end_session(context.system, caller, input.id, context.session.secret))
        if not isinstance(answer, bool):
            return answer
        if answer:
            context.session.close()
        return _ended([input.id])

    @strawberry.mutation(
        graphql_type=EndSessionsResult,
        description="End all of your sessions but this one.",
        directives=[requires_scopes()],
    )
    async def end_other_sessions(self, info: SpacekeyInfo) -> object:
        """A door to :func:`end_other_sessions`."""
        context = info.context
        caller = context.signed_in_caller
        answer = await answered(context, lambda: end_other_sessions(context.system, caller, context.session.secret))
        return _ended(answer) if isinstance(answer, list) else answer


def _ended(ids: Sequence[str]) -> EndSessionsSuccess:
    shown = [strawberry.ID(one) for one in ids[:SESSIONS_LISTED_MAX]]
    return EndSessionsSuccess(ended=len(ids), ended_session_ids=shown)


async def _opened(context: Context, doing: Callable[[], Awaitable[SignedIn]]) -> SignInSuccess | AnyRefusal:
    answer = await answered(context, doing)
    if not isinstance(answer, SignedIn):
        return answer
    context.session.open(answer)
    user = User(id=strawberry.ID(answer.user.id), email=answer.user.email, name=answer.user.name)
    return SignInSuccess(user=user, expires_at=answer.expires_at)
