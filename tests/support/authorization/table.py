"""Who may do what over GraphQL, written down: the matrix is generated from this table, and from nothing else.

A root field or a protected field that is not in here, or an open one that is not in ``open_fields``, fails
``tests/schema/test_authorization.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Who(Enum):
    """Who may ask at all."""

    ANYBODY = "anybody, without credentials too"
    CALLER = "any valid caller"
    MEMBER = "a signed-in member, never a token"
    SERVICE = "a service of the operator's, never a token or a member"


class On(Enum):
    """What the operation is about; ``Targets`` has one of each, and foreign and unknown ones."""

    NOTHING = "nothing of a workspace"
    WORKSPACE = "workspace"
    SPACE = "space"
    TOKEN = "token"
    MEMBER = "member"
    INVITATION = "invitation"


@dataclass(frozen=True)
class Operation:
    """One row. ``document`` takes ``$id`` (and ``$user`` for members); words such as ``%(given)s`` are filled in.

    :param needs: the scopes it takes in the workspace at hand.
    :param spacious: whether a space token may do it on its own space, or on what lies in it.
    :param owners: whether it takes an owner of the workspace, signed in, whatever else the caller holds.
    """

    document: str
    who: Who = Who.CALLER
    on: On = On.NOTHING
    needs: frozenset[str] = frozenset()
    spacious: bool = True
    owners: bool = False


def _scopes(*names: str) -> frozenset[str]:
    return frozenset(names)


def _query(selection: str, on: On, *needs: str, spacious: bool = True) -> Operation:
    return Operation(f"query($id: ID!) {{ {selection} }}", on=on, needs=_scopes(*needs), spacious=spacious)


def _mutation(call: str, on: On, *needs: str, spacious: bool = True) -> Operation:
    variables = "$id: ID!, $user: ID!" if on is On.MEMBER else "$id: ID!"
    return Operation(
        f"mutation({variables}) {{ {call} {{ __typename }} }}", on=on, needs=_scopes(*needs), spacious=spacious
    )


ROOT_FIELDS: dict[str, Operation] = {
    "Query.me": Operation("{ me { kind } }", Who.ANYBODY),
    "Query.requiredScopes": Operation('{ requiredScopes(document: "{ me { kind } }") { scopes } }', Who.ANYBODY),
    "Query.sessions": Operation("{ sessions { id } }", Who.MEMBER),
    "Query.product": Operation('{ product(name: "emit") { name } }'),
    "Query.products": Operation("{ products { name } }"),
    "Query.workspaces": Operation("{ workspaces { nodes { id } } }", needs=_scopes("workspace:read")),
    "Query.workspace": _query("workspace(id: $id) { id }", On.WORKSPACE, "workspace:read"),
    "Query.tokens": Operation("{ tokens { nodes { id } } }", needs=_scopes("tokens:read")),
    "Query.space": _query("space(id: $id) { id }", On.SPACE, "spaces:read"),
    "Query.token": _query("token(id: $id) { id }", On.TOKEN, "tokens:read"),
    "Query.node": _query("node(id: $id) { id }", On.TOKEN, "tokens:read"),
    "Mutation.signIn": Operation(
        'mutation { signIn(input: {email: "a@b.c", password: "x"}) { __typename } }', Who.ANYBODY
    ),
    "Mutation.acceptInvitation": Operation(
        'mutation { acceptInvitation(input: {code: "x", password: "y"}) { __typename } }', Who.ANYBODY
    ),
    "Mutation.signOut": Operation("mutation { signOut { __typename } }", Who.MEMBER),
    "Mutation.requestPasswordReset": Operation(
        'mutation { requestPasswordReset(input: {email: "a@b.example"}) { __typename } }', Who.ANYBODY
    ),
    "Mutation.resetPassword": Operation(
        'mutation { resetPassword(input: {link: "x", password: "y"}) { __typename } }', Who.ANYBODY
    ),
    "Mutation.requestEmailProof": Operation("mutation { requestEmailProof { __typename } }", Who.MEMBER),
    "Mutation.proveEmail": Operation('mutation { proveEmail(input: {link: "x"}) { __typename } }', Who.MEMBER),
    "Mutation.changePassword": Operation(
        'mutation { changePassword(input: {current: "x", new: "y"}) { __typename } }', Who.MEMBER
    ),
    "Mutation.updateAccount": Operation('mutation { updateAccount(input: {name: "N"}) { __typename } }', Who.MEMBER),
    "Mutation.endSession": Operation(
        'mutation { endSession(input: {id: "ses_01k0000000000000000000000a"}) { __typename } }', Who.MEMBER
    ),
    "Mutation.endOtherSessions": Operation("mutation { endOtherSessions { __typename } }", Who.MEMBER),
    "Mutation.createWorkspace": Operation(
        'mutation { createWorkspace(input: {name: "N", slug: "%(slug)s", product: "emit"}) { __typename } }', Who.MEMBER
    ),
    "Mutation.updateWorkspace": _mutation(
        'updateWorkspace(input: {id: $id, name: "N"})', On.WORKSPACE, "workspace:write", spacious=False
    ),
    "Mutation.setRole": _mutation(
        'setRole(input: {workspaceId: $id, name: "helper", grants: ["%(given)s"]})',
        On.WORKSPACE,
        "workspace:write",
        spacious=False,
    ),
    "Mutation.deleteRole": _mutation(
        'deleteRole(input: {workspaceId: $id, name: "spare"})', On.WORKSPACE, "workspace:write", spacious=False
    ),
    "Mutation.createSpace": _mutation(
        'createSpace(input: {workspaceId: $id, name: "N", slug: "%(slug)s"})',
        On.WORKSPACE,
        "spaces:write",
        spacious=False,
    ),
    "Mutation.ensureSpace": _mutation(
        'ensureSpace(input: {workspaceId: $id, externalId: "%(slug)s", name: "N"})',
        On.WORKSPACE,
        "spaces:read",
        "spaces:write",
        spacious=False,
    ),
    "Mutation.ensureWorkspace": Operation(
        'mutation { ensureWorkspace(input: {externalId: "%(slug)s", name: "N", product: "emit"}) { __typename } }',
        Who.SERVICE,
        needs=_scopes("operator:workspaces:create", "workspace:read"),
    ),
    "Mutation.updateSpace": _mutation('updateSpace(input: {id: $id, name: "N"})', On.SPACE, "spaces:write"),
    "Mutation.deleteSpace": _mutation("deleteSpace(input: {id: $id})", On.SPACE, "spaces:write"),
    "Mutation.addMember": _mutation(
        'addMember(input: {workspaceId: $id, email: "%(slug)s@example.com", role: "%(role)s"})',
        On.WORKSPACE,
        "members:write",
        spacious=False,
    ),
    "Mutation.changeMemberRole": _mutation(
        'changeMemberRole(input: {workspaceId: $id, userId: $user, role: "%(role)s"})',
        On.MEMBER,
        "members:write",
        spacious=False,
    ),
    "Mutation.removeMember": _mutation(
        "removeMember(input: {workspaceId: $id, userId: $user})", On.MEMBER, "members:write", spacious=False
    ),
    "Mutation.withdrawInvitation": _mutation(
        "withdrawInvitation(input: {id: $id})", On.INVITATION, "members:write", spacious=False
    ),
    "Mutation.createPortalSession": Operation(
        'mutation($id: ID!) { createPortalSession(input: {workspaceId: $id, person: {id: "user-7", name: "N"}, '
        'origins: ["https://app.example.com"]}) { __typename } }',
        Who.SERVICE,
        On.WORKSPACE,
        _scopes("operator:portal_sessions"),
    ),
    "Mutation.endPortalSessions": Operation(
        'mutation($id: ID!) { endPortalSessions(input: {workspaceId: $id, personId: "user-7"}) { __typename } }',
        Who.SERVICE,
        On.WORKSPACE,
        _scopes("operator:portal_sessions"),
    ),
    "Mutation.endPortalSession": Operation(
        'mutation { endPortalSession(input: {id: "pts_01k0000000000000000000000a"}) { __typename } }', Who.SERVICE
    ),
    "Mutation.deleteWorkspace": Operation(
        "mutation($id: ID!) { deleteWorkspace(input: {id: $id}) { __typename } }",
        on=On.WORKSPACE,
        needs=_scopes("workspace:write"),
        spacious=False,
        owners=True,
    ),
    "Mutation.createToken": _mutation(
        'createToken(input: {ownerId: $id, name: "N", grants: ["%(granted)s"]})',
        On.WORKSPACE,
        "tokens:create",
        spacious=False,
    ),
    "Mutation.updateToken": _mutation('updateToken(input: {id: $id, name: "N"})', On.TOKEN, "tokens:update"),
    "Mutation.disableToken": _mutation("disableToken(input: {id: $id})", On.TOKEN, "tokens:disable"),
    "Mutation.enableToken": _mutation("enableToken(input: {id: $id})", On.TOKEN, "tokens:disable"),
    "Mutation.rotateToken": _mutation("rotateToken(input: {id: $id})", On.TOKEN, "tokens:create", "tokens:revoke"),
    "Mutation.revokeToken": _mutation("revokeToken(input: {id: $id})", On.TOKEN, "tokens:revoke"),
    "Mutation.revokeTokens": _mutation("revokeTokens(input: {ids: [$id]})", On.TOKEN, "tokens:revoke"),
    "Mutation.deleteToken": _mutation("deleteToken(input: {id: $id})", On.TOKEN, "tokens:delete"),
    "Mutation.disableTokens": _mutation("disableTokens(input: {ids: [$id]})", On.TOKEN, "tokens:disable"),
    "Mutation.deleteTokens": _mutation("deleteTokens(input: {ids: [$id]})", On.TOKEN, "tokens:delete"),
}
"""Every root field of the schema."""

NESTED_FIELDS: dict[str, Operation] = {
    "Workspace.spaces": _query(
        "workspace(id: $id) { spaces { nodes { id } } }", On.WORKSPACE, "workspace:read", "spaces:read"
    ),
    "Workspace.tokens": _query(
        "workspace(id: $id) { tokens { nodes { id } } }", On.WORKSPACE, "workspace:read", "tokens:read"
    ),
    "Workspace.tokensCount": _query(
        "workspace(id: $id) { tokensCount { count } }", On.WORKSPACE, "workspace:read", "tokens:read"
    ),
    "Workspace.tokenQuota": _query(
        "workspace(id: $id) { tokenQuota { used } }", On.WORKSPACE, "workspace:read", "tokens:read", spacious=False
    ),
    "Workspace.usage": _query("workspace(id: $id) { usage { day } }", On.WORKSPACE, "workspace:read", "usage:read"),
    "Workspace.busiestTokens": _query(
        "workspace(id: $id) { busiestTokens { allowed } }",
        On.WORKSPACE,
        "workspace:read",
        "usage:read",
        "tokens:read",
    ),
    "Workspace.members": _query(
        "workspace(id: $id) { members { nodes { userId } } }",
        On.WORKSPACE,
        "workspace:read",
        "members:read",
        spacious=False,
    ),
    "Workspace.invitations": _query(
        "workspace(id: $id) { invitations { nodes { id } } }",
        On.WORKSPACE,
        "workspace:read",
        "members:read",
        spacious=False,
    ),
    "Workspace.auditLog": _query(
        "workspace(id: $id) { auditLog { nodes { id } } }", On.WORKSPACE, "workspace:read", "audit:read", spacious=False
    ),
    "Space.workspace": _query("space(id: $id) { workspace { id } }", On.SPACE, "spaces:read", "workspace:read"),
    "Space.tokensCount": _query("space(id: $id) { tokensCount { count } }", On.SPACE, "spaces:read", "tokens:read"),
    "Space.tokens": _query("space(id: $id) { tokens { nodes { id } } }", On.SPACE, "spaces:read", "tokens:read"),
    "Token.workspace": _query("token(id: $id) { workspace { id } }", On.TOKEN, "tokens:read", "workspace:read"),
    "Token.usage": _query("token(id: $id) { usage { day } }", On.TOKEN, "tokens:read", "usage:read"),
    "PersonActor.member": _query(
        "token(id: $id) { createdBy { ... on PersonActor { member { id } } } }", On.TOKEN, "tokens:read", "members:read"
    ),
    "TokenActor.token": _query(
        "token(id: $id) { createdBy { ... on TokenActor { token { id } } } }", On.TOKEN, "tokens:read"
    ),
    "Token.unusedScopes": _query("token(id: $id) { unusedScopes }", On.TOKEN, "tokens:read", "usage:read"),
}
"""Every field below the root that takes scopes beyond its parent's. The resolver of the parent decides the rest."""

_LAST = "Mutation.deleteWorkspace"

OF_SPACE = "Mutation.createToken of a space"
"""The other owner that a token can be created for."""

OPERATIONS = {
    **{name: one for name, one in {**ROOT_FIELDS, **NESTED_FIELDS}.items() if name != _LAST},
    OF_SPACE: _mutation(
        'createToken(input: {ownerId: $id, name: "N", grants: ["%(granted)s"]})', On.SPACE, "tokens:create"
    ),
    _LAST: ROOT_FIELDS[_LAST],
}
"""All of them; what takes the workspace away comes when nothing else needs it any more."""
