"""Runs the steps with the client that ariadne-codegen made, in its own environment, and prints what came of them.

Copied beside the generated package by ``test_python_clients.py``; the suite itself never imports it.
"""

import json
import sys

from spacekey_client import Client
from spacekey_client.input_types import (
    CreateTokenInput,
    DeleteTokenInput,
    RevokeTokenInput,
    RotateTokenInput,
)

url, secret, workspace = sys.argv[1:]
with Client(url=url, headers={"Authorization": f"Bearer {secret}"}) as client:
    created = [
        client.create_token(CreateTokenInput(owner_id=workspace, name=name, grants=["jobs:read"])).create_token.token
        for name in ("one", "two", "three")
    ]
    names, pages, after, more = [], [], None, True
    while more:
        found = client.list_tokens(workspace, 2, after).workspace
        pages.append(len(found.tokens.edges))
        names += [one.node.name for one in found.tokens.edges]
        after, more = found.tokens.page_info.end_cursor, found.tokens.page_info.has_next_page
    rotated = client.rotate_token(RotateTokenInput(id=created[0].id, grace_seconds=0)).rotate_token
    revoked = client.revoke_token(RevokeTokenInput(id=created[1].id)).revoke_token
    deleted = client.delete_token(DeleteTokenInput(id=created[1].id)).delete_token
print(  # noqa: T201 - its answer
    json.dumps(
        {
            "created": [{"id": one.id} for one in created],
            "pages": pages,
            "names": names,
            "rotatedFrom": rotated.token.rotated_from.id,
            "revoked": revoked.token.status.value,
            "deleted": deleted.deleted_token_id,
        }
    )
)
