"""External ids and metadata: what is accepted comes back unchanged, and everything else is refused with its place."""

from __future__ import annotations

import json
import pickle
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.external import (
    EXTERNAL_ID_LENGTH_MAX,
    INTEGER_MAX,
    METADATA_BYTES_MAX,
    METADATA_DEPTH_MAX,
    clean_external_id,
    clean_metadata,
    parsed_metadata,
)
from spacekey.domain.metadata import frozen_metadata, written_metadata
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.refusal import InputCode, InvalidInput

ACCEPTED = ("u", "user-7", "auth0|5f7c", "ada@example.com", "Müller", "用户", "👩", "a b", "x" * EXTERNAL_ID_LENGTH_MAX)
REFUSED: dict[object, InputCode] = {
    "": InputCode.REQUIRED,
    "x" * (EXTERNAL_ID_LENGTH_MAX + 1): InputCode.TOO_LONG,
    " a": InputCode.INVALID_CHARACTERS,
    "a ": InputCode.INVALID_CHARACTERS,
    " ": InputCode.INVALID_CHARACTERS,
    "a\0": InputCode.INVALID_CHARACTERS,
    "a\n": InputCode.INVALID_CHARACTERS,
    "a\u00a0b": InputCode.INVALID_CHARACTERS,
    "a\u200bb": InputCode.INVALID_CHARACTERS,
    "a\u202eb": InputCode.INVALID_CHARACTERS,
    "a\ud800": InputCode.INVALID_CHARACTERS,
    "\u3164": InputCode.INVALID_CHARACTERS,
    "a\ufe0f": InputCode.INVALID_CHARACTERS,
    "u\u0308": InputCode.INVALID_CHARACTERS,
    7: InputCode.INVALID_TYPE,
    None: InputCode.INVALID_TYPE,
    b"a": InputCode.INVALID_TYPE,
}


def deep(levels: int) -> dict[str, Any]:
    value: Any = 1
    for number in range(levels):
        value = {"a": value} if number % 2 == 0 else [value]
    return value if isinstance(value, dict) else {"a": value[0]}


FAULTS: tuple[tuple[object, tuple[str, ...], InputCode], ...] = (
    ([], ("metadata",), InputCode.INVALID_TYPE),
    ("{}", ("metadata",), InputCode.INVALID_TYPE),
    (None, ("metadata",), InputCode.INVALID_TYPE),
    ({"a": {"b": "\0"}}, ("metadata", "a", "b"), InputCode.INVALID_CHARACTERS),
    ({"a": ["x", "\ud800"]}, ("metadata", "a", "1"), InputCode.INVALID_CHARACTERS),
    ({"\0": 1}, ("metadata",), InputCode.INVALID_CHARACTERS),
    ({"\udfff": 1}, ("metadata",), InputCode.INVALID_CHARACTERS),
    ({1: 1}, ("metadata",), InputCode.INVALID_TYPE),
    ({"a": {1: 1}}, ("metadata", "a"), InputCode.INVALID_TYPE),
    ({"a": float("nan")}, ("metadata", "a"), InputCode.OUT_OF_RANGE),
    ({"a": float("-inf")}, ("metadata", "a"), InputCode.OUT_OF_RANGE),
    ({"a": INTEGER_MAX + 1}, ("metadata", "a"), InputCode.OUT_OF_RANGE),
    ({"a": -(10**5000)}, ("metadata", "a"), InputCode.OUT_OF_RANGE),
    ({"a": b"x"}, ("metadata", "a"), InputCode.INVALID_TYPE),
    ({"a": {1}}, ("metadata", "a"), InputCode.INVALID_TYPE),
    ({"a": "x" * METADATA_BYTES_MAX}, ("metadata",), InputCode.TOO_LONG),
    ({"a": "é" * (METADATA_BYTES_MAX // 2)}, ("metadata",), InputCode.TOO_LONG),
    ({"a": [0] * 1_000_000}, ("metadata",), InputCode.TOO_LONG),
    (deep(METADATA_DEPTH_MAX + 3), ("metadata",), InputCode.OUT_OF_RANGE),
)


@pytest.mark.parametrize("text", ACCEPTED)
def test_an_external_id_is_returned_as_it_was_given(text: str) -> None:
    assert clean_external_id("external_id", text) == text


@pytest.mark.parametrize("text", REFUSED, ids=repr)
def test_what_is_no_external_id_is_refused(text: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        clean_external_id("external_id", text)
    assert [(one.path, one.code) for one in refused.value.faults] == [(("external_id",), REFUSED[text])]


@pytest.mark.parametrize(("value", "path", "code"), FAULTS, ids=[str(number) for number in range(len(FAULTS))])
def test_what_is_no_metadata_is_refused_with_its_place(value: object, path: tuple[str, ...], code: InputCode) -> None:
    with pytest.raises(InvalidInput) as refused:
        clean_metadata("metadata", value)
    [fault] = refused.value.faults
    assert (fault.path, fault.code) == (path, code)


def test_metadata_that_contains_itself_is_refused() -> None:
    around: dict[str, Any] = {}
    around["a"] = around
    with pytest.raises(InvalidInput):
        clean_metadata("metadata", around)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "1", "nul", '{"a": 1, "a": 2}', '{"a": {"b": 1, "b": 1}}', '{"a": NaN}', '{"a": 1e999}', "{" * 9_999],
)
def test_json_that_is_no_metadata_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parsed_metadata("metadata", text)


def test_the_bounds_themselves_are_accepted() -> None:
    size = METADATA_BYTES_MAX - len('{"a":""}')
    for value in (deep(METADATA_DEPTH_MAX), {"a": INTEGER_MAX, "b": -INTEGER_MAX, "c": 1e300}, {"a": "x" * size}):
        assert clean_metadata("metadata", value) == value


def test_an_empty_object_is_the_same_as_none() -> None:
    assert clean_metadata("metadata", {}) is None


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
_SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-INTEGER_MAX, INTEGER_MAX),
    st.floats(allow_nan=False, allow_infinity=False),
    _TEXT,
)
_JSON = st.recursive(
    _SCALAR, lambda one: st.lists(one, max_size=3) | st.dictionaries(_TEXT, one, max_size=3), max_leaves=8
)


