"""Client of a server's API: one request at a time, with the server's errors in the command line's words."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn
from uuid import uuid4

import httpx

from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.refusal import Fault, Forbidden, InputCode, InvalidInput, NotFound
from spacekey.server.cli.common.backend import Values
from spacekey.server.cli.common.output import Facts
from spacekey.server.cli.common.run import Failure

from .login import Server

TIMEOUT_SECONDS = 90.0
"""As long as a change may wait until it holds everywhere, which is T, at most 60 seconds, and its own time."""

_RESOLVERS_NAMES = {
    "unused_for_days": "unused_days",
    "expiring_within_days": "expiring_days",
    "max_lifetime_seconds": "lifetime_seconds_max",
    "default_lifetime_seconds": "lifetime_seconds_default",
    "owner_id": "space_id",
}
"""What the API calls by another name than resolvers, which commands follow."""
_SCOPE = re.compile(r'scope="([^"]*)"')


class Client:
    """Client of one server, for use as a context manager.

    :param transport: the transport to send by, instead of the network.
    """

    def __init__(self, server: Server, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = server.url
        self._http = httpx.AsyncClient(
            base_url=server.url,
            headers={"Authorization": f"Bearer {server.secret.reveal()}", "Accept": "application/json"},
            timeout=TIMEOUT_SECONDS,
            transport=transport,
            # A proxy of the environment tunnels https; http, which is for this machine alone, it would read.
            trust_env=server.url.lower().startswith("https:"),
        )

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def query(self, document: str, **variables: object) -> Facts:
        """Return the data of a query.

        :raises SpacekeyError: as a command on the database would for the same cause.
        """
        return await self._data(document, variables)

    async def pages(self, document: str, path: Sequence[str], **variables: object) -> AsyncIterator[Facts]:
        """Yield the nodes of a connection, page by page.

        :param path: names of the fields that lead to the connection, the last one of which is the connection's own.
        :raises NotFound: for the object that the list belongs to.
        """
        after: str | None = None
        while True:
            found: Any = await self._data(document, {**variables, "after": after})
            for name in path:
                if found is None:
                    raise NotFound(path[0])
                found = found[name]
            for node in found["nodes"]:
                yield node
            if not found["pageInfo"]["hasNextPage"]:
                return
            after = found["pageInfo"]["endCursor"]

    async def change(self, document: str, what: str, fields: Values) -> Facts:
        """Make a change and return the fields of its success.

        :param what: what is called not found if the server says so.
        :raises SpacekeyError: the server refused it.
        """
        return _success(await self._data(document, {"input": dict(fields)}, changes=True), what)

    async def create(self, document: str, what: str, fields: Values) -> Facts:
        """Make a change that answers with a secret, as :meth:`change` does.

        If the answer is lost, the request is repeated once; an idempotency key keeps it from making a second secret.

        :raises Failure: the first request was carried out and its answer lost; names the token to rotate.
        """
        asked = {"input": {**fields, "idempotencyKey": str(uuid4())}}
        try:
            data = await self._data(document, asked, changes=True)
        except ServiceUnavailable as lost:
            if not lost.may_have_changed:
                raise
            data = await self._data(document, asked, changes=True)
        return _success(data, what)

    async def introspect(self, secret: str) -> Facts:
        """Return what the server says about a token's secret (RFC 7662).

        :raises Forbidden: without ``tokens:introspect``.
        """
        answer = await self._send("/api/v1/introspect", data={"token": secret})
        if answer.status_code == 403:
            named = _SCOPE.search(answer.headers.get("WWW-Authenticate", ""))
            raise Forbidden(named[1].split() if named else ["tokens:introspect"])
        self._check(answer)
        return dict(_json(answer))

    async def _data(self, document: str, variables: Values, *, changes: bool = False) -> Facts:
        answer = await self._send("/graphql", changes=changes, json={"query": document, "variables": dict(variables)})
        body = _json(answer)
        errors = body.get("errors") if isinstance(body, dict) else None
        if errors:
            self._raise(errors)
        self._check(answer)
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, dict):
            raise Failure(f"{self._url} does not answer as Spacekey does: check the address.")
        return data

    async def _send(self, path: str, *, changes: bool = False, **content: Any) -> httpx.Response:
        try:
            return await self._http.post(path, **content)
        except httpx.ConnectError:
            raise ServiceUnavailable(f"{self._url} cannot be reached") from None
        except httpx.HTTPError as error:
            problem = f"{self._url} does not answer ({type(error).__name__})"
            raise ServiceUnavailable(problem, may_have_changed=changes) from None

    def _check(self, answer: httpx.Response) -> None:
        """Check the status.

        :raises SpacekeyError: unless it is a success.
        """
        if answer.status_code == 401:
            raise Failure(self._not_accepted)
        if answer.status_code == 429:
            raise _too_many(answer.headers.get("Retry-After", ""))
        if answer.status_code >= 500:
            raise ServiceUnavailable(f"{self._url} answers {answer.status_code}")
        if not answer.is_success:
            raise Failure(f"{self._url} answers {answer.status_code}: check the address.")

    def _raise(self, errors: Sequence[Mapping[str, Any]]) -> NoReturn:
        """Raise the first error in the words of a command."""
        error = errors[0]
        facts: Mapping[str, Any] = error.get("extensions") or {}
        code, message = facts.get("code"), str(error.get("message", ""))
        match code:
            case "UNAUTHENTICATED":
                raise Failure(self._not_accepted)
            case "INSUFFICIENT_SCOPE":
                missing = {
                    scope for one in errors for scope in (one.get("extensions") or {}).get("missingScopes") or ()
                }
                raise Forbidden(missing) if missing else Forbidden((), message)
            case "RATE_LIMITED":
                raise _too_many(str(facts.get("retryAfterSeconds", "")))
            case "UNAVAILABLE":
                raise ServiceUnavailable(
                    f"{self._url} cannot answer", may_have_changed=bool(facts.get("mayHaveChanged"))
                )
            case "INVALID_INPUT" if facts.get("errors"):
                raise _invalid(facts["errors"])
        raise Failure(message)

    @property
    def _not_accepted(self) -> str:
        return f"{self._url} does not accept the token. Log in with another one: spacekey login {self._url}"


def _success(data: Facts, what: str) -> Facts:
    """Return the fields of a mutation's success.

    :raises SpacekeyError: its answer is an error.
    """
    [answer] = data.values()
    if answer is None or not answer["__typename"].endswith("Success"):
        _refuse(answer or {}, what)
    return dict(answer)


def _refuse(answer: Mapping[str, Any], what: str) -> NoReturn:
    match answer.get("__typename"):
        case "NotFound":
            raise NotFound(what)
        case "TokenAlreadyCreated" if answer.get("token"):
            id_ = answer["token"]["id"]
            raise Failure(
                f"The token {id_} was created, but the answer with its secret was lost. "
                f"Give it another one: spacekey token rotate {id_}"
            )
        case "InvalidInput":
            raise _invalid(answer["errors"])
    raise Failure(str(answer.get("message", "The server refused the change.")))


def _invalid(errors: Sequence[Mapping[str, Any]]) -> InvalidInput:
    return InvalidInput.of(Fault(_place(one["path"]), _code(one["code"]), one["message"]) for one in errors)


def _place(path: Sequence[object]) -> tuple[str, ...]:
    """Return the place of a fault as resolvers name it, to whom a policy's fields are the workspace's own."""
    names = [_snake(str(name)) for name in path]
    return tuple(names[1:] if len(names) > 1 and names[0] == "policy" else names) or ("input",)


def _code(code: str) -> InputCode:
    """Return the code; a newer server's own, which this version does not know, counts as a wrong format."""
    return InputCode(code) if code in InputCode.__members__ else InputCode.INVALID_FORMAT


def _snake(name: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
    return _RESOLVERS_NAMES.get(snake, snake)


def _too_many(seconds: str) -> ServiceUnavailable:
    when = f"; try again in {seconds} s" if seconds.isdecimal() else ""
    return ServiceUnavailable(f"too many requests{when}")


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None
