"""What is open below the root of the GraphQL schema, field by field, and who gets there.

A field that is neither here nor in ``authorization_table`` fails ``tests/schema/test_authorization.py``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Open:
    """Fields of one type that ask nothing beyond what it took to get hold of a value of it.

    :param behind: who gets there: a value is had only through fields that take one of these scopes, or a caller
        (``CALLER``); empty when it is had without credentials too. ``node`` aside, which decides by what it finds.
    """

    fields: frozenset[str]
    behind: frozenset[str]


CALLER = "any valid token"


def _open(fields: str, behind: str = "") -> Open:
    return Open(frozenset(fields.split()), frozenset((CALLER,) if behind == CALLER else behind.split()))


def _success(fields: str, behind: str) -> Open:
    return _open(f"{fields} effectiveAt", behind)


_PAGE, _ROW = "edges nodes pageInfo", "cursor node"

OPEN_FIELDS: dict[str, Open] = {
    # fields and refusals that anonymous callers may read
    "Me": _open("kind scopes user workspaceProducts"),
    "User": _open("id name email emailProven signInName"),
    "RequiredScopes": _open("alternatives scopes"),
    "SignInSuccess": _open("expiresAt user"),
    "ChangePasswordSuccess": _open("expiresAt user", CALLER),
    "SignInFailed": _open("message code"),
    "RequestPasswordResetSuccess": _open("delayed"),
    "ResetPasswordSuccess": _open("signInName"),
    "RequestEmailProofSuccess": _open("delayed", CALLER),
    "ProveEmailSuccess": _open("user", CALLER),
    "TooManyAttempts": _open("message code retryAfterSeconds"),
    "AcceptInvitationSuccess": _open("user workspaceId expiresAt"),
    "Conflict": _open("message code successorId"),
    "InvalidInput": _open("message code errors"),
    "FieldError": _open("path code message"),
    "NotFound": _open("message code"),
    "UserError": _open("message code"),
    "Node": _open("id"),
    # the three objects; a token sees itself and its space through ``me``; nulls without scopes: rotatedFrom, rotatedTo
    "Token": _open(
        "id displayId name description kind environment prefix maskedToken role grants scopes status createdAt"
        " createdBy expiresAt graceEndsAt disabledAt revokedAt revokedReason lastUsedAt lastUsedIp rotatedFrom"
        " rotatedTo space externalId metadata importedFrom",
        CALLER,
    ),
    "Space": _open("id name slug externalId createdAt deletedAt", CALLER),
    "Workspace": _open(
        "id name slug externalId createdAt suspendedAt plan rateLimit product roles policy viewerScopes viewerRole",
        CALLER,
    ),
    # what products and a caller's own account say: any caller
    "Product": _open(
        "name title description secretPrefix environments tokenKinds tokenRoles grantKind scopes shorthands presets"
        " roles plans useCases secretPattern presentation",
        CALLER,
    ),
    "Plan": _open("name title rateLimit scopes selfService maxTokens", CALLER),
    "Policy": _open("expiryRequired defaultLifetimeSeconds maxLifetimeSeconds scopesAllowed", CALLER),
    "Preset": _open("name title description scopes", CALLER),
    "RateLimit": _open("burst perMinute", CALLER),
    "Role": _open("name title description grants scopes", CALLER),
    "Scope": _open("name description management label useCase", CALLER),
    "Shorthand": _open("name title description scopes", CALLER),
    "UseCase": _open("title description preset grants", CALLER),
    "Presentation": _open(
        "token tokens variable exampleUrl logo accent navigation columns actions links texts folded", CALLER
    ),
    "Accent": _open("light dark", CALLER),
    "Navigation": _open("section label path", CALLER),
    "HelpLink": _open("title url", CALLER),
    "ReplacedText": _open("name text", CALLER),
    "Session": _open("id createdAt endsAt lastSeenAt ip userAgent isCurrent", CALLER),
    "SignOutSuccess": _open("endedSessionId nextUrl", CALLER),
    "EndSessionSuccess": _open("endedSessionId", CALLER),
    "EndOtherSessionsSuccess": _open("endedCount endedSessionIds", CALLER),
    "UpdateAccountSuccess": _open("user", CALLER),
    "CreateWorkspaceSuccess": _open("workspace", CALLER),
    "UpdateWorkspaceSuccess": _success("workspace", "workspace:write"),
    "SetRoleSuccess": _success("workspace", "workspace:write"),
    "DeleteRoleSuccess": _success("workspace deletedRoleName", "workspace:write"),
    "ScopeNotAllowed": _open("message scopes code", CALLER),
    # what a ruled field leads to
    "WorkspaceConnection": _open(_PAGE, "workspace:read"),
    "WorkspaceEdge": _open(_ROW, "workspace:read"),
    "SpaceConnection": _open(_PAGE, "spaces:read"),
    "SpaceEdge": _open(_ROW, "spaces:read"),
    "TokenConnection": _open(_PAGE, "tokens:read"),
    "TokenEdge": _open(_ROW, "tokens:read"),
    "PageInfo": _open(
        "hasNextPage hasPreviousPage startCursor endCursor",
        "workspace:read spaces:read tokens:read members:read audit:read",
    ),
    "TokenCount": _open("count precision", "tokens:read"),
    "TokenQuota": _open("used max", "tokens:read"),
    "BusyToken": _open("token allowed denied rateLimited", "usage:read"),
    "UsageDay": _open("day allowed denied rateLimited", "usage:read"),
    "Member": _open("id userId name email emailProven role createdAt", "members:read members:write"),
    "MemberConnection": _open(_PAGE, "members:read"),
    "MemberEdge": _open(_ROW, "members:read"),
    "Invitation": _open("id email emailProven name role invitedBy createdAt expiresAt", "members:read members:write"),
    "InvitationConnection": _open(_PAGE, "members:read"),
    "InvitationEdge": _open(_ROW, "members:read"),
    "AuditEvent": _open(
        "id sequence createdAt action outcome actor credential targetId targetName targetFacts before after ip"
        " target userAgent requestId hash actorErased targetErased",
        "audit:read",
    ),
    **{
        f"{kind}Actor": _open("kind actorId name unproven", CALLER)
        for kind in ("", "Person", "Token", "Operator", "Service", "External", "System")
    },
    "AuditEventConnection": _open(_PAGE, "audit:read"),
    "AuditEventEdge": _open(_ROW, "audit:read"),
    "EnsureWorkspaceSuccess": _open("workspace created", CALLER),
    "EnsureSpaceSuccess": _open("space created", "spaces:write"),
    "CreatePortalSessionSuccess": _open("portalSessionId secret scopes expiresAt", CALLER),
    "EndPortalSessionSuccess": _open("endedPortalSessionId", CALLER),
    "EndPortalSessionsSuccess": _open("endedCount", CALLER),
    # what a ruled mutation answers
    "DeleteWorkspaceSuccess": _success("deletedWorkspaceId", "workspace:write"),
    "CreateSpaceSuccess": _open("space", "spaces:write"),
    "UpdateSpaceSuccess": _open("space", "spaces:write"),
    "DeleteSpaceSuccess": _success("deletedSpaceId", "spaces:write"),
    "AddMemberSuccess": _open("invitation invitationCode", "members:write"),
    "ChangeMemberRoleSuccess": _success("member", "members:write"),
    "RemoveMemberSuccess": _success("removedMemberId removedUserId", "members:write"),
    "WithdrawInvitationSuccess": _open("withdrawnInvitationId", "members:write"),
    "CreateTokenSuccess": _success("token secret", "tokens:create"),
    "RotateTokenSuccess": _success("token secret", "tokens:create"),
    "UpdateTokenSuccess": _success("token", "tokens:update"),
    "DisableTokenSuccess": _success("token", "tokens:disable"),
    "EnableTokenSuccess": _success("token", "tokens:disable"),
    "RevokeTokenSuccess": _success("token", "tokens:revoke"),
    "DisableTokensSuccess": _success("tokens", "tokens:disable"),
    "DeleteTokensSuccess": _success("deletedTokenIds", "tokens:delete"),
    "RevokeTokensSuccess": _success("tokens", "tokens:revoke"),
    "DeleteTokenSuccess": _success("deletedTokenId", "tokens:delete"),
    "TokenAlreadyCreated": _open("message code token", "tokens:create"),
    "PlanLimit": _open("message plan code", "tokens:create tokens:update tokens:disable"),
}
"""Every other field of every output type, by name: a new one fails until it is written here or among the protected."""
