"""Demo data: an owner, a workspace for each product, and one token that can manage others."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from spacekey.domain.page import PAGE_SIZE_MAX, PageRequest, TokenOrder
from spacekey.domain.principal import Kind
from spacekey.domain.product import OWNER_ROLE, Plan, Product
from spacekey.domain.refusal import InvalidInput
from spacekey.domain.secret import Entropy, Secret
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.records import AnySpace
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import Operator
from spacekey.resolvers.accounts.users import create_user
from spacekey.resolvers.addresses import clean_email, shown_email
from spacekey.resolvers.members.members import add_account
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.create import Issued, NewToken, create_token
from spacekey.resolvers.tokens.list import TokenSearch, token_list
from spacekey.resolvers.workspaces.lists import space_list
from spacekey.resolvers.workspaces.spaces import create_space
from spacekey.resolvers.workspaces.workspaces import create_workspace_for

OWNER_EMAIL = "owner@example.com"
TOKEN_NAME = "Demo management"  # noqa: S105 - a name
SPACES = {"production": "Production", "staging": "Staging"}
MANAGEMENT = (
    *("tokens:read", "tokens:create", "tokens:update", "tokens:disable", "tokens:revoke", "tokens:delete"),
    *("workspace:read", "spaces:read", "usage:read"),
)
"""Enough for every request that the README, the docs and ``spacekey demo`` show."""

SCOPES_GRANTED_MAX = 20


@dataclass(frozen=True, slots=True)
class DemoOwner:
    """Account of the demo's owner. ``password`` is set only if it was generated in this run."""

    user: User
    is_new: bool
    password: Secret | None


@dataclass(frozen=True, slots=True)
class DemoWorkspace:
    """Workspace of one product, with its spaces."""

    workspace: Workspace
    spaces: tuple[AnySpace, ...]
    is_new: bool


@dataclass(frozen=True, slots=True)
class DemoToken:
    """Token for the example requests; ``issued`` is None if it was created by an earlier run."""

    home: DemoWorkspace
    space_id: str | None
    scope: str
    grants: tuple[str, ...]
    issued: Issued | None


@dataclass(frozen=True, slots=True)
class Demo:
    """Demo data that exist now, and which of them are new."""

    owner: DemoOwner
    workspaces: tuple[DemoWorkspace, ...]
    token: DemoToken

    def facts(self) -> dict[str, Any]:
        """Return the demo as JSON values, with its new secrets: print them once, and do not store them."""
        issued, password = self.token.issued, self.owner.password
        new = [self.owner.is_new, issued is not None, *(one.is_new for one in self.workspaces)]
        return {
            "changed": any(new),
            "owner": {
                "id": self.owner.user.id,
                "email": None if self.owner.user.email is None else shown_email(self.owner.user.email),
                "new": self.owner.is_new,
                "password": None if password is None else password.reveal(),
            },
            "workspaces": [
                {
                    "id": one.workspace.id,
                    "slug": one.workspace.slug,
                    "name": one.workspace.name,
                    "product": one.workspace.product,
                    "plan": one.workspace.plan,
                    "spaces": [{"id": space.id, "slug": space.slug} for space in one.spaces],
                    "new": one.is_new,
                }
                for one in self.workspaces
            ],
            "token": {
                "name": TOKEN_NAME,
                "workspace_id": self.token.home.workspace.id,
                "workspace": self.token.home.workspace.slug,
                "space_id": self.token.space_id,
                "scope": self.token.scope,
                "grants": list(self.token.grants),
                "id": None if issued is None else issued.view.token.id,
                "secret": None if issued is None else issued.secret.reveal(),
            },
        }


async def make_demo(
    system: System, operator: Operator, *, owner_email: str | None = None, owner_password: Secret | None = None
) -> Demo:
    """Create what is missing of the demo, and leave what exists as it is.

    :param owner_email: the owner's address; ``owner@example.com`` when None.
    :param owner_password: a new owner's password; generated if None.
    :raises InvalidInput: address or password are not usable; names the environment variable.
    """
    owner = await _owner(system, operator, owner_email or OWNER_EMAIL, owner_password)
    workspaces = [await _workspace(system, operator, product, owner) for product in system.products.values()]
    return Demo(owner, tuple(workspaces), await _token(system, operator, workspaces))


