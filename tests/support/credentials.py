"""Everything that gives access to a Spacekey, each way to take it away, and what each credential comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from spacekey.domain.authentication import Authenticated
from spacekey.domain.refusal import SignInFailed
from spacekey.domain.secret import Secret
from spacekey.models.queries import users as user_queries
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import HostCaller, MemberCaller, RequestFacts, ServiceCaller
from spacekey.resolvers.access.credentials import portal_reason, scopes_of_service, service_reason
from spacekey.resolvers.accounts.erasure import erase_user
from spacekey.resolvers.accounts.outside import Issuer, Person
from spacekey.resolvers.accounts.sessions import change_password, session_outcome, sign_in, sign_out, union_of_scopes
from spacekey.resolvers.accounts.users import reset_password, update_account
from spacekey.resolvers.audit.chains import write_checkpoints
from spacekey.resolvers.members.invitations import accept_invitation, withdraw_invitation
from spacekey.resolvers.members.members import Invited, add_member, change_member_role, remove_member
from spacekey.resolvers.members.outside import sign_in_from_outside
from spacekey.resolvers.portal_sessions import (
    NewPortalSession,
    end_portal_session,
    open_portal_session,
    read_portal_session,
)
from spacekey.resolvers.services import create_service, end_own_secret, read_service, revoke_service, rotate_service
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import delete_token, disable_token, enable_token, revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.tokens.update import TokenChanges, update_token
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.roles import delete_role, set_role
from spacekey.resolvers.workspaces.spaces import delete_space
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from spacekey.server.build import build_verifier

from .world import FACTS, OPERATOR, PASSWORD, World

NEW_PASSWORD = "eleven green lanterns by the river"
ISSUER = Issuer("https://people.example.com", frozenset({"example.com"}))


@dataclass
class Home:
    """Everything that gives access, by the name of the way in which it is taken away later."""

    world: World
    workspaces: dict[str, Workspace] = field(default_factory=dict)
    spaces: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    people: dict[str, MemberCaller] = field(default_factory=dict)
    sessions: dict[str, Secret] = field(default_factory=dict)
    codes: dict[str, Secret] = field(default_factory=dict)
    invitations: dict[str, str] = field(default_factory=dict)
    services: dict[str, Secret] = field(default_factory=dict)
    portal: dict[str, tuple[str, Secret]] = field(default_factory=dict)

    async def workspace(self, way: str, product: str = "spooled", plan: str | None = "pro") -> Workspace:
        """A workspace of its own for a way."""
        made = await self.world.workspace(product, plan=plan, slug=way.replace(" ", "-"))
        self.workspaces[way] = made
        return made

    async def token(self, way: str, workspace: Workspace, *grants: str, space_id: str | None = None) -> None:
        """A token for a way."""
        new = NewToken(workspace.id, way, grants or ("jobs:read", "jobs:write"), space_id=space_id)
        issued = await create_token(self.world.system, OPERATOR, new)
        self.tokens[way], self.secrets[way] = issued.view.token.id, issued.secret

    async def person(self, way: str, workspace: Workspace, role: str = "admin") -> MemberCaller:
        """A member who is signed in."""
        caller = await self.world.member(workspace, role, f"{way.replace(' ', '-')}@example.com")
        self.people[way] = caller
        signed_in = await sign_in(self.world.system, FACTS, email=caller.name, password=PASSWORD)
        self.sessions[way] = signed_in.secret
        return caller

    async def invitation(self, way: str, workspace: Workspace) -> None:
        """A pending invitation."""
        address = f"{way.replace(' ', '-')}@invited.example.com"
        invited = await add_member(self.world.system, OPERATOR, workspace.id, email=address, role="member")
        assert isinstance(invited, Invited)
        self.invitations[way], self.codes[way] = invited.pending.id, invited.invitation

    async def service(self, way: str) -> None:
        """A service."""
        issued = await create_service(self.world.system, OPERATOR, way.replace(" ", "-"), "spooled")
        self.services[way] = issued.secret

    async def portal_session(self, way: str, workspace: Workspace) -> None:
        """A portal session."""
        new = NewPortalSession(workspace.id, way, way, ("https://app.example.com",))
        opened = await open_portal_session(self.world.system, HostCaller(FACTS), new)
        self.portal[way] = (opened.session.id, opened.secret)


async def filled(world: World) -> Home:
    home = Home(world)
    main = await home.workspace("kept")
    for way in (
        *("kept", "revoked", "deleted", "disabled", "disabled and enabled", "expires earlier", "narrowed", "regranted"),
        *("rotated", "rotated at once", "rotated until first use"),
    ):
        await home.token(way, main)
    await set_role(world.system, OPERATOR, main.id, name="gone", grants=["jobs:read"])
    await home.token("role narrowed", await home.workspace("role narrowed", "teamspace", "business"), "viewer")
    space = await world.space(main, "second")
    home.spaces["space deleted"] = space.id
    await home.token("space deleted", main, space_id=space.id)
    for way in ("suspended", "workspace deleted", "policy narrowed"):
        await home.token(way, await home.workspace(way))
    paid = await home.workspace("plan lowered", "guard", "paid")
    await home.token("plan lowered", paid, "sessions:read")
    await home.person("owner", main, "owner")
    await home.person("owner of deleted", home.workspaces["workspace deleted"], "owner")
    for way in ("demoted", "removed", "password changed", "password reset", "signed out", "erased", "address changed"):
        await home.person(way, main)
    for way in ("withdrawn", "accepted", "replaced", "inviter left"):
        await home.invitation(way, main)
    for way in ("service kept", "service revoked", "service rotated", "secret ended"):
        await home.service(way)
    for way in ("portal kept", "portal ended"):
        await home.portal_session(way, main)
    linked = await world.user("linked@example.com")
    home.people["linked"] = linked
    await write_checkpoints(world.system)
    return home


async def take_away(home: Home) -> None:
    """Take away, in each way there is, what the way is called for."""
    system, tokens, main = home.world.system, home.tokens, home.workspaces["kept"]
    await revoke_token(system, OPERATOR, tokens["revoked"], reason="Left in a log")
    await delete_token(system, OPERATOR, tokens["deleted"])
    await disable_token(system, OPERATOR, tokens["disabled"])
    await disable_token(system, OPERATOR, tokens["disabled and enabled"])
    await enable_token(system, OPERATOR, tokens["disabled and enabled"])
    soon = home.world.clock.now + timedelta(seconds=30)
    await update_token(system, OPERATOR, tokens["expires earlier"], TokenChanges(expires_at=soon))
    await update_token(system, OPERATOR, tokens["narrowed"], TokenChanges(grants=("jobs:read",)))
    await update_token(system, OPERATOR, tokens["regranted"], TokenChanges(grants=("jobs:read", "dlq:read")))
    await rotate_token(system, OPERATOR, tokens["rotated"], grace_seconds=30)
    await rotate_token(system, OPERATOR, tokens["rotated at once"], grace_seconds=0)
    await rotate_token(system, OPERATOR, tokens["rotated until first use"], retire_on_first_use=True)
    await set_role(system, OPERATOR, home.workspaces["role narrowed"].id, name="viewer", grants=["tokens:read"])
    await delete_role(system, OPERATOR, main.id, name="gone")
    await delete_space(system, OPERATOR, home.spaces["space deleted"])
    await update_workspace(system, OPERATOR, home.workspaces["suspended"].id, WorkspaceChanges(suspended=True))
    await delete_workspace(system, home.people["owner of deleted"], home.workspaces["workspace deleted"].id)
    narrowed = WorkspaceChanges(scopes_allowed=("jobs:read",))
    await update_workspace(system, OPERATOR, home.workspaces["policy narrowed"].id, narrowed)
    await update_workspace(system, OPERATOR, home.workspaces["plan lowered"].id, WorkspaceChanges(plan="free"))
    people = home.people
    await change_member_role(system, OPERATOR, main.id, people["demoted"].id, role="member")
    await remove_member(system, OPERATOR, main.id, people["removed"].id)
    await change_password(system, people["password changed"], current=PASSWORD, new=NEW_PASSWORD)
    await reset_password(system, OPERATOR, people["password reset"].id, password=NEW_PASSWORD)
    await sign_out(system, people["signed out"], home.sessions["signed out"])
    await erase_user(system, OPERATOR, people["erased"].id)
    await update_account(system, people["address changed"], email="elsewhere@example.net")
    proven = Person("linked", "Linked", "linked@example.com", email_verified=True)
    await sign_in_from_outside(system, FACTS, ISSUER, proven)
    await withdraw_invitation(system, OPERATOR, home.invitations["withdrawn"])
    await accept_invitation(system, FACTS, None, code=home.codes["accepted"].reveal(), password=PASSWORD)
    await add_member(system, OPERATOR, main.id, email="replaced@invited.example.com", role="member")
    await revoke_service(system, OPERATOR, "service-revoked")
    await rotate_service(system, OPERATOR, "service-rotated", grace_seconds=30)
    facts = await read_service(system, home.services["secret ended"].digest())
    assert facts is not None
    service = ServiceCaller(facts.id, facts.name, facts.product, FACTS, home.services["secret ended"].digest())
    await end_own_secret(system, service)
    await end_portal_session(system, HostCaller(FACTS), home.portal["portal ended"][0])


async def access(home: Home, world: World) -> dict[str, frozenset[str]]:
    """What each credential of the home comes to now, in the world's database; one without scopes has ``valid``."""
    system, found = world.system, dict[str, frozenset[str]]()
    now, valid = system.clock(), frozenset({"valid"})
    verifier = build_verifier(system.store, system.products, system.clock, 0.0)
    try:
        for way, secret in home.secrets.items():
            verdict = await verifier.verify(secret)
            found[f"token {way}"] = verdict.principal.scopes if isinstance(verdict, Authenticated) else frozenset()
    finally:
        await verifier.aclose()
    async with system.store.reading() as session:
        for way, person in home.people.items():
            found[f"person {way}"] = await union_of_scopes(session, system, person.id)
            user = await user_queries.user_by_id(session, person.id)
            proven = user is not None and user.email_proven_at is not None and user.email == person.name
            found[f"address {way}"] = valid if proven else frozenset()
        for way, code in home.codes.items():
            pending = await user_queries.invitation_by_digest(session, code.digest())
            found[f"invitation {way}"] = valid if pending is not None and pending.used_at is None else frozenset()
    for way, secret in home.sessions.items():
        signed_in = isinstance(await session_outcome(system, secret), Authenticated)
        found[f"session {way}"] = valid if signed_in else frozenset()
    for way, secret in home.services.items():
        facts = await read_service(system, secret.digest())
        good = facts is not None and service_reason(facts, now) is None
        found[f"service {way}"] = scopes_of_service(facts) if good and facts is not None else frozenset()
    for way, (_, secret) in home.portal.items():
        portal = await read_portal_session(system, secret.digest())
        refused = portal is None or portal_reason(
            portal.session, portal.workspace, now, service_is_revoked=portal.service_is_revoked
        )
        found[f"portal {way}"] = frozenset() if refused else valid
    for way, person in home.people.items():
        try:
            await sign_in(system, RequestFacts(ip="192.0.2.9"), email=person.id, password=PASSWORD)
            found[f"password {way}"] = valid
        except SignInFailed:
            found[f"password {way}"] = frozenset()
    return found
