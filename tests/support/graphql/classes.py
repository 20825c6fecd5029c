"""Random hierarchies of Python classes, put together in every way that Strawberry knows, and their naive meaning.

The description of a hierarchy knows nothing of Strawberry. What a field needs is computed from it as DESIGN §9 says it,
on sets of strings, by walking through the classes again for every question.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Annotated, Any

import pydantic
import strawberry
from strawberry.tools import create_type, merge_types

from spacekey.middleware.graphql import requires_scopes

WAYS = ("inherit", "merge", "create", "annotated", "pydantic", "undecorated")
"""How a class is made: by a ``class`` statement with resolvers, ``merge_types``, ``create_type`` with another class's
fields, a ``class`` statement whose rules stand in ``Annotated[…, strawberry.field(…)]``, a Pydantic model, or left
without a decorator."""


@dataclass
class FieldPlan:
    """A field that a class defines itself. ``graphql_name`` differs where it is renamed."""

    name: str
    graphql_name: str
    rule: str | None


@dataclass
class ClassPlan:
    """A class: its rule, its bases by name, the fields it defines itself, and how it is made."""

    name: str
    way: str
    rule: str | None
    bases: list[str]
    fields: list[FieldPlan] = field(default_factory=list)
    interface: bool = False
    copied: str | None = None

    @property
    def decorated(self) -> bool:
        return self.way != "undecorated"


@dataclass
class Plans:
    """All classes, bases first, and what :func:`build` made of them."""

    classes: dict[str, ClassPlan]
    made: dict[str, Any] = field(default_factory=dict)

    def mro(self, name: str) -> list[str]:
        """The classes of the MRO that are described here, as Python has it."""
        known = {id(made): one for one, made in self.made.items()}
        return [known[id(cls)] for cls in self.made[name].__mro__ if id(cls) in known]

    def objects(self, name: str) -> dict[str, tuple[str, FieldPlan]]:
        """The fields of a class by Python name, defined or inherited, each with the class that it was made in.

        As dataclasses have it: bases from the last to the first, each with all of its fields, then the class's own.
        """
        plan, bases = self.classes[name], self.mro(name)[1:]
        if not plan.decorated:
            return next((self.objects(one) for one in bases if self.classes[one].decorated), {})
        found: dict[str, tuple[str, FieldPlan]] = {}
        for one in reversed(bases):
            found |= self.objects(one)
        if plan.copied is not None:
            found |= self.objects(plan.copied)
        return found | {spec.name: (name, spec) for spec in plan.fields}

    def visible(self, name: str) -> dict[str, str]:
        """GraphQL name by Python name of every field that the class has, defined or inherited."""
        return {key: spec.graphql_name for key, (_, spec) in self.objects(name).items()}

    def needed(self, name: str, graphql_name: str) -> frozenset[str]:
        """What the classes of a type ask for one of its fields, the type itself and interfaces included."""
        scopes = set(self.of_type(name))
        for one in self.mro(name):
            if self.classes[one].interface:
                scopes |= self._own(one)
        for owner, spec in self._definitions(name, graphql_name):
            if spec.rule is not None:
                scopes.add(spec.rule)
            if self.classes[owner].decorated:
                scopes |= self._own(owner)
        return frozenset(scopes)

    def of_type(self, name: str) -> frozenset[str]:
        """What a type asks for as an answer: its own rule and that of each base that has all of its fields."""
        scopes = set(self._own(name))
        mine = self.visible(name)
        for one in self.mro(name)[1:]:
            plan = self.classes[one]
            if plan.interface:
                scopes |= self._own(one)
            theirs = self.visible(one)
            covers = all(key in theirs or shown in theirs.values() for key, shown in mine.items())
            if plan.decorated and covers:
                scopes |= self._own(one)
        return frozenset(scopes)

    def _own(self, name: str) -> set[str]:
        rule = self.classes[name].rule
        return set() if rule is None or not self.classes[name].decorated else {rule}

    def _definitions(self, name: str, graphql_name: str) -> Iterator[tuple[str, FieldPlan]]:
        """Every definition of a field in the MRO, by either name, followed through renamings."""
        everywhere = list(self._everywhere(name))
        names = {graphql_name}
        pythons = {key for key, shown in self.visible(name).items() if shown == graphql_name}
        for _ in everywhere:
            for _, spec in everywhere:
                if spec.name in pythons or spec.graphql_name in names:
                    names.add(spec.graphql_name)
                    pythons.add(spec.name)
        for owner, spec in everywhere:
            if spec.name in pythons or spec.graphql_name in names:
                yield owner, spec

    def _everywhere(self, name: str) -> Iterator[tuple[str, FieldPlan]]:
        for one in self.mro(name):
            yield from ((one, spec) for spec in self.classes[one].fields)
            copied = self.classes[one].copied
            if copied is not None:
                for owner, spec in self.objects(copied).values():
                    yield one, spec
                    yield from self._definitions(owner, spec.graphql_name)


def random_plans(random: Random) -> Plans:
    """Some classes on top of one another, with rules in every place."""
    plans = Plans({})
    for number in range(random.randint(2, 7)):
        way = random.choice(WAYS)
        name = f"C{number}"
        plan = ClassPlan(name, way, _rule(random, f"type{number}"), _bases(random, plans, way))
        if way == "create":
            ways = ("inherit", "merge", "annotated")
            sources = [one for one, other in plans.classes.items() if other.way in ways and plans.visible(one)]
            plan.copied = random.choice(sources) if sources else None
            plan.bases = []
            if plan.copied is None:
                plan.way = way = "inherit"
        if way == "merge" and not plan.bases:
            plan.way = way = "inherit"
        if (
            way == "inherit"
            and random.random() < 0.2
            and all(plans.classes[one].way == "inherit" for one in plan.bases)
        ):
            plan.interface = True
        if plan.way not in ("merge", "create"):
            plan.fields = _fields(random, number, plan)
        plans.classes[name] = plan
        if not build_one(plans, plan):
            del plans.classes[name]
    return plans


def _bases(random: Random, plans: Plans, way: str) -> list[str]:
    pydantic_bases = way == "pydantic"
    fitting = [one for one, plan in plans.classes.items() if (plan.way == "pydantic") == pydantic_bases]
    if way == "merge":
        fitting = [one for one in fitting if plans.classes[one].decorated]
    most = 1 if pydantic_bases else 3
    return random.sample(fitting, min(len(fitting), random.randint(0, most)))


def _fields(random: Random, number: int, plan: ClassPlan) -> list[FieldPlan]:
    fields = []
    for name in random.sample(["a", "b", "c", "d"], random.randint(0 if plan.bases else 1, 3)):
        shown = name if plan.way in ("pydantic", "annotated") or random.random() < 0.8 else f"{name}{name}"
        fields.append(FieldPlan(name, shown, _rule(random, f"{name}{number}")))
    return fields


def _rule(random: Random, scope: str) -> str | None:
    return scope if random.random() < 0.4 else None


def _directives(rule: str | None) -> list[Any]:
    return [] if rule is None else [requires_scopes(rule)]


def build_one(plans: Plans, plan: ClassPlan) -> bool:
    """Make a class; False where Python or Strawberry does not allow it, such as an inconsistent MRO."""
    bases = tuple(plans.made[one] for one in plan.bases)
    try:
        plans.made[plan.name] = _make(plans, plan, bases)
    except TypeError:
        return False
    return True


def _make(plans: Plans, plan: ClassPlan, bases: tuple[type, ...]) -> Any:
    if plan.way == "merge":
        plan.rule = None  # merge_types takes none
        return merge_types(plan.name, bases)
    if plan.way == "create":
        source = plans.made[plan.copied or ""]
        return create_type(plan.name, source.__strawberry_definition__.fields, directives=_directives(plan.rule))
    body: dict[str, Any] = {"__annotations__": {}, "__module__": __name__}
    for spec in plan.fields:
        options: dict[str, Any] = {"directives": _directives(spec.rule)}
        if plan.way in ("annotated", "pydantic"):
            body["__annotations__"][spec.name] = _annotated(options)
            body[spec.name] = 1
        else:
            shown = None if spec.graphql_name == spec.name else spec.graphql_name
            body[spec.name] = strawberry.field(resolver=_one, name=shown, **options)
    if plan.way == "pydantic":
        model = type(plan.name, bases or (pydantic.BaseModel,), body)
        return strawberry.pydantic.type(model, directives=_directives(plan.rule))
    cls = type(plan.name, bases, body)
    if plan.way == "undecorated":
        return cls
    make = strawberry.interface if plan.interface else strawberry.type
    return make(cls, directives=_directives(plan.rule))


def _annotated(options: dict[str, Any]) -> Any:
    return Annotated[int, strawberry.field(**options)]


def _one() -> int:
    return 1
