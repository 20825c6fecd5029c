"""Random schemas with rules, and the data behind them: a description first, and a Strawberry schema built from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Annotated, Any

import strawberry
from strawberry.extensions import ParserCache, ValidationCache

from spacekey.domain.principal import Principal
from spacekey.middleware.graphql import OnDenied, RequiresScopes, ScopedSchema, ScopeEnforcement

Lists = list[list[str]]
ROOTS = ("Query", "Mutation")
SCOPES = ("a", "b", "c", "d")
RULES: tuple[Lists, ...] = ([["a"]], [["b"]], [["a", "c"]], [["a"], ["b"]], [["b", "d"], ["c"]], [[]], [])


@dataclass
class FieldSpec:
    """A field as the generator wrote it. ``to`` is the named type it returns, None for a string."""

    name: str
    to: str | None
    nullable: bool
    listed: bool
    items_nullable: bool
    rule: Lists | None


@dataclass
class TypeSpec:
    """A type as the generator wrote it, with the fields it declares itself and the interfaces it names itself."""

    name: str
    kind: str
    rule: Lists | None = None
    fields: dict[str, FieldSpec] = field(default_factory=dict)
    interfaces: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)


@dataclass
class World:
    """The types by name; the roots, ``Query`` and ``Mutation``, are two of them."""

    seed: str
    types: dict[str, TypeSpec]
    on_fields: float = 1.0
    on_types: float = 1.0

    def ancestors(self, name: str) -> list[str]:
        """All interfaces above a type, nearest first."""
        above: list[str] = []
        for one in self.types[name].interfaces:
            above += [one, *self.ancestors(one)]
        return list(dict.fromkeys(above))

    def fields_of(self, name: str) -> dict[str, FieldSpec]:
        """Every field of an object or interface, inherited ones too, the nearest declaration of each."""
        found: dict[str, FieldSpec] = {}
        for one in [name, *self.ancestors(name)]:
            for key, spec in self.types[one].fields.items():
                found.setdefault(key, spec)
        return found

    def possible(self, name: str) -> list[str]:
        """The concrete types of a type, sorted."""
        kind = self.types[name].kind
        if kind == "object":
            return [name]
        if kind == "union":
            return sorted(self.types[name].members)
        return sorted(one for one, spec in self.types.items() if spec.kind == "object" and name in self.ancestors(one))

    def value(self, uid: str, spec: FieldSpec) -> Any:
        """What the field has on the object ``uid``: None, a string, a (type, uid) pair, or a list of those."""
        random = Random(f"{self.seed}|{uid}|{spec.name}")
        if spec.nullable and random.random() < 0.15:
            return None
        if not spec.listed:
            return self._one(random, f"{uid}.{spec.name}", spec)
        return [
            None if spec.items_nullable and random.random() < 0.2 else self._one(random, f"{uid}.{spec.name}.{n}", spec)
            for n in range(random.randrange(4))
        ]

    def _one(self, random: Random, uid: str, spec: FieldSpec) -> Any:
        return uid if spec.to is None else (random.choice(self.possible(spec.to)), uid)


def random_world(random: Random, seed: str) -> World:
    """Some interfaces, objects and unions, each referring to earlier ones, and a Query and a Mutation to start from."""
    # Rules everywhere deny most operations at once; few rules leave more to be decided value by value.
    world = World(seed, {}, on_fields=random.choice([0.0, 0.3, 1.0]), on_types=random.choice([0.3, 1.0, 2.0]))
    for n in range(random.randint(1, 3)):
        earlier = [name for name, spec in world.types.items() if spec.kind == "interface"]
        above = [random.choice(earlier)] if earlier and random.random() < 0.4 else []
        _add(world, random, TypeSpec(f"I{n}", "interface", _rule(random, 0.2 * world.on_types), interfaces=above))
    for n in range(random.randint(2, 4)):
        names = [name for name, spec in world.types.items() if spec.kind == "interface" and random.random() < 0.5]
        lowest = [one for one in names if not any(one in world.ancestors(other) for other in names)]
        _add(world, random, TypeSpec(f"T{n}", "object", _rule(random, 0.3 * world.on_types), interfaces=lowest))
        if n and random.random() < 0.4:
            objects = [name for name, spec in world.types.items() if spec.kind == "object"]
            world.types[f"U{n}"] = TypeSpec(f"U{n}", "union", members=random.sample(objects, 2))
    for name in [name for name, spec in world.types.items() if spec.kind == "interface" and not world.possible(name)]:
        _add(world, random, TypeSpec(f"Of{name}", "object", _rule(random, 0.3 * world.on_types), interfaces=[name]))
    query = TypeSpec("Query", "object", _rule(random, 0.05))
    starts = random.choices(list(world.types), k=random.randint(2, 5))
    # Strawberry leaves a union or interface out of the schema when nothing refers to it.
    starts += [name for name, one in world.types.items() if one.kind != "object" and name not in starts]
    for n, to in enumerate(starts):
        query.fields[f"query{n}"] = _field(world, random, f"query{n}", to)
    world.types["Query"] = query
    # The same fields again, so that whatever a query can find a mutation can answer with.
    world.types["Mutation"] = TypeSpec("Mutation", "object", _rule(random, 0.05), dict(query.fields))
    return world


def _add(world: World, random: Random, spec: TypeSpec) -> None:
    """Give a type two or three fields of its own, and sometimes a stricter or laxer version of an inherited one."""
    world.types[spec.name] = spec
    others = [name for name in world.types if name != spec.name]
    for n in range(random.randint(2, 3)):
        to = random.choice(others) if others and random.random() < 0.6 else None
        spec.fields[f"{spec.name.lower()}f{n}"] = _field(world, random, f"{spec.name.lower()}f{n}", to)
    for name, inherited in list(world.fields_of(spec.name).items()):
        if name not in spec.fields and random.random() < 0.3:
            # An object may narrow what an interface's field returns to one of the concrete types.
            narrower = [] if inherited.to is None else [one for one in world.possible(inherited.to) if one != spec.name]
            narrows = spec.kind == "object" and narrower and random.random() < 0.5
            to = random.choice(narrower) if narrows else inherited.to
            rule = _rule(random, 0.5 * world.on_fields)
            spec.fields[name] = FieldSpec(
                name, to, inherited.nullable, inherited.listed, inherited.items_nullable, rule
            )


def _field(world: World, random: Random, name: str, to: str | None) -> FieldSpec:
    nullable, listed, items = random.random() < 0.6, random.random() < 0.35, random.random() < 0.5
    return FieldSpec(name, to, nullable, listed, items, _rule(random, 0.3 * world.on_fields))


def _rule(random: Random, chance: float) -> Lists | None:
    return random.choice(RULES) if random.random() < chance else None


class Runs:
    """The resolvers that ran, as (type, field, object), and who asks. One for each schema."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str, str]] = []
        self.caller: Principal | None = None


