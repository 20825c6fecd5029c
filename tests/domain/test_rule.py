"""Rules, against a model that tries every set of scopes there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.rule import ALTERNATIVES_MAX, AUTHENTICATED, Rule, all_of, any_of, rule_of

NEVER = Rule(())
"""A rule without an alternative: no scopes satisfy it."""

SCOPES = ("a", "b", "c", "d", "e")


def subsets(names: Iterable[str]) -> list[frozenset[str]]:
    pool = sorted(names)
    return [frozenset(one) for one in chain(*(combinations(pool, size) for size in range(len(pool) + 1)))]


UNIVERSE = subsets(SCOPES)

lists = st.lists(st.lists(st.sampled_from(SCOPES), max_size=4), max_size=5)
rules = lists.map(rule_of)
holdings = st.sampled_from(UNIVERSE)


def truth(rule: Rule) -> list[bool]:
    """The rule as what it means: its answer for every set of scopes."""
    return [rule.allows(held) for held in UNIVERSE]


@given(lists)
def test_a_rule_is_any_list_whose_scopes_are_all_held(alternatives: list[list[str]]) -> None:
    model = [any(all(scope in held for scope in inner) for inner in alternatives) for held in UNIVERSE]
    assert truth(rule_of(alternatives)) == model


@given(rules, rules)
def test_and_or(one: Rule, two: Rule) -> None:
    assert truth(one & two) == [x and y for x, y in zip(truth(one), truth(two), strict=True)]
    assert truth(one | two) == [x or y for x, y in zip(truth(one), truth(two), strict=True)]


@given(st.lists(rules, max_size=4))
def test_all_of_and_any_of_are_all_and_any(parts: list[Rule]) -> None:
    columns = [truth(part) for part in parts]
    by_holding = list(zip(*columns, strict=True)) or [()] * len(UNIVERSE)
    assert truth(all_of(*parts)) == [all(column) for column in by_holding]
    assert truth(any_of(*parts)) == [any(column) for column in by_holding]


@given(rules, rules, rules)
def test_nesting_obeys_the_laws_of_sets(one: Rule, two: Rule, three: Rule) -> None:
    assert truth(one & (two | three)) == truth((one & two) | (one & three))
    assert truth(one | (two & three)) == truth((one | two) & (one | three))
    assert truth(one & (one | two)) == truth(one)


@given(rules, holdings)
def test_holding_more_never_denies(rule: Rule, held: frozenset[str]) -> None:
    if rule.allows(held):
        assert all(rule.allows(held | {scope}) for scope in SCOPES)


@given(rules, holdings)
def test_missing_is_enough_and_nothing_smaller_is(rule: Rule, held: frozenset[str]) -> None:
    missing = rule.missing(held)
    if missing is None:
        assert not any(truth(rule))
        return
    assert rule.allows(held | set(missing))
    assert list(missing) == sorted(set(missing) - held)
    smallest = min(len(added) for added in UNIVERSE if rule.allows(held | added))
    assert len(missing) == smallest


@given(rules, holdings)
def test_missing_is_empty_exactly_when_allowed(rule: Rule, held: frozenset[str]) -> None:
    assert (rule.missing(held) == ()) == rule.allows(held)


@given(rules, holdings, st.frozensets(st.sampled_from(["x", "y", "admin"])))
def test_missing_tells_nothing_of_scopes_the_rule_does_not_name(
    rule: Rule, held: frozenset[str], others: frozenset[str]
) -> None:
    assert rule.missing(held | others) == rule.missing(held)
    assert rule.scopes.issuperset(rule.missing(held) or ())


@given(rules)
def test_lists_and_rule_turn_into_one_another(rule: Rule) -> None:
    assert rule_of(rule.as_lists()) == rule
    assert all(inner == sorted(inner) for inner in rule.as_lists())


@given(lists)
def test_no_alternative_is_needless(alternatives: list[list[str]]) -> None:
    kept = rule_of(alternatives).alternatives
    assert not any(one <= two for one, two in product(kept, kept) if one is not two)


def test_nothing_at_all_is_never_satisfied() -> None:
    for never in (rule_of([]), any_of(), NEVER, NEVER & all_of("a"), all_of("a", NEVER)):
        assert never == NEVER
        assert not any(truth(never))
        assert never.missing(frozenset(SCOPES)) is None
        assert str(never) == "never"


def test_an_empty_alternative_is_satisfied_by_any_valid_principal() -> None:
    for always in (rule_of([[]]), all_of(), AUTHENTICATED, any_of("a", AUTHENTICATED), rule_of([["a"], []])):
        assert always == AUTHENTICATED
        assert all(truth(always))
        assert always.missing(frozenset()) == ()
        assert str(always) == "any valid token"


def test_the_design_example() -> None:
    rule = rule_of([["a", "b"], ["c"]])
    assert rule == any_of(all_of("a", "b"), "c")
    assert [set(held) for held in UNIVERSE if rule.allows(held) and len(held) <= 2] == [
        {"c"}, {"a", "b"}, {"a", "c"}, {"b", "c"}, {"c", "d"}, {"c", "e"},
    ]  # fmt: skip
    assert str(rule) == "(a and b) or (c)"


@pytest.mark.parametrize(
    ("rule", "held", "missing"),
    [
        (all_of("b", "a"), (), ("a", "b")),
        (all_of("a", "b"), ("a",), ("b",)),
        (all_of("a", "b"), ("a", "b", "c"), ()),
        (any_of(all_of("a", "b"), "c"), (), ("c",)),
        (any_of(all_of("a", "b"), "c"), ("a",), ("b",)),  # a tie goes to the rule's own order
        (any_of("c", all_of("a", "b")), ("a",), ("c",)),
        (any_of("b", "a"), (), ("b",)),
        (NEVER, ("a",), None),
        (AUTHENTICATED, (), ()),
    ],
)
def test_missing(rule: Rule, held: tuple[str, ...], missing: tuple[str, ...] | None) -> None:
    assert rule.missing(frozenset(held)) == missing


@pytest.mark.parametrize("held", ["jobs", "jobs:read:progress", "jobs:reads", "job:read", "JOBS:READ", "jobs:*", ""])
def test_matching_is_exact(held: str) -> None:
    assert not all_of("jobs:read").allows({held})
    assert all_of("jobs:read").allows({held, "jobs:read"})


def test_a_rule_decides_for_plain_sets_too() -> None:
    assert all_of("a").allows({"a"})
    assert all_of("a").missing({"b"}) == ("a",)


def test_a_rule_is_a_value() -> None:
    assert all_of("a", "b") == all_of("b", "a")
    assert hash(all_of("a", "b")) == hash(all_of("b", "a"))
    with pytest.raises(AttributeError):
        all_of("a").alternatives = ()  # type: ignore[misc]  # the mistake under test


WRONG: list[tuple[str, Callable[[], Rule]]] = [
    ("empty name", lambda: all_of("")),
    ("blank name", lambda: any_of(" ")),
    ("two names in one", lambda: all_of("jobs:read jobs:write")),
    ("a quote", lambda: all_of('jobs"read')),
    ("a backslash", lambda: any_of("jobs\\read")),
    ("newline", lambda: all_of("jobs:read\n")),
    ("too long", lambda: all_of("a" * 101)),
    ("a list where a scope belongs", lambda: all_of(["a"])),  # type: ignore[arg-type]  # the mistake under test
    ("nothing where a scope belongs", lambda: any_of(None)),  # type: ignore[arg-type]  # the mistake under test
    ("one string", lambda: rule_of("jobs:read")),
    ("a list of strings", lambda: rule_of(["jobs:read"])),
    ("a string among lists", lambda: rule_of([["a"], "b"])),
    ("bytes", lambda: rule_of([b"ab"])),  # type: ignore[list-item]  # the mistake under test
    ("null", lambda: rule_of(None)),  # type: ignore[arg-type]  # the mistake under test
    ("null among lists", lambda: rule_of([["a"], None])),  # type: ignore[list-item]  # the mistake under test
    ("number", lambda: rule_of(1)),  # type: ignore[arg-type]  # the mistake under test
    ("numbers", lambda: rule_of([[1]])),  # type: ignore[list-item]  # the mistake under test
    ("a mapping", lambda: rule_of({"scopes": [["a"]]})),  # type: ignore[arg-type]  # the mistake under test
    ("lists too deep", lambda: rule_of([[["a"]]])),  # type: ignore[list-item]  # the mistake under test
    ("empty string in a list", lambda: rule_of([[""]])),
    ("null in a list", lambda: rule_of([[None]])),  # type: ignore[list-item]  # the mistake under test
    ("list to any_of", lambda: any_of(["jobs:read"])),  # type: ignore[arg-type]  # the mistake under test
    ("list to all_of", lambda: all_of(["jobs:read"])),  # type: ignore[arg-type]  # the mistake under test
]


@pytest.mark.parametrize("build", [pytest.param(build, id=name) for name, build in WRONG])
def test_what_is_no_rule_is_refused(build: Callable[[], Rule]) -> None:
    with pytest.raises(RuleError) as caught:
        build()
    assert isinstance(caught.value, ConfigurationError)
    assert "write" in str(caught.value)


def test_a_rule_has_at_most_so_many_alternatives() -> None:
    names = [f"s{number}" for number in range(ALTERNATIVES_MAX + 1)]
    assert len(any_of(*names[:-1]).alternatives) == ALTERNATIVES_MAX
    with pytest.raises(RuleError, match=str(ALTERNATIVES_MAX)):
        any_of(*names)


def test_a_product_of_many_choices_is_refused_instead_of_filling_memory() -> None:
    with pytest.raises(RuleError, match="simpler"):
        all_of(*(any_of(f"a{number}", f"b{number}") for number in range(64)))


def test_an_unknown_scope_is_named_with_near_matches() -> None:
    rule = any_of("jobs:reed", "jobs:write")
    with pytest.raises(RuleError) as caught:
        rule.check_known({"jobs:read", "jobs:write", "queues:read"}, "POST /jobs")
    assert str(caught.value).startswith("POST /jobs: unknown scope 'jobs:reed'. Did you mean 'jobs:read'")


def test_known_scopes_pass() -> None:
    any_of("a", all_of("b", "c")).check_known({"a", "b", "c"}, "here")
    AUTHENTICATED.check_known(frozenset(), "here")
    NEVER.check_known(frozenset(), "here")
