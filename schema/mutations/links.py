"""Mutations of links by mail: to choose another password, and to prove an email address."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import strawberry

from spacekey.middleware.graphql import requires_scopes
from spacekey.resolvers.accounts.links import (
    ask_for_password_link,
    ask_for_proof_link,
    prove_by_link,
    set_password_by_link,
)
from spacekey.schema.context import Context, SpacekeyInfo
from spacekey.schema.types.members import User, user_type
from spacekey.schema.types.results import Conflict, InvalidInput, NotFound, TooManyAttempts, answered


@strawberry.input(description="The address of an account whose password is forgotten.")
class RequestPasswordResetInput:
    """Input of ``requestPasswordReset``."""

    email: str = strawberry.field(description="The email address, which the account must have verified.")


@strawberry.input(description="A link that was mailed, and the new password.")
class ResetPasswordInput:
    """Input of ``resetPassword``."""

    link: str = strawberry.field(description="The secret of the link, which follows the `#` in its URL.")
    password: str = strawberry.field(description="The new password.")


@strawberry.input(description="A link that was mailed.")
class ProveEmailInput:
    """Input of ``proveEmail``."""

    link: str = strawberry.field(description="The secret of the link, which follows the `#` in its URL.")


@strawberry.type(description="If an account has verified this address, a link is sent to it.")
class RequestPasswordResetSuccess:
    """Result that is the same for every address."""

    delayed: bool = strawberry.field(
        description="Whether the mail server takes no mail at the moment. The mail is sent as soon as it does."
    )


@strawberry.type(description="The password was changed, and all sessions of the account have ended.")
class ResetPasswordSuccess:
    """Result with the sign-in name."""

    sign_in_name: str = strawberry.field(description="What the person signs in with: the sign-in name, or the ID.")


@strawberry.type(description="A link is sent to the address of the account.")
class RequestEmailProofSuccess:
    """Result that tells whether mail is sent at the moment."""

    delayed: bool = strawberry.field(
        description="Whether the mail server takes no mail at the moment. The mail is sent as soon as it does."
    )


@strawberry.type(description="The email address is verified.")
class ProveEmailSuccess:
    """Result with the account after the change."""

    user: User | None = strawberry.field(description="The account after the change.")


RequestPasswordResetResult: TypeAlias = Annotated[
    RequestPasswordResetSuccess | InvalidInput | TooManyAttempts,
    strawberry.union("RequestPasswordResetResult", description="The result of `requestPasswordReset`."),
]

ResetPasswordResult: TypeAlias = Annotated[
    ResetPasswordSuccess | InvalidInput | NotFound | TooManyAttempts,
    strawberry.union("ResetPasswordResult", description="The result of `resetPassword`."),
]

RequestEmailProofResult: TypeAlias = Annotated[
    RequestEmailProofSuccess | InvalidInput | NotFound | Conflict | TooManyAttempts,
    strawberry.union("RequestEmailProofResult", description="The result of `requestEmailProof`."),
]

ProveEmailResult: TypeAlias = Annotated[
    ProveEmailSuccess | NotFound | Conflict,
    strawberry.union("ProveEmailResult", description="The result of `proveEmail`."),
]


@strawberry.type
class LinkMutations:
    """Mutations of links by mail."""

    @strawberry.mutation(
        graphql_type=RequestPasswordResetResult | None,
        description=(
            "Send a link to an address with which to choose another password, if an account has verified the address. "
            "The result is the same for every address."
        ),
    )
    async def request_password_reset(self, info: SpacekeyInfo, input: RequestPasswordResetInput) -> object:  # noqa: A002
        """Call :func:`ask_for_password_link`."""
        context = info.context

        async def ask() -> RequestPasswordResetSuccess:
            await ask_for_password_link(context.system, context.request_facts, email=input.email)
            return RequestPasswordResetSuccess(delayed=_delayed(context))

        return await answered(context, ask)

    @strawberry.mutation(
        graphql_type=ResetPasswordResult | None,
        description="Set a password with a link that was mailed. All sessions of the account end.",
    )
    async def reset_password(self, info: SpacekeyInfo, input: ResetPasswordInput) -> object:  # noqa: A002
        """Call :func:`set_password_by_link`."""
        context = info.context

        async def reset() -> ResetPasswordSuccess:
            user = await set_password_by_link(
                context.system, context.request_facts, link=input.link, password=input.password
            )
            return ResetPasswordSuccess(sign_in_name=user.sign_in_name or user.id)

        return await answered(context, reset)

    @strawberry.mutation(
        graphql_type=RequestEmailProofResult | None,
        description="Send a link to the address of the caller's account that verifies it. Not available to tokens.",
        directives=[requires_scopes()],
    )
    async def request_email_proof(self, info: SpacekeyInfo) -> object:
        """Call :func:`ask_for_proof_link`."""
        context = info.context
        caller = context.signed_in_caller

        async def ask() -> RequestEmailProofSuccess:
            await ask_for_proof_link(context.system, caller)
            return RequestEmailProofSuccess(delayed=_delayed(context))

        return await answered(context, ask)

    @strawberry.mutation(
        graphql_type=ProveEmailResult | None,
        description="Verify the address of the caller's account with a link that was mailed. Not available to tokens.",
        directives=[requires_scopes()],
    )
    async def prove_email(self, info: SpacekeyInfo, input: ProveEmailInput) -> object:  # noqa: A002
        """Call :func:`prove_by_link`."""
        context = info.context
        caller = context.signed_in_caller

        async def prove() -> ProveEmailSuccess:
            return ProveEmailSuccess(user=user_type(await prove_by_link(context.system, caller, link=input.link)))

        return await answered(context, prove)


def _delayed(context: Context) -> bool:
    outbox = context.system.outbox
    return outbox is not None and outbox.is_failing
