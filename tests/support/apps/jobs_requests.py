"""Everything that can be asked of the example app, and what each thing needs by the words of its scopes.

The tables are written by hand and not taken from the app, so that an app with a wrong rule fails.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Ask:
    """One REST request. ``{job}`` in the path is a job's id.

    :param emit: the emit scope it needs; None when no emit key may do it.
    :param spooled: the spooled permission it needs; None when no spooled key may do it.
    """

    name: str
    method: str
    path: str
    emit: str | None
    spooled: str | None
    body: dict[str, Any] | None = None


ASKS = (
    Ask("create", "POST", "/jobs", "jobs:create", "jobs:write", {"queue": "mail"}),
    Ask("list", "GET", "/jobs", "jobs:read", "jobs:read"),
    Ask("show", "GET", "/jobs/{job}", "jobs:read", "jobs:read"),
    Ask("show events", "GET", "/jobs/{job}/events", "jobs:read", "jobs:read"),
    Ask("poll", "POST", "/jobs/poll", "jobs:poll", None, {"queue": "mail"}),
    Ask("ack", "POST", "/jobs/{job}/ack", "jobs:ack", None),
    Ask("progress", "POST", "/jobs/{job}/progress", "jobs:progress", None, {"percent": 50}),
    Ask("event", "POST", "/jobs/{job}/events", "jobs:event", None, {"text": "half"}),
    Ask("keepalive", "POST", "/jobs/{job}/keepalive", "jobs:keepalive", None),
    Ask("complete", "POST", "/jobs/{job}/complete", "jobs:complete", "jobs:write"),
    Ask("fail", "POST", "/jobs/{job}/fail", "jobs:fail", "jobs:write"),
    Ask("list queues", "GET", "/queues", None, "queues:read"),
    Ask("pause", "POST", "/queues/mail/pause", None, "queues:write"),
    Ask("resume", "POST", "/queues/mail/resume", None, "queues:write"),
    Ask("list dlq", "GET", "/dlq", None, "dlq:read"),
    Ask("retry", "POST", "/dlq/{job}/retry", None, "dlq:write"),
    Ask("purge", "DELETE", "/dlq", None, "dlq:write"),
)

STREAMS = {"/jobs/{job}/stream": "jobs:read:progress", "/feed": "jobs:read"}
"""WebSocket path → the scope it needs, in both products that have it."""

GOES_THROUGH = {200, 201, 204, 404, 409}
"""The rule let the request in; what the app then says of its job is its own business."""

ALL_EMIT_SCOPES = frozenset(ask.emit for ask in ASKS if ask.emit is not None) | frozenset(STREAMS.values())
ALL_SPOOLED_PERMISSIONS = frozenset(ask.spooled for ask in ASKS if ask.spooled is not None)


def bearer(secret: str) -> dict[str, str]:
    """The header of a program with this token."""
    return {"Authorization": f"Bearer {secret}"}


def allowed_of(client: httpx.Client, secret: str, job: str = "unknown") -> set[str]:
    """The names of all that a token may do here; anything but "goes through" and 403 fails the test."""
    return {ask.name for ask in ASKS if _goes_through(ask, send(client, ask, secret, job))}


def send(client: httpx.Client, ask: Ask, secret: str, job: str = "unknown") -> httpx.Response:
    """One request of the table."""
    return client.request(ask.method, ask.path.format(job=job), json=ask.body, headers=bearer(secret))


def expected(scopes: AbstractSet[str], product: str) -> set[str]:
    """The names of all that a token with these scopes may do, by the table."""
    return {ask.name for ask in ASKS if getattr(ask, product) in scopes}


def _goes_through(ask: Ask, response: httpx.Response) -> bool:
    if response.status_code == 403:
        assert response.json()["code"] == "insufficient_scope", (ask.name, response.text)
        return False
    assert response.status_code in GOES_THROUGH, (ask.name, response.status_code, response.text)
    return True
