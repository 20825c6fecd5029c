"""Which of the product's files a piece of work enters, and in which order."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType


@dataclass
class Trail:
    """The modules that were entered, in order; a module that calls itself counts once."""

    steps: list[str] = field(default_factory=list)

    @property
    def modules(self) -> set[str]:
        return set(self.steps)

    @property
    def returns(self) -> int:
        return len(self.steps) - len(self.modules)


@contextmanager
def traced(*folders: Path) -> Iterator[Trail]:
    """Within, what this thread does is noted, as far as it lies in the folders."""
    path = Trail()
    prefixes = tuple(f"{folder}/" for folder in folders)
    entered: dict[int, FrameType] = {}  # a coroutine that is resumed was entered before; kept, since ids recur

    def enter(frame: FrameType, event: str, _: object) -> None:
        file = frame.f_code.co_filename
        if event != "call" or id(frame) in entered or not file.startswith(prefixes):
            return
        entered[id(frame)] = frame
        if not path.steps or path.steps[-1] != file:
            path.steps.append(file)

    before = sys.getprofile()
    sys.setprofile(enter)
    try:
        yield path
    finally:
        sys.setprofile(before)
