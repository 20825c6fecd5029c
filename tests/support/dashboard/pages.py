"""Every page of the dashboard, for what has to hold on all of them."""

from __future__ import annotations

from support.dashboard.world import DashboardWorld


def dashboard_pages(world: DashboardWorld) -> dict[str, str]:
    """Name → path. Each is shown to a workspace's owner."""
    emit, spooled, guard = (world.workspaces[name] for name in ("emit", "spooled", "guard"))
    return {
        "workspaces": "/",
        "account": "/account",
        "invitation": "/invitation",
        "emit-space-tokens": f"/space/{world.spaces['emit']}/tokens",
        "spooled-tokens": f"/workspace/{spooled}/access-tokens",
        "teamspace-tokens": f"/workspace/{world.workspaces['teamspace']}/access-tokens",
        "guard-tokens": f"/workspace/{guard}/access-tokens",
        "no-tokens": f"/workspace/{world.workspaces['unpaid']}/access-tokens",
        "token": f"/token/{world.tokens['emit Production server']}",
        "token-rotating": f"/token/{world.tokens['spooled Nightly import']}",
        "token-revoked": f"/token/{world.tokens['guard Unused experiment']}",
        "crowded-tokens": f"/workspace/{world.workspaces['crowded']}/access-tokens",
        "spaces": f"/workspace/{spooled}/spaces",
        "members": f"/workspace/{emit}/members",
        "roles": f"/workspace/{guard}/roles",
        "settings": f"/workspace/{spooled}/settings",
        "audit-log": f"/workspace/{emit}/audit-log",
        "usage": f"/workspace/{emit}/usage",
        "missing": "/workspace/nothing/here/at/all",
    }