def build_schemas(world: World, runs: Runs) -> dict[OnDenied, ScopedSchema]:
    """A schema for each of reject and filter over the same classes."""
    classes: dict[str, Any] = {}
    for name, spec in world.types.items():
        directives = [RequiresScopes(scopes=spec.rule)] if spec.rule is not None else []
        if spec.kind == "union":
            one, two = (classes[member] for member in spec.members)
            classes[name] = Annotated[one | two, strawberry.union(name)]
            continue
        bases = tuple(classes[one] for one in spec.interfaces)
        body = {key: _strawberry_field(world, name, one, classes, runs) for key, one in spec.fields.items()}
        make = strawberry.interface if spec.kind == "interface" else strawberry.type
        classes[name] = make(type(name, bases, body), directives=directives)
    objects = [classes[name] for name, spec in world.types.items() if spec.kind == "object" and name not in ROOTS]
    return {
        mode: ScopedSchema(
            classes["Query"],
            classes["Mutation"],
            types=objects,
            scopes=ScopeEnforcement(fail_on_undeclared=False, on_denied=mode, principal=lambda _: runs.caller),
            extensions=[ParserCache, ValidationCache],
        )
        for mode in ("reject", "null")
    }


def _strawberry_field(world: World, owner: str, spec: FieldSpec, classes: dict[str, Any], runs: Runs) -> Any:
    def instance(value: Any) -> Any:
        if not isinstance(value, tuple):
            return value
        made = classes[value[0]]()
        made.uid = value[1]
        return made

    def resolve(self: Any) -> Any:
        uid = "root" if self is None else self.uid
        runs.log.append((owner if self is None else type(self).__name__, spec.name, uid))
        value = world.value(uid, spec)
        return [instance(one) for one in value] if isinstance(value, list) else instance(value)

    shape: Any = str if spec.to is None else classes[spec.to]
    if spec.listed:
        shape = list[shape | None] if spec.items_nullable else list[shape]
    if spec.nullable:
        shape = shape | None
    directives = [RequiresScopes(scopes=spec.rule)] if spec.rule is not None else []
    return strawberry.field(resolver=resolve, graphql_type=shape, directives=directives)
