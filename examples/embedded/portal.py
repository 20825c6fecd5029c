"""Portal sessions for the embedded page, opened at a Spacekey server with the application's operator credential."""

from __future__ import annotations

import httpx

from spacekey import Secret

from .people import User

SCOPES = ("jobs:read", "jobs:write", "tokens:read", "tokens:create", "tokens:revoke", "workspace:read")
"""What a user may do in the page, and give to a key."""


class Portal:
    """Opens a portal session for each user who opens the page.

    :param url: the Spacekey server, as browsers know it.
    :param credential: the secret of a service with the scope ``operator:portal_sessions``. It stays on this side.
    :param origin: the origin of the application's pages.
    """

    def __init__(self, url: str, credential: Secret, origin: str) -> None:
        self.url = url.rstrip("/")
        self.origin = origin
        self._client = httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {credential.reveal()}"})

    async def open(self, workspace_id: str, user: User) -> str:
        """Return the secret of a session for one user in the workspace of their tenant.

        :raises httpx.HTTPError: Spacekey does not answer, or refuses.
        """
        answer = await self._client.post(
            "/api/v1/portal-sessions",
            json={
                "workspace_id": workspace_id,
                "person": {"id": user.id, "name": user.name},
                "origins": [self.origin],
                "scopes": SCOPES,
            },
        )
        answer.raise_for_status()
        return str(answer.json()["secret"])

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
