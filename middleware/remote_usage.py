"""The sink that reports to a remote Spacekey: ``POST /api/v1/usage``. Needs the ``remote`` extra."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx

from spacekey.domain.errors import SpacekeyError, Unavailable
from spacekey.domain.usage import TokenUse, UsageBatch

log = logging.getLogger("spacekey.usage")

REPORT_SECONDS = 10.0
ANSWER_SHOWN_MAX = 300
_AGAIN = frozenset((401, 403, 408, 425, 429))
"""Refusals that may pass: of this app's own token, which somebody can mend, and of the moment."""


class UsageRejected(SpacekeyError):
    """The remote Spacekey will never keep this batch."""


class RemoteUsage:
    """Posts batches with a client that somebody else opened and closes.

    :param client: carries this app's own token, which needs ``tokens:introspect``.
    :param url: of the endpoint.
    """

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url

    async def send(self, batch: UsageBatch) -> int:
        """Report a batch. Reporter and number make it safe to send again after a lost answer.

        :returns: how many requests the server left out because they are too old.
        :raises Unavailable: no answer, or one that may be another later.
        :raises UsageRejected: the server does not take it.
        """
        report = {
            "reporter": batch.reporter,
            "number": batch.number,
            "uses": [_row(use) for use in batch.uses],
        }
        try:
            answer = await self._client.post(self._url, json=report, timeout=REPORT_SECONDS)
        except httpx.HTTPError as error:
            raise Unavailable(f"the report failed with {type(error).__name__}") from None
        if answer.status_code == httpx.codes.OK:
            return _left_out(answer)
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            log.error("usage refused this app's own token (%d); it needs tokens:introspect", answer.status_code)
        if answer.status_code >= 500 or answer.status_code in _AGAIN:
            raise Unavailable(f"the report was answered {answer.status_code}")
        raise UsageRejected(f"the report was answered {answer.status_code}: {_detail(answer)}")

    async def aclose(self) -> None:
        """Nothing: the client is somebody else's."""


def _row(use: TokenUse) -> dict[str, Any]:
    row: dict[str, Any] = {"token_id": use.token_id, "at": use.at.isoformat(), "ip": use.ip}
    counts = {"allowed": use.allowed, "denied": use.denied, "limited": use.limited}
    row |= {name: count for name, count in counts.items() if count}
    if use.scopes:
        row["scopes"] = list(use.scopes)
    return row if use.used else row | {"used": False}


def _left_out(answer: httpx.Response) -> int:
    count = (_object(answer) or {}).get("requests_too_old")
    return count if type(count) is int and count > 0 else 0


def _detail(answer: httpx.Response) -> str:
    problem = _object(answer)
    return "no problem document" if problem is None else str(problem.get("detail", ""))[:ANSWER_SHOWN_MAX]


def _object(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        value = json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
