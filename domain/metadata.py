"""Metadata of principals and tokens: a JSON object of the host application's, which Spacekey gives back as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias

Json: TypeAlias = dict[str, Any]


class Metadata(dict[str, Any]):
    """JSON object that cannot be changed, nor can what is in it: lists are tuples. ``dict(metadata)`` is a copy.

    It is a dictionary, so that JSON responses can hold it.
    """

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("metadata cannot be changed here; change the token")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[object, ...]:
        return Metadata, (dict(self),)


NO_METADATA = Metadata()
"""Metadata of what has none."""


def written_metadata(metadata: Mapping[str, Any]) -> str:
    """Return metadata as compact JSON."""
    return json.dumps(_thawed(metadata), ensure_ascii=False, separators=(",", ":"))


def frozen_metadata(text: str) -> Metadata:
    """Return the metadata of a JSON text, so that it cannot be changed.

    :raises ValueError: if the text is not a JSON object.
    """
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("the metadata is not an object")
    return Metadata({name: _frozen(one) for name, one in value.items()})


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return Metadata({name: _frozen(one) for name, one in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _thawed(one) for name, one in value.items()}
    return [_thawed(one) for one in value] if isinstance(value, list | tuple) else value