async def _owner(system: System, operator: Operator, email: str, password: Secret | None) -> DemoOwner:
    """Return the account that has proven the address. An account that only claims it is not the owner."""
    address = _address(email)
    async with system.store.reading() as session:
        user = await user_queries.user_by_proven_email(session, address)
    if user is not None:
        return DemoOwner(user, is_new=False, password=None)
    chosen = password if password is not None else _made_password(system.entropy)
    try:
        user = await create_user(system, operator, email=address, name="Demo owner", password=chosen.reveal())
    except InvalidInput as error:
        raise InvalidInput(f"SPACEKEY_OWNER_{error.field.upper()}", error.reason, error.faults[0].code) from None
    return DemoOwner(user, is_new=True, password=chosen if password is None else None)


def _address(email: str) -> str:
    try:
        return clean_email("email", email)
    except InvalidInput as error:
        raise InvalidInput("SPACEKEY_OWNER_EMAIL", error.reason, error.faults[0].code) from None


async def _workspace(system: System, operator: Operator, product: Product, owner: DemoOwner) -> DemoWorkspace:
    slug = f"{product.name.replace('_', '-')[:58]}-demo"
    async with system.store.reading() as session:
        found = await workspace_queries.workspace_by_slug(session, slug)
    if found is not None:
        if owner.is_new:
            await add_account(system, operator, found.id, owner.user.id, role=OWNER_ROLE)
        page = await space_list(system, operator, found.id, PageRequest(PAGE_SIZE_MAX))
        return DemoWorkspace(found, tuple(page.rows), is_new=False)
    new = await create_workspace_for(
        system,
        operator,
        name=f"{product.title[:190]} demo",
        slug=slug,
        product=product.name,
        plan=_plan_with_tokens(product).name,
        owner=owner.user.id,
    )
    made = new.workspace
    spaces = []
    if Kind.SPACE in product.token_kinds:
        spaces = [await create_space(system, operator, made.id, name=SPACES[one], slug=one) for one in SPACES]
    return DemoWorkspace(made, tuple(spaces), is_new=True)


def _plan_with_tokens(product: Product) -> Plan:
    """Return the default plan, or the first that allows tokens if the default does not."""
    plans = [product.plans[product.default_plan], *product.plans.values()]
    return next((plan for plan in plans if plan.tokens_max != 0), plans[0])


async def _token(system: System, operator: Operator, workspaces: list[DemoWorkspace]) -> DemoToken:
    """Return the token: of the first workspace whose product has workspace tokens, else of the first space."""
    home = next((one for one in workspaces if Kind.WORKSPACE in _product(system, one).token_kinds), workspaces[0])
    product = _product(system, home)
    space_id = None if Kind.WORKSPACE in product.token_kinds or not home.spaces else home.spaces[0].id
    scopes = list(product.token_roles if product.one_role else product.scopes)[:SCOPES_GRANTED_MAX]
    grants = (_strongest(product),) if product.one_role else (*scopes, *MANAGEMENT)
    found = await token_list(
        system,
        operator,
        home.workspace.id,
        search=TokenSearch(text=TOKEN_NAME),
        order=TokenOrder.CREATED_AT,
        descending=False,
        request=PageRequest(1),
    )
    if found.rows:
        return DemoToken(home, space_id, scopes[0], grants, issued=None)
    new = NewToken(
        workspace_id=home.workspace.id,
        name=TOKEN_NAME,
        grants=grants,
        space_id=space_id,
        description="Made by 'spacekey demo' for trying the API; revoke it when you are done.",
    )
    return DemoToken(home, space_id, scopes[0], grants, issued=await create_token(system, operator, new))


def _strongest(product: Product) -> str:
    """Return the token role with the most scopes."""
    return max(product.token_roles, key=lambda role: len(product.roles[role].grants))


def _product(system: System, one: DemoWorkspace) -> Product:
    return system.product(one.workspace.product)


def _made_password(entropy: Entropy) -> Secret:
    """Return 24 characters in groups of four, 120 random bits, which are easy to copy from a terminal."""
    text = base64.b32encode(entropy(15)).decode().lower()
    return Secret("-".join(text[start : start + 4] for start in range(0, len(text), 4)))
