"""Examples of every command, which its help shows first."""

from __future__ import annotations

_TOKEN = "key_01jf8z3v6q0c5w2m9xk7t4b1hd"  # noqa: S105 - an id
_USER = "usr_01jf8z3v6q0c5w2m9xk7t4b1hd"

EXAMPLES: dict[str, tuple[str, ...]] = {
    "serve": ("spacekey serve", "spacekey serve --host 0.0.0.0 --port 8080"),
    "migrate": ("spacekey migrate",),
    "demo": ("spacekey demo --serve",),
    "init": (
        "spacekey init",
        "spacekey init keys --name tasks --scope tasks:read='See tasks' --deploy systemd --yes",
    ),
    "login": (
        "spacekey login https://keys.example.com",
        "pass show spacekey | spacekey login https://keys.example.com",
    ),
    "logout": ("spacekey logout",),
    "check": ("spacekey check", "spacekey check product.toml"),
    "service list": ("spacekey service list",),
    "service create": ("spacekey service create emit-api --product emit",),
    "service rotate": ("spacekey service rotate emit-api", "spacekey service rotate emit-api --grace 1h"),
    "service revoke": ("spacekey service revoke emit-api",),
    "workspace list": ("spacekey workspace list", "spacekey workspace list --json"),
    "workspace create": (
        "spacekey workspace create acme --product emit",
        "spacekey workspace create acme --product emit --plan team --owner ada@example.com",
    ),
    "workspace show": ("spacekey workspace show acme",),
    "workspace edit": (
        "spacekey workspace edit acme --plan free --dry-run",
        "spacekey workspace edit acme --per-minute 600 --burst 100",
        "spacekey workspace edit acme --lifetime-max 1y --expiry-required --allow jobs:read,jobs:create",
        "spacekey workspace edit acme --name 'Acme Inc.' --slug acme-inc",
    ),
    "workspace suspend": ("spacekey workspace suspend acme",),
    "workspace resume": ("spacekey workspace resume acme",),
    "workspace delete": ("spacekey workspace delete acme --dry-run", "spacekey workspace delete acme"),
    "space list": ("spacekey space list -w acme",),
    "space show": ("spacekey space show production -w acme",),
    "space edit": ("spacekey space edit production -w acme --name 'Production EU'",),
    "space create": ("spacekey space create production -w acme --name Production",),
    "space delete": ("spacekey space delete staging -w acme",),
    "member list": ("spacekey member list -w acme",),
    "member show": ("spacekey member show ada@example.com -w acme",),
    "member add": ("spacekey member add ada@example.com -w acme --role developer",),
    "member set-role": ("spacekey member set-role ada@example.com -w acme --role viewer --dry-run",),
    "member remove": ("spacekey member remove ada@example.com -w acme",),
    "invitation list": ("spacekey invitation list -w acme",),
    "invitation withdraw": ("spacekey invitation withdraw ada@example.com -w acme",),
    "user list": ("spacekey user list", "spacekey user list --email ada@example.com"),
    "user create": (
        "spacekey user create ada@example.com",
        "pass show ada | spacekey user create ada@example.com --password-stdin",
    ),
    "user prove": (f"spacekey user prove {_USER}",),
    "user reset-password": ("spacekey user reset-password ada@example.com",),
    "user erase": (f"spacekey user erase {_USER} --dry-run", f"spacekey user erase {_USER}"),
    "token list": (
        "spacekey token list -w acme",
        "spacekey token list -w acme --space production --status active --expiring 30",
        "spacekey token list --scope jobs:create --json",
    ),
    "token inactive": ("spacekey token inactive --days 90", "spacekey token inactive -w acme"),
    "token count": ("spacekey token count -w acme --status active",),
    "token quota": ("spacekey token quota -w acme",),
    "token whose": ("spacekey token whose sp_live_a1b2",),
    "token verify": ("pass show acme-token | spacekey token verify",),
    "token show": (f"spacekey token show {_TOKEN}",),
    "token create": (
        "TOKEN=$(spacekey token create 'Production server' -w acme --grant jobs:read,jobs:create --expires 90d)",
        "spacekey token create Worker -w acme --space production --preset worker --expires 2030-01-31",
    ),
    "token edit": (
        f"spacekey token edit {_TOKEN} --name 'Staging server'",
        f"spacekey token edit {_TOKEN} --grant jobs:read --dry-run",
    ),
    "token import": (
        "spacekey token import keys.ndjson -w acme --format unkey --dry-run",
        "spacekey token import - -w acme --format unkey --jsonl < keys.ndjson",
    ),
    "token rotate": (
        f"TOKEN=$(spacekey token rotate {_TOKEN})",
        f"spacekey token rotate {_TOKEN} --grace 3600 --retire-on-first-use",
    ),
    "token disable": (f"spacekey token disable {_TOKEN}",),
    "token enable": (f"spacekey token enable {_TOKEN}",),
    "token revoke": (f"spacekey token revoke {_TOKEN} --reason 'Left in a log'",),
    "token delete": (f"spacekey token delete {_TOKEN}",),
    "role list": ("spacekey role list -w acme",),
    "role set": ("spacekey role set reviewer -w acme --grant jobs:read,tokens:read --title Reviewer",),
    "role delete": ("spacekey role delete reviewer -w acme",),
    "usage show": ("spacekey usage show -w acme --days 7", f"spacekey usage show {_TOKEN}"),
    "usage list": ("spacekey usage list -w acme --days 7 --limit 10",),
    "config get": ("spacekey config get",),
    "config set": ("spacekey config set --revocation-delay 0.5",),
    "audit list": (
        "spacekey audit list -w acme",
        f"spacekey audit list -w acme --target {_TOKEN}",
        "spacekey audit list --system --action session.sign_in --limit 20",
    ),
    "audit verify": ("spacekey audit verify", "spacekey audit verify acme --expect heads.json"),
    "audit heads": ("spacekey audit heads --json > heads.json",),
    "audit checkpoint": ("spacekey audit checkpoint",),
    "audit export": (
        "spacekey audit export --all > audit.ndjson",
        "spacekey audit export -w acme > acme.ndjson",
    ),
    "restore-check": (
        "spacekey restore-check audit.ndjson --dry-run",
        "spacekey restore-check audit.ndjson",
    ),
    "product list": ("spacekey product list",),
    "product show": ("spacekey product show emit", "spacekey product show product.toml"),
    "scope needed": (
        "spacekey scope needed query.graphql",
        "spacekey scope needed - --schema app:schema < query.graphql",
    ),
    "scope rename": ("spacekey scope rename jobs:poll --to jobs:claim --product emit --dry-run",),
}
"""Command → how to call it, as typed into a shell."""
