"""Texts of the files that ``spacekey init`` writes."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping

from .common.run import USAGE, Failure

_PRODUCT = """\
# What tokens of {name} may do. The reference of this file: docs/reference/product-file.md
name = {name}
title = {title}
secret_prefix = {prefix}
environments = ["live", "test"]
default_plan = "free"

[tokens]
kinds = ["workspace", "space"]

[scopes]
{scopes}

[roles.owner]
title = "Owner"
every_scope = true
every_management_scope = true

[roles.member]
title = "Member"
description = "Creates and revokes tokens, and changes no one's role"
every_scope = true
grants = [
    "tokens:read",
    "tokens:create",
    "tokens:update",
    "tokens:disable",
    "tokens:revoke",
    "spaces:read",
    "workspace:read",
    "usage:read",
]

[plans.free]
title = "Free"
tokens_max = 100
per_minute = 600
burst = 100
"""

_SYSTEMD = """\
[Unit]
Description=Spacekey: API tokens of {title}
After=network-online.target postgresql.service
Wants=network-online.target
# A database that is late, or away for long, is asked again and again.
StartLimitIntervalSec=0

[Service]
Type=exec
User={user}
WorkingDirectory={folder}
EnvironmentFile={folder}/spacekey.env
ExecStartPre={program} migrate
TimeoutStartSec=15min
ExecStart={program} serve
Restart=on-failure
RestartSec=2
KillMode=mixed
TimeoutStopSec=90
LimitNOFILE=65536

NoNewPrivileges=yes
CapabilityBoundingSet=
LockPersonality=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
# For a database file; with PostgreSQL nothing is written.
ReadWritePaths={folder}
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
UMask=0077

[Install]
WantedBy=multi-user.target
"""

_COMPOSE = """\
# docker compose up --detach. The image is built from the Dockerfile of Spacekey's repository:
#   docker build --tag spacekey --file examples/deploy/Dockerfile .
services:
  spacekey:
    image: ${{SPACEKEY_IMAGE:-spacekey}}
    restart: unless-stopped
    stop_grace_period: 90s
    command: ["sh", "-c", "spacekey migrate && exec spacekey serve"]
    env_file: [spacekey.env]
    environment:
      SPACEKEY_HOST: 0.0.0.0
      SPACEKEY_PRODUCTS: /etc/spacekey/product.toml
{database}    volumes:
      - ./product.toml:/etc/spacekey/product.toml:ro
      - data:/data
    ports: ["127.0.0.1:{port}:{port}"]

volumes:
  data:
"""
_ON_SQLITE = "      SPACEKEY_DATABASE_URL: sqlite:////data/spacekey.db\n"


def product_file(name: str, title: str, secret_prefix: str, scopes: Mapping[str, str]) -> str:
    """Return a product file with an owner, a member and one plan."""
    lines = "\n".join(f"{_quoted(scope)} = {_quoted(text)}" for scope, text in scopes.items())
    return _PRODUCT.format(name=_quoted(name), title=_quoted(title), prefix=_quoted(secret_prefix), scopes=lines)


def settings_file(settings: Mapping[str, str]) -> str:
    """Return settings that a shell, systemd and Docker Compose read alike: each value in single quotes.

    :raises Failure: a value can't be written like that.
    """
    lines = ["# Settings of the server, for systemd, Docker Compose, and a shell: set -a; . ./spacekey.env; set +a"]
    for name, value in settings.items():
        if "'" in value or "\\" in value or not value.isprintable():
            raise Failure(f"{name}: write it without quotes and backslashes; a URL has them as %27 and %5C.", USAGE)
        lines.append(f"{name}='{value}'")
    return "\n".join([*lines, ""])


def systemd_unit(folder: str, program: str, title: str) -> str:
    """Return a unit that starts the server in this folder, as the user who asks."""
    shown = title.replace("%", "%%")
    return _SYSTEMD.format(folder=folder, program=program, title=shown, user=getpass.getuser())


def compose_file(port: int, *, on_sqlite: bool) -> str:
    """Return a compose file of one server."""
    return _COMPOSE.format(port=port, database=_ON_SQLITE if on_sqlite else "")


def _quoted(text: str) -> str:
    """Return a TOML basic string; what JSON escapes, TOML escapes in the same way."""
    return json.dumps(text, ensure_ascii=False)
