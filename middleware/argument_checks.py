"""Checks of settings that would start and then refuse everything; errors say what to write instead."""

import asyncio
import functools
import inspect
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any

from spacekey.domain.errors import ConfigurationError, RuleError
from spacekey.domain.principal import Kind, Limit, Principal
from spacekey.domain.rule import Rule
from spacekey.domain.secret import ENVIRONMENTS


def check_environment(environment: object) -> None:
    """Check an app's environment; None is any.

    :raises ConfigurationError: for an environment that no token has.
    """
    if environment is not None and environment not in ENVIRONMENTS:
        listed = " or ".join(repr(each) for each in ENVIRONMENTS)
        raise ConfigurationError(f"environment={environment!r}: no token has that; write {listed}, or None for all")


def check_part(part: object) -> None:
    """Check one of the parts that ``requires`` takes.

    :raises RuleError: if it is neither a scope nor a rule.
    """
    if isinstance(part, list | tuple | set | frozenset):
        listed = ", ".join(repr(each) for each in part)
        raise RuleError(f"requires() takes scopes one by one: write requires({listed}) for all of them, or any_of(…)")
    if not isinstance(part, str | Rule):
        raise RuleError(
            f"requires() takes scopes and rules, and got {part!r:.60}: write @requires() for any valid token, and "
            "all_of(…) or any_of(…) to combine rules"
        )


def check_verifier(verifier: object) -> None:
    """Check that an object has a ``verify`` and is not a class.

    :raises ConfigurationError: if not.
    """
    if isinstance(verifier, type):
        raise ConfigurationError(f"verifier={verifier.__name__}: that is a class; write {verifier.__name__}(…)")
    if not callable(getattr(verifier, "verify", None)):
        raise ConfigurationError(
            f"verifier={verifier!r:.60}: write one, such as DatabaseVerifier(…), RemoteVerifier(…) or MemoryVerifier()"
        )


def check_async(name: str, function: object, answers: str) -> None:
    """Check an async function of the app's own that must return an answer; None if the app has none.

    :param answers: what it returns, for the message.
    :raises ConfigurationError: for anything else, and for a function that is annotated to return None.
    """
    if function is None:
        return
    if not callable(function) or isinstance(function, type):
        raise ConfigurationError(f"{name}={function!r:.60}: write an async function that returns {answers}")
    called = _called(function)
    if not inspect.iscoroutinefunction(called):
        raise ConfigurationError(f"{name}: it is not async; write 'async def', and return {answers}")
    # The signature itself is no help: Python 3.11.2 cannot tell that of an AsyncMock.
    if inspect.get_annotations(called).get("return", ...) in (None, "None"):
        raise ConfigurationError(f"{name}: it is declared to return None; return {answers}")


def check_not_async(name: str, function: object) -> None:
    """Check a plain function of the app's own that observes events; None if the app has none.

    :raises ConfigurationError: for an async function, which would never run, and for an object that cannot be called.
    """
    if function is None:
        return
    if not callable(function) or isinstance(function, type):
        raise ConfigurationError(f"{name}={function!r:.60}: write a function")
    called = _called(function)
    if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
        raise ConfigurationError(
            f"{name}: it is async, and would never run; write a plain function that returns at once, and start a task "
            "in it if it must wait"
        )


def _called(function: Any) -> Any:
    """Return the function that a call runs: the one inside a partial, or an object's own ``__call__``."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if inspect.isroutine(function) or inspect.iscoroutinefunction(function) else type(function).__call__


def check_event_loop() -> None:
    """Check the event loop that runs this code.

    :raises ConfigurationError: if it is not asyncio's: deadlines, the cache's shared reads, the timer of open
        connections and the database drivers need it.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "TokenMiddleware runs on asyncio, and this server or test client runs another event loop, such as trio: "
            "start it with asyncio, as 'hypercorn --worker-class asyncio' or TestClient(app, backend='asyncio')"
        ) from None


_PARAMETER = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_OURS = frozenset(("realm", "error", "error_description", "scope"))


def checked_challenge(parameters: object) -> str:
    """Return further parameters of a challenge as they are written in the header (RFC 9110 §11.2); empty for None.

    :raises ConfigurationError: for anything but a mapping of names to printable ASCII, and for our own parameters.
    """
    if parameters is None:
        return ""
    if not isinstance(parameters, Mapping):
        raise ConfigurationError("challenge: write a mapping, such as {'resource_metadata': 'https://…'}")
    parts = []
    for name, value in parameters.items():
        if not isinstance(name, str) or _PARAMETER.fullmatch(name) is None or name in _OURS:
            raise ConfigurationError(f"challenge: {name!r:.60} is no name of a further parameter")
        if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
            raise ConfigurationError(f"challenge: {name}: printable ASCII goes into a header")
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        parts.append(f'{name}="{escaped}"')
    return ", ".join(parts)


