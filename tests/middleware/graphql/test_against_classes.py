"""On random Python classes, composed in every way: the report and what is enforced are what the classes ask for."""

import os
import warnings
from random import Random
from typing import Any

import strawberry
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from spacekey.domain.principal import Kind, Principal
from spacekey.middleware.graphql import ScopedSchema, ScopeEnforcement, scope_report
from support.graphql_classes import Plans, random_plans

CASES = int(os.environ.get("SPACEKEY_CASES", "400"))


@settings(max_examples=-(-CASES // 8), deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(seed=st.integers(0, 2**64 - 1))
def test_a_schema_asks_for_what_its_classes_ask_for(seed: int) -> None:
    random = Random(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # merge_types tells of fields that two of its types have
        plans = random_plans(random)
    shown = [name for name, plan in plans.classes.items() if plan.decorated and plans.visible(name)]
    if not shown:
        return
    try:
        schema, callers = schema_over(plans, shown)
    except ValueError as error:  # a renamed field, which an interface has under its first name
        if "Interface field" not in str(error):
            raise
        reject()
    report = scope_report(schema)
    needed = {f"Query.{name.lower()}": plans.of_type(name) for name in shown if not plans.classes[name].interface}
    for name in shown:
        needed |= {f"{name}.{key}": plans.needed(name, key) for key in plans.visible(name).values()}
    for coordinate, scopes in needed.items():
        assert report[coordinate] == (" and ".join(sorted(scopes)) or "public"), (coordinate, plans.classes)

    for name in shown:
        if plans.classes[name].interface:
            continue
        for key in plans.visible(name).values():
            scopes = needed[f"{name}.{key}"] | needed[f"Query.{name.lower()}"]
            for held in (scopes, *(scopes - {one} for one in scopes), None):
                callers[:] = [None if held is None else Principal("key_1", Kind.SPACE, frozenset(held))]
                result = schema.execute_sync(f"{{ {name.lower()} {{ {key} }} }}")
                allowed = held == scopes if held is not None else not scopes
                assert (result.data is not None) == allowed, (name, key, held, plans.classes)


def schema_over(plans: Plans, shown: list[str]) -> tuple[ScopedSchema, list[Any]]:
    """A schema whose root has a field for each type, and the list whose one item is the caller."""
    callers: list[Any] = [None]
    fields = {
        name.lower(): strawberry.field(resolver=maker(plans.made[name]), graphql_type=plans.made[name] | None)
        for name in shown
        if not plans.classes[name].interface
    }
    fields["nothing"] = strawberry.field(resolver=lambda: 1, graphql_type=int)
    query = strawberry.type(type("Query", (), fields))
    scopes = ScopeEnforcement(fail_on_undeclared=False, principal=lambda _: callers[0])
    return ScopedSchema(query, types=[plans.made[name] for name in shown], scopes=scopes), callers


def maker(made: Any) -> Any:
    def make() -> Any:
        return made()

    return make
