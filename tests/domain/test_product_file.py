"""Product files: what a good one says, and that every mistake names file, key and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.errors import ConfigurationError, ProductError
from spacekey.domain.principal import Kind, Limit
from spacekey.domain.product import grantable
from spacekey.domain.product_file import PRODUCT_BYTES_MAX, load_product, load_products, parse_product
from spacekey.domain.scope import MANAGEMENT_SCOPES

GOOD = """\
name = "shop"
title = "Shop"
secret_prefix = "sh"
environments = ["live", "test"]
default_plan = "free"
[tokens]
kinds = ["workspace", "space"]
roles = ["clerk"]
[scopes]
"jobs:read" = "See jobs"
"jobs:write" = "Change jobs"
[shorthands."jobs:all"]
scopes = ["jobs:read", "jobs:write"]
[presets.worker]
scopes = ["jobs:read"]
[[use_cases]]
title = "Monitor"
grants = ["jobs:read"]
[[use_cases]]
title = "Worker"
preset = "worker"
[roles.owner]
every_scope = true
every_management_scope = true
[roles.clerk]
grants = ["jobs:all", "tokens:read"]
[plans.free]
tokens_max = 3
per_minute = 10
burst = 2
self_service = true
[plans.paid]
scopes = ["jobs:read"]
"""


def test_a_good_file() -> None:
    product = parse_product(GOOD, "shop.toml")
    assert (product.name, product.title, product.description, product.secret_prefix) == ("shop", "Shop", "", "sh")
    assert product.environments == ("live", "test")
    assert product.token_kinds == {Kind.WORKSPACE, Kind.SPACE}
    assert product.token_roles == ("clerk",)
    assert list(product.scopes) == ["jobs:read", "jobs:write"]
    assert product.known_scopes == {"jobs:read", "jobs:write", *MANAGEMENT_SCOPES}
    assert product.shorthands["jobs:all"].scopes == {"jobs:read", "jobs:write"}
    assert product.shorthands["jobs:all"].title == "jobs:all"
    assert product.presets["worker"].scopes == ("jobs:read",)
    assert [(case.title, case.grants, case.preset) for case in product.use_cases] == [
        ("Monitor", ("jobs:read",), None),
        ("Worker", (), "worker"),
    ]
    assert product.roles["owner"].grants == ("jobs:read", "jobs:write", *MANAGEMENT_SCOPES)
    assert product.roles["clerk"].grants == ("jobs:all", "tokens:read")
    free, paid = product.plans["free"], product.plans["paid"]
    assert (free.tokens_max, free.scopes, free.limit, free.self_service) == (3, None, Limit(10, 2), True)
    assert (paid.tokens_max, paid.scopes, paid.limit, paid.self_service) == (
        None,
        frozenset({"jobs:read"}),
        None,
        False,
    )


def test_a_product_cannot_be_changed_after_reading() -> None:
    product = parse_product(GOOD, "shop.toml")
    for part in (product.scopes, product.shorthands, product.presets, product.roles, product.plans):
        with pytest.raises(TypeError):
            part["new"] = None  # type: ignore[index]  # the mistake under test


# What to write in place of what, the key that is wrong, and a fragment of the remedy.
WRONG = [
    # the head
    ('name = "shop"\n', "", "name", "is missing; add it"),
    ('name = "shop"', 'nane = "shop"', "name", "correct 'nane'"),
    ('name = "shop"', "name = 7", "name", "one line of text"),
    ('name = "shop"', 'name = ""', "name", "must not be empty"),
    ('name = "shop"', 'name = "Shop"', "name", "lower-case word"),
    ('name = "shop"', 'name = "shop:two"', "name", "lower-case word"),
    ('title = "Shop"', 'title = "Sh\\nop"', "title", "one line of text"),
    ('title = "Shop"', 'title = "\\u001b[31mShop"', "title", "one line of text"),
    ('title = "Shop"', 'title = "  "', "title", "must not be empty"),
    ('title = "Shop"', f'title = "{"x" * 1001}"', "title", "at most 1000 characters"),
    ('title = "Shop"', 'title = "Shop"\ndescription = ["x"]', "description", "one line of text"),
    ('title = "Shop"', 'title = "Shop"\ncolour = "red"', "colour", "unknown key"),
    ('title = "Shop"', 'title = "Shop"\ndescripton = "x"', "descripton", "Did you mean 'description'?"),
    ('secret_prefix = "sh"\n', "", "secret_prefix", "is missing"),
    ('secret_prefix = "sh"', 'brand = "sh"', "brand", "is called secret_prefix now"),
    ('secret_prefix = "sh"', 'secret_prefix = "s"', "secret_prefix", "2 to 16"),
    ('secret_prefix = "sh"', 'secret_prefix = "sh_live"', "secret_prefix", "2 to 16"),
    ('secret_prefix = "sh"', f'secret_prefix = "{"s" * 17}"', "secret_prefix", "2 to 16"),
    ('["live", "test"]', '["live", "prod"]', "environments", "unknown 'prod'; choose from live, test"),
    ('["live", "test"]', "[]", "environments", "at least one of live, test"),
    ('["live", "test"]', '"live"', "environments", "list of strings"),
    ('default_plan = "free"', 'default_plan = "fre"', "default_plan", "Did you mean 'free'?"),
    ('default_plan = "free"\n', "", "default_plan", "is missing"),
    # tokens
    ('kinds = ["workspace", "space"]', 'kinds = ["member"]', "tokens.kinds", "choose from space, workspace"),
    ('kinds = ["workspace", "space"]', "kinds = [1]", "tokens.kinds", "list of strings"),
    ('roles = ["clerk"]', 'roles = ["clark"]', "tokens.roles", "unknown role 'clark'. Did you mean 'clerk'?"),
    ('roles = ["clerk"]', 'roles = ["clerk"]\ngrants = "roles"', "tokens.grants", 'write "role"'),
    ('roles = ["clerk"]', 'grants = "role"', "tokens.roles", "list the roles a token may hold"),
    ('roles = ["clerk"]', 'roles = ["clerk"]\ngrants = "role"', "tokens.kinds", 'write ["workspace"]'),
    (
        'kinds = ["workspace", "space"]',
        'kinds = ["workspace"]\ngrants = "role"',
        "tokens.grants",
        "the preset 'worker' fills in scopes",
    ),
    ('roles = ["clerk"]', 'role = ["clerk"]', "tokens.role", "Did you mean 'roles'?"),
    ("[tokens]", "[token]", "tokens", "correct 'token'"),
    ("[tokens]", "[[tokens]]", "tokens", "write a table, [tokens]"),
    # scopes
    ('"jobs:read" = "See jobs"', '"jobs:read" = ""', "scopes.jobs:read", "must not be empty"),
    ('"jobs:read" = "See jobs"', '"jobs:read" = true', "scopes.jobs:read", "one line of text"),
    ('"jobs:read" = "See', '"jobs:réad" = "x"\n"jobs:read" = "See', "scopes.jobs:réad", "like 'jobs:read'"),
    ('"jobs:read" = "See', '"jobs read" = "x"\n"jobs:read" = "See', "scopes.jobs read", "not a scope name"),
    ('"jobs:read" = "See', 'jobs.read = "x"\n"jobs:read" = "See', "scopes.jobs", "one line of text"),
    ('"jobs:read" = "See', '"tokens:read" = "x"\n"jobs:read" = "See', "scopes.tokens:read", "management scope"),
    ('"jobs:read" = "See jobs"\n"jobs:write" = "Change jobs"', "", "scopes", "define at least one scope"),
    # shorthands and presets
    ('scopes = ["jobs:read", "jobs:write"]', "", "shorthands.jobs:all.scopes", "every_scope = true"),
    ('scopes = ["jobs:read", "jobs:write"]', "scopes = []", "shorthands.jobs:all.scopes", "every_scope = true"),
    ('scopes = ["jobs:read", "jobs:write"]', 'scopes = ["jobs:reed"]', "shorthands.jobs:all.scopes", "'jobs:read'"),
    ('scopes = ["jobs:read", "jobs:write"]', 'scopes = ["tokens:read"]', "shorthands.jobs:all.scopes", "unknown scope"),
    (
        'scopes = ["jobs:read", "jobs:write"]',
        'scopes = ["jobs:read"]\nevery_scope = true',
        "shorthands.jobs:all.scopes",
        "either",
    ),
    ('scopes = ["jobs:read", "jobs:write"]', "every_scope = 1", "shorthands.jobs:all.every_scope", "true or false"),
    ('[shorthands."jobs:all"]', '[shorthands."Jobs All"]', "shorthands.Jobs All", "not a shorthand name"),
    ("[shorthands.", '[shorthands."jobs:read"]\nevery_scope = true\n[shorthands.', "shorthands.jobs:read", "a scope;"),
    (
        "[shorthands.",
        '[shorthands."usage:read"]\nevery_scope = true\n[shorthands.',
        "shorthands.usage:read",
        "a manage",
    ),
    ('[shorthands."jobs:all"]', '[shorthands."tokens:own"]', "roles.clerk.grants", "unknown scope or shorthand"),
    ("[presets.worker]", '[presets."The worker"]', "presets.The worker", "not a preset name"),
    ('[presets.worker]\nscopes = ["jobs:read"]', "[presets.worker]\nscopes = []", "presets.worker.scopes", "at least"),
    ('[presets.worker]\nscopes = ["jobs:read"]', "[presets.worker]", "presets.worker.scopes", "is missing"),
    ('[presets.worker]\nscopes = ["jobs:read"]', '[presets]\nworker = "x"', "presets.worker", "[worker]"),
    (
        '[presets.worker]\nscopes = ["jobs:read"]',
        '[presets.worker]\nscopes = ["jobs:all"]',
        "presets.worker.scopes",
        "?",
    ),
    # use cases
    ('title = "Monitor"\n', "", "use_cases[0].title", "is missing"),
    ('grants = ["jobs:read"]\n', "", "use_cases[0].grants", "either grants or a preset"),
    ('grants = ["jobs:read"]\n', 'grants = ["jobs:rea"]\n', "use_cases[0].grants", "Did you mean 'jobs:read'"),
    (
        'grants = ["jobs:read"]\n',
        'grants = ["owner"]\n',
        "use_cases[0].grants",
        "unknown scope, shorthand or token role",
    ),
    ('preset = "worker"', 'preset = "werker"', "use_cases[1].preset", "Did you mean 'worker'?"),
    ('preset = "worker"', 'preset = "worker"\ngrants = ["jobs:read"]', "use_cases[1].grants", "either"),
    # roles
    ("[roles.owner]", "[roles.boss]", "roles.owner", "every product needs the role 'owner'"),
    ("every_management_scope = true\n", "", "roles.owner", "add every_management_scope = true"),
    ("[roles.clerk]", '[roles."jobs:read"]', "roles.jobs:read", "already a scope"),
    ("[roles.clerk]", '[roles."jobs:all"]', "roles.jobs:all", "already a shorthand"),
    ("[roles.clerk]", '[roles."audit:read"]', "roles.audit:read", "already a management scope"),
    ("[roles.clerk]", "[roles.Clerk]", "roles.Clerk", "not a role name"),
    ('"tokens:read"]', '"tokens:reads"]', "roles.clerk.grants", "Did you mean 'tokens:read'"),
    ('"tokens:read"]', '"owner"]', "roles.clerk.grants", "unknown scope or shorthand 'owner'"),
    ('"tokens:read"]', '"tokens:read"]\nevery = true', "roles.clerk.every", "Did you mean 'every_scope'"),
    # plans
    ("[plans.free]", '[plans.""]', "plans", "not a plan name"),
    ("[plans.free]", '[plans."Free Plan"]', "plans.Free Plan", "not a plan name"),
    ("tokens_max = 3", "tokens_max = -1", "plans.free.tokens_max", "whole number, 0 or more"),
    ("tokens_max = 3", "tokens_max = 3.5", "plans.free.tokens_max", "whole number"),
    ("tokens_max = 3", "tokens_max = true", "plans.free.tokens_max", "whole number"),
    ("tokens_max = 3", "tokens_max = 2147483648", "plans.free.tokens_max", "whole number"),
    ("tokens_max = 3", 'tokens_max = "3"', "plans.free.tokens_max", "whole number"),
    ("tokens_max = 3", "token_max = 3", "plans.free.token_max", "Did you mean 'tokens_max'?"),
    ("burst = 2\n", "", "plans.free.burst", "per_minute and burst together"),
    ("per_minute = 10\n", "", "plans.free.burst", "per_minute and burst together"),
    ("burst = 2", "burst = 0", "plans.free.burst", "both 1 or more"),
    ("per_minute = 10", "per_minute = 0", "plans.free.burst", "both 1 or more"),
    ("self_service = true", 'self_service = "yes"', "plans.free.self_service", "true or false"),
    ('[plans.paid]\nscopes = ["jobs:read"]', '[plans.paid]\nscopes = ["jobs:red"]', "plans.paid.scopes", "'jobs:read'"),
    # not TOML at all
    ('name = "shop"', "name = ", "(file)", "is not TOML"),
    ('name = "shop"', 'name = "shop"\nname = "shop"', "(file)", "is not TOML"),
    ('name = "shop"', f"name = {'9' * 5000}", "(file)", "is not TOML"),
    ('name = "shop"', f"name = {'[' * 100_000}", "(file)", "is not TOML"),
    (GOOD, "", "name", "is missing"),
    (GOOD, "<product/>", "(file)", "is not TOML"),
    (GOOD, '{"name": "shop"}', "(file)", "is not TOML"),
]


@pytest.mark.parametrize(("old", "new", "key", "remedy"), WRONG, ids=[f"{n}-{row[2]}" for n, row in enumerate(WRONG)])
def test_a_mistake_names_file_key_and_remedy(old: str, new: str, key: str, remedy: str) -> None:
    assert old in GOOD
    with pytest.raises(ProductError) as caught:
        parse_product(GOOD.replace(old, new, 1), "shop.toml")
    error = caught.value
    assert (error.file, error.key) == ("shop.toml", key)
    assert remedy in error.remedy
    assert str(next(error.each())) == f"shop.toml: {key}: {error.remedy}"


def test_all_mistakes_are_told_at_once_and_what_follows_from_one_is_none() -> None:
    text = GOOD
    for old, new in (
        ('title = "Shop"', 'titel = "Shop"'),
        ('secret_prefix = "sh"', 'secret_prefix = "S"'),
        ('default_plan = "free"', 'default_plan = "fre"'),
        ('kinds = ["workspace", "space"]', 'kinds = ["tenant"]\nkind = "x"'),
        ('"jobs:write" = "Change jobs"', '"jobs:write" = 1\n"Jobs !" = "x"'),
        ('scopes = ["jobs:read", "jobs:write"]', 'scopes = "jobs:read"'),
        ('title = "Monitor"\ngrants = ["jobs:read"]', 'title = 1\ngrants = ["jobs:rea", "jobs:wri"]'),
        ("every_management_scope = true", "every_management_scope = 1"),
        ('grants = ["jobs:all", "tokens:read"]', 'grants = ["jobs:al"]\ntitle = 1'),
        ("per_minute = 10", 'per_minute = "10"'),
        ("self_service = true", 'self_service = "yes"\ncolour = "red"'),
    ):
        assert old in text, old
        text = text.replace(old, new, 1)
    with pytest.raises(ProductError) as caught:
        parse_product(text, "shop.toml")
    found = [error.key for error in caught.value.each() if isinstance(error, ProductError)]
    assert sorted(found) == [
        "default_plan",
        "plans.free.colour",
        "plans.free.per_minute",
        "plans.free.self_service",
        "roles.clerk.grants",
        "roles.clerk.title",
        "roles.owner.every_management_scope",
        "scopes.Jobs !",
        "scopes.jobs:write",
        "secret_prefix",
        "shorthands.jobs:all.scopes",
        "title",
        "tokens.kind",
        "tokens.kinds",
        "use_cases[0].grants",
        "use_cases[0].title",
    ]
    assert str(caught.value).splitlines() == [str(error) for error in caught.value.each()]
    assert "'jobs:rea'" in str(caught.value)
    assert "'jobs:wri'" in str(caught.value)


def test_the_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.toml").write_text(GOOD.replace('title = "Shop"', f'{name} = "x"'))
    with pytest.raises(ProductError) as caught:
        load_products([tmp_path / "one.toml", tmp_path / "gone.toml", tmp_path / "two.toml"])
    told = str(caught.value)
    assert [name for name in ("one.toml: one", "gone.toml: (file)", "two.toml: two") if name not in told] == []


ONE_ROLE = (
    GOOD.replace('kinds = ["workspace", "space"]', 'kinds = ["workspace"]\ngrants = "role"')
    .replace('[presets.worker]\nscopes = ["jobs:read"]\n', "")
    .replace('[[use_cases]]\ntitle = "Worker"\npreset = "worker"\n', "")
)


def test_tokens_that_hold_one_role_are_recommended_roles_alone() -> None:
    product = parse_product(ONE_ROLE.replace('grants = ["jobs:read"]', 'grants = ["clerk"]'), "shop.toml")
    assert product.one_role
    assert grantable(product, Kind.WORKSPACE, product.roles) == {"clerk"}
    assert not parse_product(GOOD.replace('roles = ["clerk"]', 'roles = ["clerk"]\ngrants = "any"'), "s.toml").one_role
    with pytest.raises(ProductError, match=r"use_cases\[0\]\.grants: unknown token role 'jobs:read'"):
        parse_product(ONE_ROLE, "shop.toml")
    two = ONE_ROLE.replace('roles = ["clerk"]', 'roles = ["clerk", "owner"]')
    with pytest.raises(ProductError, match=r"use_cases\[0\]\.grants: name one role"):
        parse_product(two.replace('grants = ["jobs:read"]', 'grants = ["clerk", "owner"]'), "shop.toml")


def test_too_many_entries() -> None:
    many = "\n".join(f'"s{number}" = "x"' for number in range(1001))
    with pytest.raises(ProductError, match="scopes: has over 1000 entries"):
        parse_product(GOOD.replace("[scopes]", f"[scopes]\n{many}"), "shop.toml")
    listed = ", ".join(['"jobs:read"'] * 1001)
    with pytest.raises(ProductError, match=r"tokens\.roles: has over 1000 entries"):
        parse_product(GOOD.replace('roles = ["clerk"]', f"roles = [{listed}]"), "shop.toml")


@given(st.integers(0, len(GOOD)), st.integers(0, 40), st.text(max_size=5))
def test_a_damaged_file_is_a_product_or_a_product_error(at: int, length: int, instead: str) -> None:
    error: ProductError | None = None
    try:
        parse_product(GOOD[:at] + instead + GOOD[at + length :], "shop.toml")
    except ProductError as caught:
        error = caught
    assert error is None or (error.file == "shop.toml" and error.key and error.remedy)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_several_files_by_name(tmp_path: Path) -> None:
    shop = write(tmp_path, "one", GOOD)
    bank = write(tmp_path, "two", GOOD.replace('"shop"', '"bank"').replace('"sh"', '"bk"'))
    assert list(load_products([bank, shop])) == ["bank", "shop"]
    assert load_products([]) == {}


@pytest.mark.parametrize(("old", "new", "key"), [('"sh"', '"bk"', "name"), ('"shop"', '"bank"', "secret_prefix")])
def test_two_files_with_one_name_or_one_secret_prefix(tmp_path: Path, old: str, new: str, key: str) -> None:
    one, two = write(tmp_path, "one", GOOD), write(tmp_path, "two", GOOD.replace(old, new))
    with pytest.raises(ProductError, match="taken by another product") as caught:
        load_products([one, two])
    assert (caught.value.file, caught.value.key) == (str(two), key)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes(GOOD.replace('title = "Shop"', 'title = "Café"').encode("latin-1"))
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (PRODUCT_BYTES_MAX + 1))
    for path, remedy in [
        (tmp_path / "missing.toml", "cannot be read: No such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (latin, "is not UTF-8 at byte 26; save it as UTF-8"),
        (large, f"is over {PRODUCT_BYTES_MAX} bytes"),
    ]:
        with pytest.raises(ConfigurationError) as caught:
            load_product(path)
        assert str(caught.value).startswith(f"{path}: (file): {remedy}")


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    padding = "#" * (PRODUCT_BYTES_MAX - len(GOOD))
    assert load_product(write(tmp_path, "full", GOOD + padding)).name == "shop"
