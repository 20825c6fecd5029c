"""Names that a product no longer has: found, counted, and moved with nothing gained or lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

import pytest
from sqlmodel import select

from spacekey.domain.principal import Kind
from spacekey.domain.product import OWNER_ROLE, Product
from spacekey.domain.refusal import InvalidInput
from spacekey.models.engine.store import Store
from spacekey.models.queries import audit as audit_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.token import Token
from spacekey.models.tables.workspace import Member, Workspace
from spacekey.resolvers.access.entitlements import scopes_of
from spacekey.resolvers.accounts.renaming import LostName, Renamed, lost_names, rename_held
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.members.members import add_member
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.resolvers.workspaces.roles import set_role
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from support.world import OPERATOR, World, example_products, make_world

pytestmark = pytest.mark.sampled(4)

NEW = "brand:new"


def renamed(product: Product, old: str, new: str) -> Product:
    """The product as its author would have it after renaming one scope, shorthand or role everywhere in the file."""

    def name(one: str) -> str:
        return new if one == old else one

    def names(many: Iterable[str]) -> tuple[str, ...]:
        return tuple(map(name, many))

    def named(one: str) -> dict[str, str]:
        return {"name": name(one)}

    return replace(
        product,
        scopes=MappingProxyType({name(key): value for key, value in product.scopes.items()}),
        shorthands=MappingProxyType(
            {
                name(key): replace(one, **named(key), scopes=frozenset(names(one.scopes)))
                for key, one in product.shorthands.items()
            }
        ),
        roles=MappingProxyType(
            {name(key): replace(one, **named(key), grants=names(one.grants)) for key, one in product.roles.items()}
        ),
        plans=MappingProxyType(
            {
                key: replace(one, scopes=None if one.scopes is None else frozenset(names(one.scopes)))
                for key, one in product.plans.items()
            }
        ),
        token_roles=names(product.token_roles),
    )


def names_of(product: Product) -> list[str]:
    return sorted({*product.scopes, *product.shorthands, *product.roles} - {OWNER_ROLE})


CASES = [
    (product_name, name) for product_name, product in sorted(example_products().items()) for name in names_of(product)
]


async def fill(world: World, product_name: str) -> Workspace:
    """A workspace in which every name of the product is held by whatever can hold it."""
    system = world.system
    product = system.products[product_name]
    plan = max(product.plans.values(), key=lambda one: (one.tokens_max is None, one.tokens_max or 0)).name
    workspace = await world.workspace(product_name, plan=plan)
    space = await world.space(workspace) if Kind.SPACE in product.token_kinds else None
    single = [] if product.one_role else [*product.scopes, *product.shorthands]
    roles = [*product.token_roles] if space is None else []
    for name in [*single, *roles]:
        await create_token(
            system,
            OPERATOR,
            NewToken(workspace.id, name, grants=(name,), space_id=None if space is None else space.id),
        )
    for role in sorted(set(product.roles) - {OWNER_ROLE}):
        await world.member(workspace, role)
        await add_member(
            system, OPERATOR, workspace.id, email=f"invited-{role}@example.com".replace("_", "-"), role=role
        )
    await set_role(system, OPERATOR, workspace.id, name="tester", grants=sorted(product.scopes))
    changes = WorkspaceChanges(scopes_allowed=tuple(product.scopes))
    await update_workspace(system, OPERATOR, workspace.id, changes)
    return workspace


async def powers(system: System, workspace_id: str) -> dict[str, frozenset[str]]:
    """What every token and member may do now, by its id."""
    async with system.store.reading() as session:
        workspace = await workspace_queries.workspace_by_id(session, workspace_id)
        assert workspace is not None
        product = system.products[workspace.product]
        tokens = (await session.exec(select(Token).where(Token.workspace_id == workspace_id))).all()
        members = (await session.exec(select(Member).where(Member.workspace_id == workspace_id))).all()
    return {one.id: scopes_of(product, workspace, one.grants, Kind(one.kind)) for one in tokens} | {
        one.user_id: scopes_of(product, workspace, [one.role], Kind.MEMBER) for one in members
    }


@pytest.mark.parametrize(("product_name", "old"), CASES)
async def test_after_renaming_each_holder_has_what_it_had(store: Store, product_name: str, old: str) -> None:
    world = make_world(store)
    workspace = await fill(world, product_name)
    before = await powers(world.system, workspace.id)
    after_edit = {**world.system.products, product_name: renamed(world.system.products[product_name], old, NEW)}
    system = replace(world.system, products=after_edit)

    lost = await lost_names(system)
    assert [(one.product, one.name) for one in lost] == [(product_name, old)]
    assert await rename_held(system, OPERATOR, product_name, old, NEW, dry_run=True) == await _counted(
        lost[0], workspace
    )
    assert await lost_names(system) == lost  # nothing was moved yet
    done = await rename_held(system, OPERATOR, product_name, old, NEW)
    assert done == await _counted(lost[0], workspace)

    assert await lost_names(system) == []
    expected = {who: frozenset(NEW if one == old else one for one in scopes) for who, scopes in before.items()}
    assert await powers(system, workspace.id) == expected
    assert (await rename_held(system, OPERATOR, product_name, old, NEW)) == Renamed()
    assert {one.broken_at for one in await verify_chains(system)} == {None}
    async with system.store.reading() as session:
        events = [one async for one in audit_queries.audit_events(session, workspace.id)]
    assert sum(NEW in str(one.after) for one in events) == done.tokens + done.members + done.invitations + bool(
        done.roles + done.policies
    )


async def _counted(lost: LostName, workspace: Workspace) -> Renamed:
    return Renamed(lost.tokens, lost.members, lost.invitations, lost.roles, lost.policies, workspaces={workspace.slug})


async def test_a_workspace_with_a_role_of_its_own_by_the_old_name_keeps_it(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    await set_role(world.system, OPERATOR, workspace.id, name="helper", grants=["jobs:read"])
    await world.member(workspace, "helper")
    assert await lost_names(world.system) == []
    assert await rename_held(world.system, OPERATOR, "spooled", "helper", "jobs:read") == Renamed()


async def test_revoked_tokens_are_not_counted_and_are_renamed_all_the_same(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    made = await create_token(world.system, OPERATOR, NewToken(workspace.id, "t", grants=("jobs:read",)))
    await revoke_token(world.system, OPERATOR, made.view.token.id)
    edited = renamed(world.system.products["spooled"], "jobs:read", NEW)
    system = replace(world.system, products={**world.system.products, "spooled": edited})
    assert await lost_names(system) == []
    assert (await rename_held(system, OPERATOR, "spooled", "jobs:read", NEW)).tokens == 1


async def test_holders_that_cannot_hold_the_new_name_stay_and_are_counted(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    await world.member(workspace, "member")
    edited = renamed(world.system.products["spooled"], "member", NEW)
    system = replace(world.system, products={**world.system.products, "spooled": edited})
    done = await rename_held(system, OPERATOR, "spooled", "member", "jobs:read")
    assert (done.members, done.left) == (0, 1)
    assert [(one.name, one.members) for one in await lost_names(system)] == [("member", 1)]


@pytest.mark.parametrize(
    ("product", "old", "new", "field"),
    [
        ("nothing", "a:b", "jobs:read", "product"),
        ("spooled", "jobs:read", "jobs:write", "old"),
        ("spooled", "tokens:read", "jobs:read", "old"),
        ("spooled", "a:b", "jobs:raed", "new"),
        ("spooled", "a:b", "tokens:create", "new"),
        ("spooled", "a:b", OWNER_ROLE, "new"),
    ],
)
async def test_a_renaming_that_makes_no_sense_is_refused(
    store: Store, product: str, old: str, new: str, field: str
) -> None:
    world = make_world(store)
    with pytest.raises(InvalidInput) as caught:
        await rename_held(world.system, OPERATOR, product, old, new)
    assert caught.value.field == field


def test_a_lost_name_is_described_with_who_holds_it() -> None:
    assert LostName("emit", "jobs:peek", tokens=3, members=1).described() == "'jobs:peek' of emit: 3 tokens, 1 member"
    assert LostName("emit", "x", roles=1, policies=2).described() == "'x' of emit: 1 role configuration, 2 policies"
