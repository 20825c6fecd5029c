"""Creation of tokens. Besides rotation, this is the only place where a secret exists outside its owner's hands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypedDict

from spacekey.domain.clock import whole_milliseconds_later
from spacekey.domain.external import clean_external_id, clean_metadata
from spacekey.domain.ids import KEY, SPACE, id_prefix, new_id
from spacekey.domain.metadata import Json
from spacekey.domain.principal import Kind
from spacekey.domain.refusal import Faults, InputCode, InvalidInput, NotFound, PlanLimit
from spacekey.domain.secret import Secret, mint
from spacekey.domain.unset import UNSET, Unset
from spacekey.models.engine.reading import Reader
from spacekey.models.engine.session_reader import Transaction, reader_in
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.token import Token
from spacekey.resolvers.access.authority import Authority, authority_to_change
from spacekey.resolvers.access.caller import Caller, PortalCaller
from spacekey.resolvers.access.delegation import check_strengthening, power_of
from spacekey.resolvers.access.entitlements import plan_of, policy_of
from spacekey.resolvers.audit.log import actor_of, record
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import DESCRIPTION_LENGTH_MAX, clean_name, clean_text, unknown

from .grants import checked_expiry, checked_grants
from .idempotency import CREATE, IdempotentRequest, check_new, in_progress, remember
from .view import TokenView, audit_facts, view_of


@dataclass(frozen=True, slots=True)
class NewToken:
    """Properties of a token to create. With ``space_id`` it is a space token, without a workspace token.

    ``external_id`` and ``metadata`` are the host application's; see :mod:`spacekey.domain.external`.

    :param workspace_id: None for the workspace of the space.
    """

    workspace_id: str | None
    name: str
    grants: tuple[str, ...] = ()
    space_id: str | None = None
    preset: str | None = None
    description: str = ""
    environment: str | None = None
    expires_at: datetime | Unset | None = UNSET
    external_id: str | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token with its secret, which is available only now. Valid from ``effective_at``."""

    view: TokenView
    secret: Secret
    effective_at: datetime


async def create_space_token(
    system: System, caller: Caller, space_id: str, new: NewToken, request: IdempotentRequest | None = None
) -> Issued:
    """Create a token of a space, given by the space's id alone.

    :raises Refusal: as :func:`create_token`; NotFound("space") for an unknown or foreign space.
    """
    if id_prefix(space_id) != SPACE:
        raise NotFound("space")
    try:
        return await create_token(system, caller, replace(new, workspace_id=None, space_id=space_id), request)
    except NotFound:
        raise NotFound("space") from None


async def create_token(
    system: System, caller: Caller, new: NewToken, request: IdempotentRequest | None = None
) -> Issued:
    """Create a token and return it with its secret, which is available only now.

    :param request: makes the request idempotent.
    :raises Replayed: if the request created a token before, with that token.
    :raises NotFound: if the workspace or space is unknown or not the caller's.
    :raises Forbidden: if the caller may not create tokens there.
    :raises InvalidInput, PlanLimit, ScopeNotAllowed: as :mod:`~spacekey.resolvers.tokens.grants` and
        :func:`~spacekey.resolvers.access.delegation.check_strengthening`.
    """

    async def change(reader: Reader) -> tuple[TokenView, Secret]:
        return await _create(reader, system, caller, new, request)

    with in_progress(system, caller, CREATE, request):
        view, secret = await system.store.change(change)
    return Issued(view, secret, whole_milliseconds_later(system.clock()))


async def _create(
    reader: Reader, system: System, caller: Caller, new: NewToken, request: IdempotentRequest | None
) -> tuple[TokenView, Secret]:
    workspace_id = new.workspace_id
    if workspace_id is None and new.space_id is not None:
        workspace_id = await workspace_queries.workspace_of_space(reader, new.space_id)
    if workspace_id is None:
        raise NotFound("workspace")
    authority = await authority_to_change(reader, system, caller, workspace_id)
    kind = await kind_of_new(reader, authority, new)
    authority.require("tokens:create")
    await check_new(reader, system, authority, CREATE, request)
    check_kind(authority, kind)
    await check_room(reader, system, authority)
    token, secret = prepare_token(
        system, authority, kind=kind, space_id=new.space_id, **cleaned(system, authority, kind, new)
    )
    check_strengthening(authority, None, power_of(token), system.clock())
    await token_queries.insert_token(reader, token)
    await remember(reader, caller, CREATE, request, token)
    await record(
        reader,
        system,
        actor_of(caller),
        chain=token.workspace_id,
        action="token.create",
        target_id=token.id,
        after=audit_facts(token),
    )
    return view_of(token, authority, system.clock()), secret


class Cleaned(TypedDict):
    """Properties of a token that were checked, as they are stored."""

    name: str
    description: str
    environment: str
    grants: list[str]
    expires_at: datetime | None
    external_id: str | None
    metadata: Json | None


def cleaned(system: System, authority: Authority, kind: Kind, new: NewToken) -> Cleaned:
    """Return the properties of a token to create as they are stored.

    :raises InvalidInput: with everything that is wrong with them.
    """
    faults = Faults()
    with faults:
        name = clean_name("name", new.name)
    with faults:
        description = clean_text("description", new.description, DESCRIPTION_LENGTH_MAX)
    with faults:
        external_id = checked_external_id(authority, new.external_id)
    with faults:
        metadata = None if new.metadata is None else clean_metadata("metadata", new.metadata)
    with faults:
        environment = checked_environment(authority, new.environment)
    with faults:
        grants = checked_grants(authority, kind, new.grants, new.preset)
    with faults:
        expires_at = checked_expiry(
            policy_of(authority.workspace),
            None if new.expires_at is UNSET else new.expires_at,
            system.clock(),
            use_default=new.expires_at is UNSET,
        )
    faults.raise_found()
    return {
        "name": name,
        "description": description,
        "environment": environment,
        "grants": grants,
        "expires_at": expires_at,
        "external_id": external_id,
        "metadata": metadata,
    }


