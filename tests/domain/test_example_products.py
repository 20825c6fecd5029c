"""What the four systems say of themselves, asked of their products."""

from itertools import pairwise
from pathlib import Path

import pytest

from spacekey.domain.principal import Kind, Limit
from spacekey.domain.product import Plan, Policy, Product, effective_scopes, expand, grantable
from spacekey.domain.product_file import load_products
from spacekey.domain.scope import MANAGEMENT_SCOPES

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
