"""The real code under simulation, as it is or with one safeguard cut out of its source."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

from spacekey.middleware.verifiers import cached
from spacekey.resolvers import staleness
from spacekey.resolvers import staleness as settle
from spacekey.resolvers.tokens import verify

from .virtual_database import STALENESS_LOCK, Session

_numbers = count()


@dataclass(frozen=True, slots=True)
class Cut:
    """Change to the source of one file that removes a safeguard: the code as it is, and without it."""

    file: str
    stands: str
    instead: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the code relies on besides itself. The defaults are how Spacekey is wired."""

    clock_stops_in_sleep: bool = False
    replica_lag: int = 0
    introspection_is_cached: bool = False
    staleness_is_held: bool = True
    one_statement: bool = True


@dataclass(frozen=True)
class SystemUnderTest:
    """Modules that an interleaving runs."""

    cached: Any = cached
    verify: Any = verify
    settle: Any = settle
    staleness: Any = staleness
    surroundings: Surroundings = field(default_factory=Surroundings)


@contextmanager
def system_under_test(*cuts: Cut, surroundings: Surroundings | None = None) -> Iterator[SystemUnderTest]:
    """The code with these cuts; the resolvers' queries go to the virtual database."""
    kept: list[str] = []
    held = surroundings is None or surroundings.staleness_is_held
    try:
        parts = {
            name: _copy(module, [cut for cut in cuts if cut.file == name], kept)
            for name, module in (("settle", settle), ("staleness", staleness))
        }
        parts |= {
            name: _copy(module, [cut for cut in cuts if cut.file == name], kept)
            for name, module in (("cached", cached), ("verify", verify))
            if any(cut.file == name for cut in cuts)
        }
        for part in (parts["settle"], parts["staleness"]):
            _on_virtual_database(part, held=held)
        yield SystemUnderTest(**parts, surroundings=surroundings or Surroundings())
    finally:
        for name in kept:
            del sys.modules[name]


def _copy(module: ModuleType, cuts: list[Cut], kept: list[str]) -> ModuleType:
    """The module once more, from its source, changed."""
    file = Path(module.__file__ or "")
    source = file.read_text()
    for cut in cuts:
        assert source.count(cut.stands) == 1, f"{file.name} has changed; adapt the cut that looks for {cut.stands!r}"
        source = source.replace(cut.stands, cut.instead)
    name = f"{module.__name__}_{next(_numbers)}"
    spec = importlib.util.spec_from_loader(name, None)
    assert spec is not None
    copy = importlib.util.module_from_spec(spec)
    copy.__package__ = module.__package__
    sys.modules[name] = copy  # dataclasses look their own module up
    kept.append(name)
    exec(compile(source, str(file), "exec"), copy.__dict__)
    return copy


def _on_virtual_database(module: ModuleType, *, held: bool) -> None:
    async def hold_staleness(session: Session, *, to_change: bool = False) -> None:
        if held:
            await session.hold(STALENESS_LOCK, shared=not to_change)

    async def read_setting(session: Session, name: str, default: float) -> float:
        return await session.number(name, default)

    async def write_setting(session: Session, name: str, value: float) -> None:
        await session.set_number(name, value)

    async def record(*_: object, **__: object) -> None:
        """The audit log is not part of the model."""

    ours: tuple[Callable[..., Awaitable[Any]], ...] = (hold_staleness, read_setting, write_setting, record)
    for function in ours:
        if hasattr(module, function.__name__):
            setattr(module, function.__name__, function)