def check_seconds(name: str, seconds: object) -> None:
    """How long something may take.

    :raises ConfigurationError: unless it is a number above 0.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise ConfigurationError(f"{name}={seconds!r}: must be greater than 0")


def checked_scopes(name: str, scopes: Iterable[str]) -> frozenset[str]:
    """Return several scopes as a set. One string is refused, because its letters would become the scopes.

    :raises ConfigurationError: for a string, or for a collection of anything but strings.
    """
    if isinstance(scopes, str | bytes):
        raise ConfigurationError(f"{name}={scopes!r}: write a list of scopes, [{scopes!r}]")
    found = list(scopes) if isinstance(scopes, Iterable) else [None]
    if not all(isinstance(scope, str) for scope in found):
        raise ConfigurationError(f"{name}={scopes!r:.60}: write a list of scopes, such as ['jobs:read']")
    return frozenset(scope for scope in found if scope is not None)


def check_own_token(token: object) -> None:
    """Check the text of the token that an app sends in its own name.

    :raises ConfigurationError: if it is missing, as when an environment variable is not set, or cannot be sent.
    """
    if not isinstance(token, str) or not token.strip():
        raise ConfigurationError("token: it is missing; is the environment variable set that it comes from?")
    if token != token.strip() or not (token.isascii() and token.isprintable()):
        raise ConfigurationError("token: it cannot be sent in a header; are there blanks or line ends around it?")


def flaw_in(principal: object) -> str | None:
    """Return what is wrong with a principal and what to write instead; None if it can be relied on.

    A flaw would go unnoticed in the decision that relies on it: a string of scopes is a set of letters, and a value
    that only looks like a kind is subject to none of the rules of its kind.
    """
    if type(principal) is Principal and principal.is_well_formed:
        return None  # as for every request with a cached token
    if not isinstance(principal, Principal):
        return f"{type(principal).__name__} is not a Principal"
    flaw = (
        _flaw_in_scopes(principal.scopes)
        or _flaw_in_kind(principal.kind)
        or _flaw_in_texts(
            (principal.id, principal.name, principal.rate_limit_key, principal.issuer),
            (principal.workspace_id, principal.space_id, principal.environment, principal.external_id),
        )
        or _flaw_in_bounds(principal.rate_limit, principal.expires_at)
    )
    if flaw is None:
        principal.mark_well_formed()
    return flaw


def _flaw_in_scopes(scopes: object) -> str | None:
    if not isinstance(scopes, frozenset):
        return f"scopes is a {type(scopes).__name__}: write frozenset({{'jobs:read'}})"
    for scope in scopes:
        if not isinstance(scope, str):
            return f"scopes holds a {type(scope).__name__}: write strings"
    return None


def _flaw_in_kind(kind: object) -> str | None:
    if not isinstance(kind, Kind):
        return f"kind is a {type(kind).__name__}: write Kind.SPACE, Kind.WORKSPACE or Kind.MEMBER"
    return None


def _flaw_in_texts(always: tuple[object, ...], perhaps: tuple[object, ...]) -> str | None:
    for text in always:
        if not isinstance(text, str):
            return "id, name, rate_limit_key and issuer: write strings"
    for text in perhaps:
        if text is not None and not isinstance(text, str):
            return "workspace_id, space_id, environment and external_id: write strings or None"
    return None


def _flaw_in_bounds(rate_limit: object, expires_at: object) -> str | None:
    if rate_limit is not None and not isinstance(rate_limit, Limit):
        return f"rate_limit is a {type(rate_limit).__name__}: write Limit(…) or None"
    if expires_at is not None and (not isinstance(expires_at, datetime) or expires_at.utcoffset() is None):
        return "expires_at: write a datetime with a time zone, or None"
    return None


PLACES_MAX = 20
CAUSES_MAX = 5


def places_of(error: BaseException) -> str:
    """Return the exception's type and the places that raised it, innermost last; then the same for its causes."""
    lines: list[str] = []
    led: BaseException | None = error
    for _ in range(CAUSES_MAX):
        if led is None:
            break
        lines += [f"{type(led).__name__}, raised through", *_places(led.__traceback__)]
        led = led.__cause__ or (None if led.__suppress_context__ else led.__context__)
    return "\n".join(lines)


def _places(traceback: TracebackType | None) -> list[str]:
    places: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f'  File "{code.co_filename}", line {traceback.tb_lineno}, in {code.co_qualname}')
        traceback = traceback.tb_next
    return places[-PLACES_MAX:]


def is_being_cancelled() -> bool:
    """Return whether the task that runs this was cancelled, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