def prepare_token(
    system: System,
    authority: Authority,
    *,
    kind: Kind,
    space_id: str | None,
    name: str,
    description: str,
    environment: str,
    grants: list[str],
    expires_at: datetime | None,
    external_id: str | None,
    metadata: Json | None,
) -> tuple[Token, Secret]:
    """Return a row ready to be stored, and the secret whose digest it holds."""
    secret = mint(authority.product.secret_prefix, environment, system.entropy)
    token = token_row(
        system,
        authority,
        secret.digest(),
        secret.prefix,
        kind=kind,
        space_id=space_id,
        name=name,
        description=description,
        environment=environment,
        grants=grants,
        expires_at=expires_at,
        external_id=external_id,
        metadata=metadata,
    )
    return token, secret


def token_row(
    system: System,
    authority: Authority,
    digest: bytes,
    prefix: str,
    *,
    kind: Kind,
    space_id: str | None,
    name: str,
    description: str,
    environment: str,
    grants: list[str],
    expires_at: datetime | None,
    external_id: str | None,
    metadata: Json | None,
) -> Token:
    """Return a row ready to be stored."""
    now = system.clock()
    return Token(
        id=new_id(KEY, now, system.entropy),
        digest=digest,
        prefix=prefix,
        name=name,
        description=description,
        kind=kind.value,
        environment=environment,
        workspace_id=authority.workspace.id,
        space_id=space_id,
        grants=grants,
        created_at=now,
        created_by_id=authority.caller.actor.id,
        created_by_name=authority.caller.actor.name,
        created_by_kind=authority.caller.actor.kind.value,
        expires_at=expires_at,
        external_id=external_id,
        metadata_=metadata,
    )


async def check_room(transaction: Transaction, system: System, authority: Authority) -> None:
    """Raise if the plan has no room for another token.

    :raises PlanLimit: with the plan and its bound.
    """
    plan = plan_of(authority.product, authority.workspace)
    if plan is None:
        raise PlanLimit(authority.workspace.plan, "The workspace's plan no longer exists; choose another plan.")
    if plan.tokens_max == 0:
        raise PlanLimit(plan.name, f"The plan '{plan.title}' does not include tokens; upgrade the workspace.")
    if plan.tokens_max is None:
        return
    if await token_queries.has_fewer_tokens(transaction, authority.workspace.id, plan.tokens_max):
        return
    if await token_queries.live_token_count(transaction, authority.workspace.id, system.clock()) >= plan.tokens_max:
        raise PlanLimit(plan.name, f"The plan '{plan.title}' allows {plan.tokens_max} tokens; revoke unused ones.")


def checked_environment(authority: Authority, asked: str | None) -> str:
    """Return the environment of a new token, by default the product's first.

    :raises InvalidInput: if the product does not have it.
    """
    known = authority.product.environments
    environment = asked if asked is not None else authority.environment or known[0]
    if environment not in known:
        raise InvalidInput("environment", unknown("environment", environment, known), InputCode.UNKNOWN_VALUE)
    return environment


def checked_external_id(authority: Authority, asked: str | None) -> str | None:
    """Return the external id of a new token: the given one, or in a portal session the person's.

    :raises InvalidInput: if it is malformed, or another person's in a session that sees its person's tokens alone.
    """
    if asked is not None:
        asked = clean_external_id("external_id", asked)
    check_own(authority, asked)
    return authority.caller.person.id if asked is None and isinstance(authority.caller, PortalCaller) else asked


def check_own(authority: Authority, external_id: str | None) -> None:
    """Raise if a caller that sees the tokens of one person would give a token to another.

    :raises InvalidInput: if it would.
    """
    if external_id is not None and authority.external_id not in {None, external_id}:
        reason = "Must be your own here; leave it out."
        raise InvalidInput("external_id", reason, InputCode.NOT_ALLOWED)


async def kind_of_new(transaction: Transaction, authority: Authority, new: NewToken) -> Kind:
    """Return the kind of token to create; its space must be within what the caller may change."""
    if authority.space_id is not None and new.space_id != authority.space_id:
        raise NotFound("space" if new.space_id is not None else "workspace")
    if new.space_id is None:
        return Kind.WORKSPACE
    if id_prefix(new.space_id) != SPACE:
        raise NotFound("space")
    found = await workspace_queries.space_records(reader_in(transaction), [new.space_id])
    if not found or found[0].deleted_at is not None or found[0].workspace_id != authority.workspace.id:
        raise NotFound("space")
    return Kind.SPACE


def check_kind(authority: Authority, kind: Kind) -> None:
    if kind in authority.product.token_kinds:
        return
    if kind is Kind.WORKSPACE:
        raise InvalidInput(
            "space_id", f"{authority.product.title} tokens belong to a space; choose one.", InputCode.REQUIRED
        )
    raise InvalidInput(
        "space_id", f"{authority.product.title} tokens belong to the workspace, not to a space.", InputCode.NOT_ALLOWED
    )
