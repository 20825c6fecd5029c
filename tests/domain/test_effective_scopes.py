"""Grants → scopes, and the cut by plan, policy and roles."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.catalog import Catalog, Plan, Policy, Role, effective_scopes, expand, grantable, role_table
from spacekey.domain.catalog_file import parse_catalog
from spacekey.domain.principal import Kind

CATALOG = parse_catalog(
    """
    name = "shop"
    title = "Shop"
    brand = "sh"
    environments = ["live"]
    default_plan = "all"
    [tokens]
    kinds = ["workspace", "space"]
    roles = ["clerk"]
    [scopes]
    "a" = "A"
    "b" = "B"
    "c" = "C"
    [shorthands]
    ab = { scopes = ["a", "b"] }
    everything = { every_scope = true }
    [roles]
    owner = { every_scope = true, every_management_scope = true }
    clerk = { grants = ["ab", "tokens:read"] }
    [plans]
    all = {}
    some = { scopes = ["a", "c"] }
    none = { scopes = [] }
    free = { tokens_max = 0 }
    """,
    "shop.toml",
)
PLANS: dict[str, Plan | None] = {**CATALOG.plans, "gone": None}


def cut(
    *grants: str,
    kind: Kind = Kind.WORKSPACE,
    plan: str = "all",
    allowed: set[str] | None = None,
    catalog: Catalog = CATALOG,
) -> set[str]:
    policy = Policy(scopes_allowed=None if allowed is None else frozenset(allowed))
    return set(effective_scopes(catalog, grants, kind=kind, roles=catalog.roles, plan=PLANS[plan], policy=policy))


@pytest.mark.parametrize(
    ("grants", "scopes"),
    [
        ([], set()),
        (["a"], {"a"}),
        (["ab"], {"a", "b"}),
        (["ab", "c", "c"], {"a", "b", "c"}),
        (["everything"], {"a", "b", "c"}),
        (["clerk"], {"a", "b", "tokens:read"}),
        (["tokens:create"], {"tokens:create"}),
        (["gone", "a"], {"a"}),
        (["A", "a:b", "", "a ", "*"], set()),
    ],
)
def test_expand(grants: list[str], scopes: set[str]) -> None:
    assert expand(CATALOG, grants, CATALOG.roles) == scopes


MEMBER = Kind.MEMBER


@pytest.mark.parametrize(
    ("grants", "kind", "plan", "allowed", "scopes"),
    [
        (["ab"], Kind.SPACE, "all", None, {"a", "b"}),
        (["ab"], Kind.SPACE, "some", None, {"a"}),
        (["clerk"], Kind.WORKSPACE, "some", None, {"a", "tokens:read"}),
        (["clerk"], MEMBER, "some", None, {"a", "tokens:read"}),
        (["clerk"], Kind.WORKSPACE, "none", None, {"tokens:read"}),
        (["clerk"], Kind.WORKSPACE, "free", None, set()),
        (["everything", "tokens:introspect"], Kind.SPACE, "free", None, set()),
        (["clerk"], MEMBER, "free", None, {"a", "b", "tokens:read"}),
        (["clerk"], Kind.WORKSPACE, "gone", None, set()),
        (["clerk"], MEMBER, "gone", None, {"tokens:read"}),
        (["clerk"], Kind.WORKSPACE, "all", {"a"}, {"a"}),
        (["clerk"], Kind.WORKSPACE, "all", {"b", "tokens:read"}, {"b", "tokens:read"}),
        (["clerk"], Kind.WORKSPACE, "all", set(), set()),
        (["clerk"], Kind.WORKSPACE, "some", {"a", "b"}, {"a"}),
        (["clerk"], MEMBER, "all", {"a"}, {"a", "b", "tokens:read"}),
    ],
)
def test_plan_and_policy_cut(
    grants: list[str], kind: Kind, plan: str, allowed: set[str] | None, scopes: set[str]
) -> None:
    assert cut(*grants, kind=kind, plan=plan, allowed=allowed) == scopes


names = [*CATALOG.known_scopes, *CATALOG.shorthands, *CATALOG.roles, "gone"]
grant_lists = st.lists(st.sampled_from(sorted(names)), max_size=6)
policies = st.none() | st.sets(st.sampled_from(sorted(CATALOG.known_scopes)), max_size=8)


@given(grant_lists, st.sampled_from(Kind), st.sampled_from(sorted(PLANS)), policies)
def test_the_cut_never_adds(grants: list[str], kind: Kind, plan: str, allowed: set[str] | None) -> None:
    assert cut(*grants, kind=kind, plan=plan, allowed=allowed) <= expand(CATALOG, grants, CATALOG.roles)


@given(grant_lists, grant_lists)
def test_grants_expand_one_by_one(one: list[str], two: list[str]) -> None:
    roles = CATALOG.roles
    assert expand(CATALOG, [*one, *two], roles) == expand(CATALOG, one, roles) | expand(CATALOG, two, roles)


def test_a_changed_catalog_changes_what_existing_grants_are_worth() -> None:
    wider = replace(CATALOG.shorthands["ab"], scopes=frozenset({"c"}))
    assert cut("ab", catalog=replace(CATALOG, shorthands={"ab": wider})) == {"c"}
    assert cut("c", catalog=replace(CATALOG, scopes={"a": "A"})) == set()


def configured(name: str, *grants: str) -> Role:
    return Role(name, name, "", grants)


def test_a_workspace_changes_adds_and_removes_roles_but_never_the_owner() -> None:
    table = role_table(
        CATALOG, {"clerk": configured("clerk", "c"), "intern": configured("intern", "a"), "owner": configured("owner")}
    )
    assert expand(CATALOG, ["clerk"], table) == {"c"}
    assert expand(CATALOG, ["intern"], table) == {"a"}
    assert expand(CATALOG, ["owner"], table) == CATALOG.known_scopes
    assert set(role_table(CATALOG, {"clerk": None, "owner": None, "unheard": None})) == {"owner"}
    assert expand(CATALOG, ["clerk"], role_table(CATALOG, {"clerk": None})) == frozenset()
    assert set(CATALOG.roles) == {"owner", "clerk"}


def test_a_role_inside_a_role_grants_nothing() -> None:
    table = role_table(CATALOG, {"clerk": configured("clerk", "owner", "clerk", "a")})
    assert expand(CATALOG, ["clerk"], table) == {"a"}


def test_a_role_cannot_pose_as_a_scope_or_shorthand() -> None:
    table = role_table(CATALOG, {name: configured(name, "everything", "tokens:create") for name in ("a", "ab")})
    assert expand(CATALOG, ["a"], table) == {"a"}
    assert expand(CATALOG, ["ab"], table) == {"a", "b"}


@pytest.mark.parametrize(
    ("kind", "changes", "roles"),
    [
        (Kind.SPACE, {}, set()),
        (Kind.WORKSPACE, {}, {"clerk"}),
        (Kind.WORKSPACE, {"clerk": None}, set()),
        (Kind.WORKSPACE, {"intern": configured("intern", "a")}, {"clerk", "intern"}),
        (Kind.SPACE, {"intern": configured("intern", "a")}, set()),
    ],
)
def test_what_may_stand_in_grants(kind: Kind, changes: dict[str, Role | None], roles: set[str]) -> None:
    names = grantable(CATALOG, kind, role_table(CATALOG, changes))
    assert names == CATALOG.known_scopes | {"ab", "everything"} | roles


def test_tokens_hold_no_roles_where_the_catalog_has_no_token_roles() -> None:
    catalog = replace(CATALOG, token_roles=())
    table = role_table(catalog, {"intern": configured("intern", "a")})
    assert grantable(catalog, Kind.WORKSPACE, table) == CATALOG.known_scopes | {"ab", "everything"}