@given(st.dictionaries(_TEXT, _JSON, min_size=1, max_size=4))
def test_metadata_comes_back_equal_from_its_text_and_from_a_principal(value: dict[str, Any]) -> None:
    try:
        cleaned = clean_metadata("metadata", value)
    except InvalidInput:
        return
    assert cleaned == value
    text = written_metadata(value)
    assert parsed_metadata("metadata", text) == value
    principal = Principal("key_1", Kind.WORKSPACE, frozenset(), metadata=text)
    assert principal == Principal("key_1", Kind.WORKSPACE, frozenset(), metadata=value)
    assert json.loads(json.dumps(principal.metadata)) == value


CHANGES: dict[str, tuple[object, ...]] = {
    "update": ({"x": 1},),
    "__setitem__": ("x", 1),
    "__delitem__": ("plan",),
    "setdefault": ("x", 1),
    "pop": ("plan",),
    "popitem": (),
    "clear": (),
    "__ior__": ({"x": 1},),
}


def test_the_metadata_of_a_principal_cannot_be_changed_at_any_depth() -> None:
    principal = Principal("key_1", Kind.WORKSPACE, frozenset(), metadata={"plan": {"seats": [1, {"a": 2}]}})
    found = principal.metadata
    assert found is principal.metadata
    assert found["plan"]["seats"] == (1, {"a": 2})
    for one in (found, found["plan"], found["plan"]["seats"][1]):
        for change, arguments in CHANGES.items():
            with pytest.raises(TypeError):
                getattr(one, change)(*arguments)
    with pytest.raises(AttributeError):
        principal.metadata = {}  # type: ignore[assignment,misc]
    assert deepcopy(principal).metadata == pickle.loads(pickle.dumps(principal)).metadata == found


def test_metadata_is_not_parsed_before_it_is_read_and_not_shown() -> None:
    principal = Principal("key_1", Kind.WORKSPACE, frozenset(), metadata="no json")
    assert "no json" not in repr(principal)
    assert principal.with_issuer("sp").metadata_json == "no json"
    with pytest.raises(ValueError, match="Expecting"):
        _ = principal.metadata
    assert Principal("key_1", Kind.WORKSPACE, frozenset()).metadata == {}
    with pytest.raises(ValueError, match="not an object"):
        frozen_metadata("[]")
