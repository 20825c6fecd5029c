"""Examples of every command, which its help shows first."""

from __future__ import annotations

_TOKEN = "key_01jf8z3v6q0c5w2m9xk7t4b1hd"  # noqa: S105 - an id
_USER = "usr_01jf8z3v6q0c5w2m9xk7t4b1hd"

EXAMPLES: dict[str, tuple[str, ...]] = {
    "serve": ("spacekey serve", "spacekey serve --host 0.0.0.0 --port 8080"),
    "migrate": ("spacekey migrate",),
    "demo": ("spacekey demo --serve",),
    "check": ("spacekey check", "spacekey check product.toml"),
    "introspector": ("spacekey introspector emit-api --product emit",),
    "workspace list": ("spacekey workspace list", "spacekey workspace list --json"),
    "workspace create": (
        "spacekey workspace create acme --product emit",
        "spacekey workspace create acme --product emit --plan team --owner ada@example.com",
    ),
    "workspace show": ("spacekey workspace show acme",),
    "workspace plan": ("spacekey workspace plan acme team", "spacekey workspace plan acme free --dry-run"),
    "workspace limit": (
        "spacekey workspace limit acme --per-minute 600 --burst 100",
        "spacekey workspace limit acme --plan",
    ),
    "workspace policy": (
        "spacekey workspace policy acme --lifetime-max 1y --expiry-required",
        "spacekey workspace policy acme --scope jobs:read,jobs:create --dry-run",
    ),
    "workspace suspend": ("spacekey workspace suspend acme",),
    "workspace resume": ("spacekey workspace resume acme",),
    "workspace delete": ("spacekey workspace delete acme --dry-run", "spacekey workspace delete acme"),
    "space list": ("spacekey space list acme",),
    "space create": ("spacekey space create acme production --name Production",),
    "space delete": ("spacekey space delete acme/staging",),
    "member list": ("spacekey member list acme",),
    "member add": ("spacekey member add acme ada@example.com --role developer",),
    "member role": ("spacekey member role acme ada@example.com viewer --dry-run",),
    "member remove": ("spacekey member remove acme ada@example.com",),
    "member invitations": ("spacekey member invitations acme",),
    "member withdraw": ("spacekey member withdraw acme ada@example.com",),
    "user list": ("spacekey user list", "spacekey user list --email ada@example.com"),
    "user create": (
        "spacekey user create ada@example.com",
        "pass show ada | spacekey user create ada@example.com --password-stdin",
    ),
    "user prove": (f"spacekey user prove {_USER}",),
    "user password": ("spacekey user password ada@example.com",),
    "user erase": (f"spacekey user erase {_USER} --dry-run", f"spacekey user erase {_USER}"),
    "token list": (
        "spacekey token list acme",
        "spacekey token list acme --space production --status active --expiring 30",
        "spacekey token list acme --json",
    ),
    "token inactive": ("spacekey token inactive --days 90", "spacekey token inactive acme"),
    "token show": (f"spacekey token show {_TOKEN}",),
    "token create": (
        "TOKEN=$(spacekey token create acme 'Production server' --scope jobs:read,jobs:create --expires 90d)",
        "spacekey token create acme Worker --space production --preset worker --expires 2030-01-31",
    ),
    "token edit": (
        f"spacekey token edit {_TOKEN} --name 'Staging server'",
        f"spacekey token edit {_TOKEN} --scope jobs:read --dry-run",
    ),
    "token rotate": (
        f"TOKEN=$(spacekey token rotate {_TOKEN})",
        f"spacekey token rotate {_TOKEN} --grace 3600 --retire-on-first-use",
    ),
    "token disable": (f"spacekey token disable {_TOKEN}",),
    "token enable": (f"spacekey token enable {_TOKEN}",),
    "token revoke": (f"spacekey token revoke {_TOKEN} --reason 'Left in a log'",),
    "token delete": (f"spacekey token delete {_TOKEN}",),
    "staleness show": ("spacekey staleness show",),
    "staleness set": ("spacekey staleness set 0.5",),
    "audit list": (
        "spacekey audit list acme",
        f"spacekey audit list acme --target {_TOKEN}",
        "spacekey audit list system --action session.sign_in --limit 20",
    ),
    "audit verify": ("spacekey audit verify", "spacekey audit verify acme --expect heads.json"),
    "audit heads": ("spacekey audit heads --json > heads.json",),
    "audit checkpoint": ("spacekey audit checkpoint",),
    "audit export": ("spacekey audit export acme > acme.ndjson",),
    "scopes list": ("spacekey scopes list emit", "spacekey scopes list product.toml"),
    "scopes for": ("spacekey scopes for query.graphql", "spacekey scopes for - --schema app:schema < query.graphql"),
    "scopes rename": ("spacekey scopes rename emit jobs:poll jobs:claim --dry-run",),
}
"""Command → how to call it, as typed into a shell."""
