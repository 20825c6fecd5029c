"""What a short run takes: each test on one of the two databases, and some cases of a large matrix."""

from __future__ import annotations

import os
import zlib

import pytest

KIND = "database_kind"
REST = "rest"


def one_database_each(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Split the tests into those of a short run and those that differ from one of them in the database alone.

    The choice depends on the test's name, so it is the same in every run and in every process. A test that names its
    database itself has no other, and stays.
    """
    forms: dict[str, dict[str, pytest.Item]] = {}
    for item in items:
        kind = _kind_of(item)
        if kind is not None:
            forms.setdefault(_name_without(item, kind), {})[kind] = item
    left_out = set()
    for name, by_kind in forms.items():
        if len(by_kind) > 1:
            chosen = sorted(by_kind)[zlib.crc32(name.encode()) % len(by_kind)]
            left_out |= {item for kind, item in by_kind.items() if kind != chosen}
    return [item for item in items if item not in left_out], [item for item in items if item in left_out]


def one_of_so_many(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Split the tests into those of a short run and those that a mark ``sampled`` leaves out of it.

    Of each test with ``sampled(n)``, a short run takes one case in ``n``, at least one. The choice depends on the names
    alone.
    """
    cases: dict[str, list[tuple[int, str, pytest.Item]]] = {}
    for item in items:
        if item.get_closest_marker("sampled") is not None:
            place = (zlib.crc32(item.nodeid.encode()), item.nodeid, item)
            cases.setdefault(item.nodeid.partition("[")[0], []).append(place)
    left_out = set()
    for found in cases.values():
        mark = found[0][2].get_closest_marker("sampled")
        number = 1 if mark is None else int(mark.args[0])
        found.sort(key=lambda one: one[:2])
        left_out |= {item for _, _, item in found[max(1, len(found) // number) :]}
    return [item for item in items if item not in left_out], [item for item in items if item in left_out]


def whole_run() -> bool:
    """Return whether this run takes tests in their long forms: more cases, and real starts of every program."""
    return os.environ.get("SPACEKEY_TESTS") in ("all", REST)


def rest_run() -> bool:
    """Return whether this run takes only what a short run leaves out, as the second half of ``make test-all``."""
    return os.environ.get("SPACEKEY_TESTS") == REST


def _kind_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    kind = callspec.params.get(KIND) if callspec is not None else None
    return kind if isinstance(kind, str) else None


def _name_without(item: pytest.Item, kind: str) -> str:
    name, bracket, parameters = item.nodeid.partition("[")
    rest = [one for one in parameters.removesuffix("]").split("-") if one != kind]
    return f"{name}{bracket}{'-'.join(rest)}"
