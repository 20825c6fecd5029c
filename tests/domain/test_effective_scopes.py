"""Grants → scopes, and the cut by plan, policy and roles."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.principal import Kind
from spacekey.domain.product import Plan, Policy, Product, Role, effective_scopes, expand, grantable, role_table
from spacekey.domain.product_file import parse_product

PRODUCT = parse_product(
    """
    name = "shop"
    title = "Shop"
    secret_prefix = "sh"
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
PLANS: dict[str, Plan | None] = {**PRODUCT.plans, "gone": None}


def cut(
    *grants: str,
    kind: Kind = Kind.WORKSPACE,
    plan: str = "all",
    allowed: set[str] | None = None,
    product: Product = PRODUCT,
) -> set[str]:
    policy = Policy(scopes_allowed=None if allowed is None else frozenset(allowed))
    return set(effective_scopes(product, grants, kind=kind, roles=product.roles, plan=PLANS[plan], policy=policy))


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
    assert expand(PRODUCT, grants, PRODUCT.roles) == scopes


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


names = [*PRODUCT.known_scopes, *PRODUCT.shorthands, *PRODUCT.roles, "gone"]
grant_lists = st.lists(st.sampled_from(sorted(names)), max_size=6)
policies = st.none() | st.sets(st.sampled_from(sorted(PRODUCT.known_scopes)), max_size=8)


@given(grant_lists, st.sampled_from(Kind), st.sampled_from(sorted(PLANS)), policies)
def test_the_cut_never_adds(grants: list[str], kind: Kind, plan: str, allowed: set[str] | None) -> None:
    assert cut(*grants, kind=kind, plan=plan, allowed=allowed) <= expand(PRODUCT, grants, PRODUCT.roles)


@given(grant_lists, grant_lists)
def test_grants_expand_one_by_one(one: list[str], two: list[str]) -> None:
    roles = PRODUCT.roles
    assert expand(PRODUCT, [*one, *two], roles) == expand(PRODUCT, one, roles) | expand(PRODUCT, two, roles)


def test_a_changed_product_changes_what_existing_grants_are_worth() -> None:
    wider = replace(PRODUCT.shorthands["ab"], scopes=frozenset({"c"}))
    assert cut("ab", product=replace(PRODUCT, shorthands={"ab": wider})) == {"c"}
    assert cut("c", product=replace(PRODUCT, scopes={"a": "A"})) == set()


def configured(name: str, *grants: str) -> Role:
    return Role(name, name, "", grants)


def test_a_workspace_changes_adds_and_removes_roles_but_never_the_owner() -> None:
    table = role_table(
        PRODUCT, {"clerk": configured("clerk", "c"), "intern": configured("intern", "a"), "owner": configured("owner")}
    )
    assert expand(PRODUCT, ["clerk"], table) == {"c"}
    assert expand(PRODUCT, ["intern"], table) == {"a"}
    assert expand(PRODUCT, ["owner"], table) == PRODUCT.known_scopes
    assert set(role_table(PRODUCT, {"clerk": None, "owner": None, "unheard": None})) == {"owner"}
    assert expand(PRODUCT, ["clerk"], role_table(PRODUCT, {"clerk": None})) == frozenset()
    assert set(PRODUCT.roles) == {"owner", "clerk"}


def test_a_role_inside_a_role_grants_nothing() -> None:
    table = role_table(PRODUCT, {"clerk": configured("clerk", "owner", "clerk", "a")})
    assert expand(PRODUCT, ["clerk"], table) == {"a"}


def test_a_role_cannot_pose_as_a_scope_or_shorthand() -> None:
    table = role_table(PRODUCT, {name: configured(name, "everything", "tokens:create") for name in ("a", "ab")})
    assert expand(PRODUCT, ["a"], table) == {"a"}
    assert expand(PRODUCT, ["ab"], table) == {"a", "b"}


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
    names = grantable(PRODUCT, kind, role_table(PRODUCT, changes))
    assert names == PRODUCT.known_scopes | {"ab", "everything"} | roles


def test_tokens_hold_no_roles_where_the_product_has_no_token_roles() -> None:
    product = replace(PRODUCT, token_roles=())
    table = role_table(product, {"intern": configured("intern", "a")})
    assert grantable(product, Kind.WORKSPACE, table) == PRODUCT.known_scopes | {"ab", "everything"}
