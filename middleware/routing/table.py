"""Rule table of an app: rules for endpoints that cannot be edited, by path, by pattern or by the route's name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from spacekey.domain.errors import RuleError
from spacekey.domain.suggest import did_you_mean, known_instead
from spacekey.middleware.rules.requirement import Access, Declaration, access_from

from .routes import ANY, RouteTarget

BELOW = "/**"
"""End of a pattern: the path before it, and every path below that."""

RuleKey: TypeAlias = "tuple[str, str] | str"
"""(method, path template), (method, pattern) or the name of a route."""

Rules: TypeAlias = Mapping[tuple[str, str], Declaration] | Mapping[str, Declaration] | Mapping[RuleKey, Declaration]
"""Rule table as an app writes it."""


@dataclass(slots=True)
class RuleTable:
    """Rules by path template, by pattern and by name, each with its declaration by method.

    For one method of one route the most specific entry counts: a name, then the exact path, then the longest pattern;
    of two entries for one path, the one that names the method. An entry that concerns no route is an error.
    """

    names: dict[str, Access] = field(default_factory=dict)
    paths: dict[str, dict[str, Access]] = field(default_factory=dict)
    patterns: dict[str, dict[str, Access]] = field(default_factory=dict)
    _used: set[tuple[str, str]] = field(default_factory=set)
    _named: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: object) -> RuleTable:
        """Return a table as an app gives it, with its methods in capitals.

        :raises RuleError: if it is not a mapping of such keys to declarations.
        """
        if not isinstance(rules, Mapping):
            raise RuleError("rules: write a mapping, such as {('GET', '/jobs'): requires('jobs:read')}")
        table = cls()
        for key, declaration in rules.items():
            try:
                table._add(key, access_from(declaration))
            except RuleError as error:
                said = str(error)
                raise RuleError(said if said.startswith("rules: ") else f"rules: {key!r:.80}: {said}") from None
        return table

    def _add(self, key: object, access: Access) -> None:
        if isinstance(key, str) and key and "/" not in key:
            self.names[key] = access
            return
        if not isinstance(key, tuple) or len(key) != 2 or not all(isinstance(part, str) for part in key):
            path = key if isinstance(key, str) and key else "/jobs"
            raise RuleError(
                f"rules: {key!r:.60} is no (method, path): write ('GET', {path!r}), or ('*', {path!r}), or the name of "
                "a route"
            )
        method, path = key[0].upper(), key[1]
        if "*" in path.removesuffix(BELOW):
            raise RuleError(
                f"rules: {path!r:.80}: '**' stands at the end only, as in '/internal/**'; write one rule each"
            )
        if path.endswith(BELOW):
            self.patterns.setdefault(path.removesuffix(BELOW), {})[method] = access
        else:
            self.paths.setdefault(path, {})[method] = access

    def begin(self) -> None:
        """Forget which entries concern a route: the routes are looked at again."""
        self._used.clear()
        self._named.clear()

    def methods_for(self, target: RouteTarget) -> set[str]:
        """Return the methods that entries for this route name; :data:`ANY` among them."""
        found = {method for _, by_method in self._entries(target.path) for method in by_method}
        return found | {ANY} if target.name in self.names else found

    def note_used(self, target: RouteTarget, methods: Collection[str]) -> None:
        """Note which entries concern this route, given the methods that it has.

        :raises RuleError: if an entry's name is that of two routes.
        """
        if target.name in self.names:
            other = self._named.setdefault(target.name, target.path)
            if other != target.path:
                raise RuleError(
                    f"rules: two routes are called {target.name!r}, '{other}' and '{target.path}'; name their paths"
                )
        for path, by_method in self._entries(target.path):
            self._used |= {(method, path) for method in by_method if method == ANY or method in methods}

    def access_to(self, target: RouteTarget, method: str) -> Access | None:
        """Return the declaration for one method of a route, or None. An entry for GET is one for HEAD."""
        if target.name in self.names:
            return self.names[target.name]
        keys = (method, "GET", ANY) if method == "HEAD" else (method, ANY)
        found = (by_method[key] for _, by_method in self._entries(target.path) for key in keys if key in by_method)
        return next(found, None)

    def _entries(self, path: str) -> Iterable[tuple[str, Mapping[str, Access]]]:
        """Return what concerns a path, the most specific first."""
        if path in self.paths:
            yield path, self.paths[path]
        for prefix in sorted(self.patterns, key=len, reverse=True):
            if path == prefix or path.startswith(f"{prefix}/"):
                yield f"{prefix}{BELOW}", self.patterns[prefix]

    def refuse_unused(self, targets: Iterable[RouteTarget]) -> None:
        """Refuse entries that concern no route.

        :raises RuleError: with what may have been meant.
        """
        found = list(targets)
        known = {f"{method} {target.path}" for target in found for method in target.declared}
        for name in sorted(self.names.keys() - self._named.keys()):
            near = known_instead(name, {target.name for target in found if target.name})
            raise RuleError(f"the rule table names '{name}', which is the name of no route.{near}")
        every = [*self.paths.items(), *((f"{prefix}{BELOW}", methods) for prefix, methods in self.patterns.items())]
        unused = {(method, path) for path, by_method in every for method in by_method} - self._used
        for method, path in sorted(unused):
            entry = f"{method} {path}"
            if path.endswith(BELOW):
                prefixes = {f"{method} {prefix}" for target in found for prefix in _prefixes(target.path)}
                raise RuleError(
                    f"the rule table names '{entry}', which matches no route.{did_you_mean(entry, prefixes)}"
                )
            of_path = {one.partition(" ")[0] for one in known if one.partition(" ")[2] == path}
            if of_path:
                has = ", ".join(sorted(of_path))
                raise RuleError(
                    f"the rule table names '{entry}', which is not a route. That path has {has}; '*' stands for any "
                    "method."
                )
            raise RuleError(f"the rule table names '{entry}', which is not a route.{did_you_mean(entry, known)}")


def _prefixes(path: str) -> Iterable[str]:
    """Return the patterns that match a path, the widest first."""
    parts = path.split("/")
    return ("/".join(parts[:count]) + BELOW for count in range(2, len(parts) + 1))


def rules_for(paths: Iterable[str]) -> list[str]:
    """Return the patterns that cover these paths, at most five, as they are written in a table, shortest first.

    A pattern stands for at least two paths with the same first part; others are written as they are.
    """
    by_first: dict[str, list[str]] = {}
    for path in paths:
        first = "/" + path.lstrip("/").partition("/")[0]
        by_first.setdefault(first, []).append(path)
    lines = [
        f"('*', '{first}{BELOW}')" if len(found) > 1 and "{" not in first else f"('*', '{found[0]}')"
        for first, found in by_first.items()
    ]
    return sorted(lines, key=len)[:5]
