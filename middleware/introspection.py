"""Spacekey's introspection answers (RFC 7662 §2.2, with the members Spacekey adds), read with distrust."""

import math
from datetime import UTC, datetime
from typing import Any

from spacekey.domain.outcome import Reason, Refused, Valid
from spacekey.domain.principal import Kind, Limit, Principal

from .cached import Reading

MAX_AGE_SECONDS_MAX = 60.0


def reading_of(answer: object) -> Reading:
    """The verdict of an answer, and for how long it may be relied on.

    :raises ValueError: when the answer is not one that Spacekey gives; the text holds none of it.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("active"), bool):
        raise ValueError("no boolean 'active'")
    if not answer["active"]:
        return Reading(Refused(Reason.UNKNOWN))
    max_age = _number(answer, "max_age", 0.0)
    return Reading(Valid(_principal(answer)), min(max_age, MAX_AGE_SECONDS_MAX))


def _principal(answer: dict[str, Any]) -> Principal:
    kind = Kind(_text(answer, "kind"))
    scope = answer.get("scope", "")
    if not isinstance(scope, str):
        raise ValueError("'scope' is not a string")
    principal = Principal(
        id=_text(answer, "sub"),
        kind=kind,
        scopes=frozenset(scope.split()),
        name=_optional_text(answer, "name") or "",
        workspace_id=_optional_text(answer, "workspace_id"),
        space_id=_optional_text(answer, "space_id"),
        environment=_optional_text(answer, "environment"),
        limit=_limit(answer.get("limit")),
        expires_at=_end(answer),
        limit_key=_optional_text(answer, "limit_key") or "",
    )
    if (principal.space_id is None) == (kind is Kind.SPACE):
        raise ValueError("'kind' and 'space_id' contradict each other")
    return principal


def _end(answer: dict[str, Any]) -> datetime | None:
    """When it ends: Spacekey's own member is exact, RFC 7662's in whole seconds."""
    text, seconds = _optional_text(answer, "expires_at"), _number(answer, "exp", None)
    if text is None:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("'expires_at' has no time zone")
    return moment.astimezone(UTC)


def _limit(value: object) -> Limit | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("'limit' is not an object")
    numbers = [value.get(name) for name in ("per_minute", "burst")]
    if not all(type(number) is int and number > 0 for number in numbers):
        raise ValueError("'limit' lacks whole positive numbers")
    return Limit(per_minute=value["per_minute"], burst=value["burst"])


def _text(answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"'{name}' is not a string with something in it")
    return value


def _optional_text(answer: dict[str, Any], name: str) -> str | None:
    return None if answer.get(name) is None else _text(answer, name)


def _number(answer: dict[str, Any], name: str, default: Any) -> Any:
    value = answer.get(name)
    if value is None:
        return default
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value < 1e11:
        raise ValueError(f"'{name}' is not a sensible number")
    return value
