"""Sign in, sign out, first password, other password."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from spacekey.middleware.graphql import requires_scopes
from spacekey.resolvers import sessions
from spacekey.resolvers.accept_invitation import accept_invitation
from spacekey.resolvers.caller import MemberCaller
from spacekey.resolvers.sessions import SignedIn

from .answering import answering
from .context import Context, SpacekeyInfo
from .refusal_types import AnyRefusal, InvalidInput, NotFound, SignInFailed, TooManyAttempts, answered


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


@strawberry.type(description="A person who can sign in.")
class User:
    """A person."""

    id: strawberry.ID
    email: str
    name: str


@strawberry.type(description="You are signed in; the session is in the cookie.")
class SignInSuccess:
    """Who you are, and until when the session can last."""

    user: User
    expires_at: datetime


@strawberry.type(description="The session has ended.")
class SignOutSuccess:
    """Signed out."""

    signed_out: bool


SignInResult: TypeAlias = Annotated[
    SignInSuccess | SignInFailed | TooManyAttempts | InvalidInput | NotFound, strawberry.union("SignInResult")
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


async def _opened(context: Context, doing: Callable[[], Awaitable[SignedIn]]) -> SignInSuccess | AnyRefusal:
    answer = await answered(context, doing)
    if not isinstance(answer, SignedIn):
        return answer
    context.session.open(answer)
    user = User(id=strawberry.ID(answer.user.id), email=answer.user.email, name=answer.user.name)
    return SignInSuccess(user=user, expires_at=answer.expires_at)
