"""What a stranger does first with a server: create a token, use it, revoke it, and see that it is refused."""

from __future__ import annotations

import httpx


def create_verify_revoke(url: str, management: str) -> None:
    """Create a token, see it accepted, revoke it, and see it refused.

    :param management: the secret of a token that may manage others.
    """
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {management}"}, timeout=60) as client:
        created = client.post("/api/v1/api-keys", json={"name": "First", "permissions": ["jobs:read"]})
        assert created.status_code == 201, created.text
        theirs = {"Authorization": f"Bearer {created.json()['key']}"}
        used = client.get("/api/v1/self", headers=theirs)
        assert used.status_code == 200, used.text
        assert used.json()["scopes"] == ["jobs:read"]
        revoked = client.post(f"/api/v1/api-keys/{created.json()['id']}/revoke", json={})
        assert revoked.is_success, revoked.text
        refused = client.get("/api/v1/self", headers=theirs)
        assert refused.status_code == 401, refused.text
        assert client.get("/").is_success, "the dashboard"
