"""Products: grants become scopes, cut by plan, policy and roles, and the four examples say what they should."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.principal import Kind, Limit
from spacekey.domain.product import Plan, Policy, Product, Role, effective_scopes, expand, grantable, role_table
from spacekey.domain.product_file import load_products, parse_product
from spacekey.domain.scope import MANAGEMENT_SCOPES

# Grants → scopes, and the cut by plan, policy and roles.


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


# What the four systems say of themselves, asked of their products.


EXAMPLES = Path(__file__).parents[2] / "examples"
PRODUCTS = load_products(sorted(EXAMPLES.glob("*.toml")))
EMIT, SPOOLED, TEAMSPACE, GUARD = (PRODUCTS[name] for name in ("emit", "spooled", "teamspace", "guard"))

WRITE = {"jobs:ack", "jobs:progress", "jobs:event", "jobs:complete", "jobs:fail", "jobs:keepalive"}
WORKER = WRITE | {"jobs:read", "jobs:poll", "jobs:read:progress"}


def held(product: Product, *grants: str, kind: Kind = Kind.WORKSPACE, plan: str | None = None) -> frozenset[str]:
    chosen: Plan | None = product.plans[plan or product.default_plan]
    return effective_scopes(product, grants, kind=kind, roles=product.roles, plan=chosen, policy=Policy())


def role(product: Product, name: str) -> frozenset[str]:
    return expand(product, [name], product.roles)


def test_the_four_systems() -> None:
    assert {
        (one.name, one.secret_prefix, one.environments, frozenset(map(str, one.token_kinds)))
        for one in PRODUCTS.values()
    } == {
        ("emit", "em", ("live",), frozenset({"space"})),
        ("spooled", "sp", ("live", "test"), frozenset({"workspace", "space"})),
        ("teamspace", "ts", ("live",), frozenset({"workspace"})),
        ("guard", "eg", ("live",), frozenset({"workspace"})),
    }


@pytest.mark.parametrize(
    ("grant", "scopes"),
    [
        ("jobs:worker", WORKER),
        ("jobs:write", WRITE),
        ("jobs:create", {"jobs:create"}),
        ("jobs:read", {"jobs:read"}),
        ("jobs:read:progress", {"jobs:read:progress"}),
        ("jobs", set()),
        ("jobs:*", set()),
    ],
)
def test_emit_expands_grants_and_implies_nothing(grant: str, scopes: set[str]) -> None:
    assert held(EMIT, grant, kind=Kind.SPACE) == scopes


def test_emit_has_ten_scopes() -> None:
    assert set(EMIT.scopes) == WORKER | {"jobs:create"}


def test_emit_write_neither_creates_nor_polls() -> None:
    assert not EMIT.shorthands["jobs:write"].scopes & {"jobs:create", "jobs:poll"}


def test_emit_worker_preset_is_the_worker_shorthand_as_single_scopes() -> None:
    assert set(EMIT.presets) == {"worker"}
    assert frozenset(EMIT.presets["worker"].scopes) == EMIT.shorthands["jobs:worker"].scopes == WORKER
    assert set(EMIT.presets["worker"].scopes) <= set(EMIT.scopes)


def test_emit_recommendations() -> None:
    assert [(case.title, case.grants, case.preset) for case in EMIT.use_cases] == [
        ("Producer", ("jobs:create",), None),
        ("Worker", (), "worker"),
        ("Monitor", ("jobs:read",), None),
        ("Producer + monitor", ("jobs:create", "jobs:read"), None),
        ("Third-party client", ("jobs:read:progress",), None),
        ("Minimal worker", ("jobs:poll", "jobs:ack", "jobs:complete", "jobs:fail"), None),
    ]


def test_spooled_permissions() -> None:
    assert list(SPOOLED.scopes) == ["jobs:read", "jobs:write", "queues:read", "queues:write", "dlq:read", "dlq:write"]
    documented = ("jobs:read", "jobs:write", "queues:read")
    assert held(SPOOLED, *documented) == set(documented)


def test_spooled_limits_by_plan() -> None:
    assert {name: plan.limit for name, plan in SPOOLED.plans.items()} == {
        "free": Limit(per_minute=100, burst=20),
        "pro": Limit(per_minute=1_000, burst=100),
        "enterprise": None,
    }


def test_spooled_member_only_reads() -> None:
    assert all(scope.endswith(":read") for scope in role(SPOOLED, "member"))


ACTIONS = ["tokens:read", "tokens:create", "tokens:update", "tokens:disable", "tokens:delete"]


@pytest.mark.parametrize(
    ("name", "title", "may"),
    [
        ("owner", "Owner", ACTIONS),
        ("administrator", "Administrator", ACTIONS),
        ("manager", "Workspace Manager", ["tokens:read", "tokens:create", "tokens:update"]),
        ("member", "Team Member", ["tokens:read"]),
        ("viewer", "Viewer", ["tokens:read"]),
    ],
)
def test_teamspace_management_matrix(name: str, title: str, may: list[str]) -> None:
    assert TEAMSPACE.roles[name].title == title
    assert [action for action in ACTIONS if action in role(TEAMSPACE, name)] == may


LADDER = ["viewer", "member", "manager", "administrator", "owner"]


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(LADDER)))
def test_teamspace_each_role_holds_more_than_the_one_below(lower: str, higher: str) -> None:
    assert role(TEAMSPACE, lower) < role(TEAMSPACE, higher)
    own = frozenset(TEAMSPACE.scopes)
    assert role(TEAMSPACE, lower) & own < role(TEAMSPACE, higher) & own


def test_teamspace_tokens_hold_roles() -> None:
    assert list(TEAMSPACE.token_roles) == LADDER
    assert set(LADDER) == grantable(TEAMSPACE, Kind.WORKSPACE, TEAMSPACE.roles)
    assert {one.name for one in (EMIT, SPOOLED, TEAMSPACE, GUARD) if one.one_role} == {"teamspace"}
    assert held(TEAMSPACE, "viewer") == role(TEAMSPACE, "viewer")


def test_teamspace_viewer_only_reads_and_administrator_cannot_rule_the_workspace() -> None:
    assert all(scope.endswith(":read") for scope in role(TEAMSPACE, "viewer"))
    assert "workspace:write" not in role(TEAMSPACE, "administrator")


def test_guard_form() -> None:
    assert dict(GUARD.scopes) == {
        "sessions:read": "Sessions (Read)",
        "sessions:write": "Sessions (Write)",
        "resources:read": "Resources (Read)",
        "audit_logs:read": "Audit Logs (Read)",
    }
    assert GUARD.shorthands["full_access"].title == "Full Access"


def test_guard_full_access_is_every_scope_and_no_management_scope() -> None:
    assert held(GUARD, "full_access", plan="paid") == set(GUARD.scopes)
    assert not held(GUARD, "full_access", plan="paid") & set(MANAGEMENT_SCOPES)


def test_guard_keys_are_worth_nothing_on_the_free_plan() -> None:
    assert GUARD.default_plan == "free"
    assert GUARD.plans["free"].tokens_max == 0
    assert held(GUARD, "full_access", "tokens:introspect", plan="free") == frozenset()


def test_guard_members_do_nothing_with_keys() -> None:
    assert not [scope for scope in role(GUARD, "member") if scope.startswith("tokens:")]
    assert {"tokens:create", "tokens:revoke"} <= role(GUARD, "admin")


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS)
def test_every_system(product: Product) -> None:
    assert role(product, "owner") == product.known_scopes
    for name in product.roles:
        assert {"workspace:read", "spaces:read", "members:read"} <= role(product, name)
        assert ("workspace:write" in role(product, name)) == (name == "owner")
    assert [name for name, plan in product.plans.items() if plan.self_service] == ["free"] == [product.default_plan]
