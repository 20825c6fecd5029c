"""What one introspection reads and writes."""

from __future__ import annotations

from spacekey.resolvers.tokens.revoke import revoke_token
from support.server import Served, bearer, served
from support.statements import counting
from support.stored_verifiers import Counting
from support.world import OPERATOR

PATH = "/api/v1/introspect"


def counted(server: Served) -> Counting:
    """Count what the server's verifier reads."""
    lookup = server.parts.verifier._lookup = Counting(server.parts.verifier._lookup)
    return lookup


async def test_each_credential_is_read_once_and_nothing_else_is_read_or_written(database_url: str) -> None:
    async with served(database_url) as server:
        _, service = await server.service()
        workspace = await server.world.workspace("spooled")
        space = await server.world.space(workspace)
        foreign = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        _, in_space = await server.token(workspace.id, "tokens:introspect", space_id=space.id)
        _, good = await server.token(workspace.id, "jobs:read")
        revoked_id, revoked = await server.token(workspace.id, "jobs:read")
        await revoke_token(server.world.system, OPERATOR, revoked_id)
        _, stranger = await server.token(foreign.id, "jobs:read")
        await server.client.post(PATH, data={"token": revoked}, headers=bearer(own))
        await server.parts.refusals.flush()  # it is noted once an hour
        lookup = counted(server)
        for asker, reads in ((own, 2), (in_space, 2), (service, 1)):
            for secret in (good, revoked, stranger, "sp_live_" + "0" * 38, good):
                before = lookup.reads
                # Notes of refusals are written in the background, by no request; they wait here.
                async with server.parts.refusals._writing:
                    with counting(server.world.system.store) as statements:
                        answer = await server.client.post(PATH, data={"token": secret}, headers=bearer(asker))
                assert answer.status_code == 200
                own_read = [one for one in statements if "spacekey_service_secrets" in one]
                assert statements == own_read
                assert len(own_read) <= (asker == service)
                assert lookup.reads - before <= reads
