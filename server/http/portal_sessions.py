"""Endpoints of ``/api/v1/portal-sessions``: bearers for the people of a host product."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from spacekey.middleware.routing.endpoints import requires
from spacekey.resolvers.portal_sessions import (
    ALL,
    OWN,
    NewPortalSession,
    OpenedPortalSession,
    end_portal_session,
    end_portal_sessions,
    open_portal_session,
)
from spacekey.server.context import known_caller, parts_of
from spacekey.server.timestamps import written

from .request_models import EndPortalSessions, NoQuery, OpenPortalSession
from .requests import json_body, query_of
from .response_models import ENDED_PORTAL_SESSIONS, PORTAL_SESSION_OPENED, OpenedSession


@requires()
async def create_portal_session(request: Request) -> Response:
    """Open a session: ``POST /portal-sessions`` → 201 with the secret, shown once."""
    body = await json_body(request, OpenPortalSession)
    new = NewPortalSession(
        workspace_id=body.workspace_id,
        person_id=body.person.id,
        person_name=body.person.name,
        origins=tuple(body.origins),
        role=body.role,
        scopes=None if body.scopes is None else tuple(body.scopes),
        expires_in=body.expires_in,
        tokens=body.tokens,
    )
    opened = await open_portal_session(parts_of(request).system, known_caller(request), new)
    return PORTAL_SESSION_OPENED.response(_shown(opened), 201)


@requires()
async def delete_portal_session(request: Request) -> Response:
    """End a session: ``DELETE /portal-sessions/{id}`` → 204, also if it has ended already."""
    query_of(request, NoQuery)
    await end_portal_session(parts_of(request).system, known_caller(request), request.path_params["id"])
    return Response(status_code=204)


@requires()
async def end_sessions(request: Request) -> Response:
    """End all sessions of a person in a workspace: ``POST /portal-sessions/end``."""
    body = await json_body(request, EndPortalSessions)
    system, caller = parts_of(request).system, known_caller(request)
    ended = await end_portal_sessions(system, caller, body.workspace_id, body.person_id)
    return ENDED_PORTAL_SESSIONS.response({"ended": ended})


def _shown(opened: OpenedPortalSession) -> OpenedSession:
    session = opened.session
    return {
        "id": session.id,
        "secret": opened.secret.reveal(),
        "workspace_id": session.workspace_id,
        "person": {"id": session.person_id, "name": session.person_name},
        "scopes": sorted(opened.scopes),
        "tokens": OWN if session.own_tokens else ALL,
        "origins": list(session.origins),
        "expires_at": written(session.expires_at),
    }
