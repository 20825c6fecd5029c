"""Value of a field that was left out. An edit keeps what is left out and clears what is null."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal, TypeAlias


class _Unset(Enum):
    UNSET = "unset"

    def __bool__(self) -> bool:
        return False


UNSET: Final = _Unset.UNSET
"""Value of a field that was left out."""

Unset: TypeAlias = Literal[_Unset.UNSET]
