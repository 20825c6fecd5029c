"""Random valid operations over a random world: aliases, inline and named fragments, conditions with variables."""

from __future__ import annotations

import re
from random import Random

from support.graphql.world import World

VARIABLES = {"yes": ("$yes: Boolean!", True), "no": ("$no: Boolean!", False), "on": ("$on: Boolean = true", True)}
SUPPLIED = {"yes": True, "no": False}
"""What a request sends; ``on`` is left to its default."""


def random_query(random: Random, world: World, root: str) -> str:
    """The text of an operation that is valid for the world's schema. ``root`` is ``Query`` or ``Mutation``."""
    writer = _Writer(random, world)
    body = writer.selection(root, 4)
    text = body
    parts = []
    for name, on, inner in reversed(writer.fragments):
        if re.search(rf"\.\.\.{name}\b", text):
            parts.append(f"fragment {name} on {on} {inner}")
            text += inner
    used = [definition for name, (definition, _) in VARIABLES.items() if re.search(rf"\${name}\b", text)]
    head = root.lower() + (f"({', '.join(used)}) " if used else " ")
    return "\n".join([head + body, *parts])


class _Writer:
    def __init__(self, random: Random, world: World) -> None:
        self.fragments: list[tuple[str, str, str]] = []
        self._random = random
        self._world = world

    def selection(self, on: str, depth: int) -> str:
        count = self._random.randint(1, 3)
        return "{ " + " ".join(self._one(on, depth) for _ in range(count)) + " }"

    def _one(self, on: str, depth: int) -> str:
        kind = self._random.random()
        if depth > 0 and kind < 0.15:
            return f"...{self._condition()} {self.selection(on, depth - 1)}"
        if depth > 0 and kind < 0.35:
            other = self._overlapping(on)
            return f"... on {other}{self._condition()} {self.selection(other, depth - 1)}"
        if depth > 0 and kind < 0.5:
            return f"...{self._fragment(on, depth)}{self._condition()}"
        return self._field(on, depth)

    def _field(self, on: str, depth: int) -> str:
        fields = {} if self._world.types[on].kind == "union" else self._world.fields_of(on)
        names = [name for name, spec in fields.items() if depth > 0 or spec.to is None]
        if not names or self._random.random() < 0.1:
            return "__typename"
        spec = fields[self._random.choice(names)]
        alias = f"{spec.name}_{self._random.choice('xy')}: " if self._random.random() < 0.25 else ""
        inner = "" if spec.to is None else " " + self.selection(spec.to, depth - 1)
        return f"{alias}{spec.name}{self._condition()}{inner}"

    def _fragment(self, on: str, depth: int) -> str:
        fitting = [name for name, other, _ in self.fragments if self._overlap(on, other)]
        if fitting and self._random.random() < 0.5:
            return self._random.choice(fitting)
        other = self._overlapping(on)
        inner = self.selection(other, depth - 1)
        name = f"F{len(self.fragments)}"
        self.fragments.append((name, other, inner))
        return name

    def _overlapping(self, on: str) -> str:
        return self._random.choice([name for name in self._world.types if self._overlap(on, name)])

    def _overlap(self, one: str, two: str) -> bool:
        return bool(set(self._world.possible(one)) & set(self._world.possible(two)))

    def _condition(self) -> str:
        if self._random.random() > 0.15:
            return ""
        value = self._random.choice(["true", "false", *(f"${name}" for name in VARIABLES)])
        return f" @{self._random.choice(['skip', 'include'])}(if: {value})"
