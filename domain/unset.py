"""Left out is not null: an edit keeps what is left out and clears what is null."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal, TypeAlias


class _Unset(Enum):
    UNSET = "unset"

    def __bool__(self) -> bool:
        return False


UNSET: Final = _Unset.UNSET
"""The field was left out."""

Unset: TypeAlias = Literal[_Unset.UNSET]
