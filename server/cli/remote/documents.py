"""GraphQL documents of all commands. A test validates each against the schema."""

from __future__ import annotations

ACTOR = "{ kind actorId name unproven }"
PAGE = "pageInfo { hasNextPage endCursor }"

WORKSPACE = """
fragment workspace on Workspace {
  id slug name createdAt suspendedAt
  product { name } plan { name } rateLimit { perMinute burst }
  policy { expiryRequired lifetimeSecondsMax lifetimeSecondsDefault scopesAllowed }
}
"""
SPACE = "fragment space on Space { id slug name createdAt workspace { id } }\n"
MEMBER = "fragment member on Member { userId email emailProven name role createdAt }\n"
INVITATION = f"""
fragment invitation on Invitation {{
  id email emailProven name role invitedBy {ACTOR} createdAt expiresAt
}}
"""
ROLE = "fragment role on Role { name title description grants scopes }\n"
TOKEN = f"""
fragment token on Token {{
  id tokenId name description kind environment prefix role grants scopes status createdAt createdBy {ACTOR}
  expiresAt disabledAt revokedAt revokedReason lastUsedAt lastUsedIp retiresAt
  rotatedFrom {{ id }} rotatedTo {{ id }} workspace {{ id slug }} space {{ id }}
}}
"""
EVENT = f"""
fragment event on AuditEvent {{
  id sequence at action outcome actor {ACTOR} credential targetId targetName targetFacts before after ip userAgent
  requestId hash actorErased targetErased
}}
"""
ERRORS = """
fragment errors on UserError {
  __typename message code
  ... on InvalidInput { errors { path code message } }
}
"""

ME = "query { me { kind scopes } }"

WORKSPACES = f"""
query ($after: String) {{
  workspaces(first: 100, after: $after) {{ nodes {{ ...workspace }} {PAGE} }}
}}
{WORKSPACE}"""

FIND_WORKSPACE = f"""
query ($id: ID, $slug: String) {{
  workspace(id: $id, slug: $slug) {{ ...workspace }}
}}
{WORKSPACE}"""

SLUGS = "query { workspaces(first: 100) { nodes { slug } } }"

ROLES = f"""
query ($id: ID) {{
  workspace(id: $id) {{ roles {{ ...role }} }}
}}
{ROLE}"""

SPACES = f"""
query ($id: ID, $after: String) {{
  workspace(id: $id) {{ spaces(first: 100, after: $after) {{ nodes {{ ...space }} {PAGE} }} }}
}}
{SPACE}"""

FIND_SPACE = f"""
query ($id: ID!) {{
  space(id: $id) {{ ...space }}
}}
{SPACE}"""

MEMBERS = f"""
query ($id: ID, $after: String) {{
  workspace(id: $id) {{ members(first: 100, after: $after) {{ nodes {{ ...member }} {PAGE} }} }}
}}
{MEMBER}"""

INVITATIONS = f"""
query ($id: ID, $after: String) {{
  workspace(id: $id) {{ invitations(first: 100, after: $after) {{ nodes {{ ...invitation }} {PAGE} }} }}
}}
{INVITATION}"""

FIND_TOKEN = f"""
query ($id: ID!) {{
  token(id: $id) {{ ...token }}
}}
{TOKEN}"""

TOKENS = f"""
query ($filter: TokenFilter, $after: String) {{
  tokens(filter: $filter, first: 100, after: $after) {{ nodes {{ ...token }} {PAGE} }}
}}
{TOKEN}"""

TOKENS_OF_WORKSPACE = f"""
query ($id: ID, $filter: TokenFilter, $after: String) {{
  workspace(id: $id) {{ tokens(filter: $filter, first: 100, after: $after) {{ nodes {{ ...token }} {PAGE} }} }}
}}
{TOKEN}"""

TOKENS_OF_SPACE = f"""
query ($id: ID!, $filter: TokenFilter, $after: String) {{
  space(id: $id) {{ tokens(filter: $filter, first: 100, after: $after) {{ nodes {{ ...token }} {PAGE} }} }}
}}
{TOKEN}"""

ACTIVITY = f"""
query ($id: ID, $days: Int!, $after: String) {{
  workspace(id: $id) {{
    tokens(
      filter: {{ status: [ACTIVE] }}, orderBy: {{ field: LAST_USED_AT, direction: ASC }}, first: 100, after: $after
    ) {{
      nodes {{ ...token unusedScopes(days: $days) }} {PAGE}
    }}
  }}
}}
{TOKEN}"""

EVENTS = f"""
query ($id: ID, $filter: AuditFilter, $after: String) {{
  workspace(id: $id) {{ auditLog(filter: $filter, first: 100, after: $after) {{ nodes {{ ...event }} {PAGE} }} }}
}}
{EVENT}"""

USAGE_BY_ID = """
query ($id: ID!, $days: Int!) {
  token(id: $id) { usage(days: $days) { day allowed denied limited } }
}
"""

USAGE_OF_WORKSPACE = """
query ($id: ID, $days: Int!) {
  workspace(id: $id) { usage(days: $days) { day allowed denied limited } }
}
"""

BUSIEST = f"""
query ($id: ID, $days: Int!, $most: Int!) {{
  workspace(id: $id) {{ busiestTokens(days: $days, first: $most) {{ allowed denied limited token {{ ...token }} }} }}
}}
{TOKEN}"""


def _mutation(field: str, result: str, answer: str, *fragments: str) -> str:
    """Return a mutation with one input, whose answer is either a success with these fields or an error."""
    kind = field[0].upper() + field[1:]
    return (
        f"mutation ($input: {kind}Input!) {{ {field}(input: $input) {{\n"
        f"  __typename ... on {result} {{ {answer} }} ...errors\n}} }}\n{''.join(fragments)}{ERRORS}"
    )


CREATE_WORKSPACE = _mutation("createWorkspace", "WorkspaceSuccess", "workspace { ...workspace }", WORKSPACE)
UPDATE_WORKSPACE = _mutation("updateWorkspace", "WorkspaceSuccess", "effectiveAt workspace { ...workspace }", WORKSPACE)
DELETE_WORKSPACE = _mutation("deleteWorkspace", "DeleteWorkspaceSuccess", "effectiveAt")
SET_ROLE = _mutation("setRole", "WorkspaceSuccess", "effectiveAt workspace { roles { ...role } }", ROLE)
CREATE_SPACE = _mutation("createSpace", "SpaceSuccess", "space { ...space }", SPACE)
UPDATE_SPACE = _mutation("updateSpace", "SpaceSuccess", "space { ...space }", SPACE)
DELETE_SPACE = _mutation("deleteSpace", "DeleteSpaceSuccess", "effectiveAt")
ADD_MEMBER = _mutation(
    "addMember", "MemberSuccess", "invitation pending { ...invitation } member { ...member }", INVITATION, MEMBER
)
CHANGE_MEMBER_ROLE = _mutation("changeMemberRole", "MemberSuccess", "effectiveAt member { ...member }", MEMBER)
REMOVE_MEMBER = _mutation("removeMember", "RemoveMemberSuccess", "effectiveAt")
WITHDRAW_INVITATION = _mutation("withdrawInvitation", "WithdrawInvitationSuccess", "withdrawnInvitationId")
CREATE_SPACE_TOKEN = _mutation("createSpaceToken", "CreateTokenSuccess", "secret token { ...token }", TOKEN)
CREATE_WORKSPACE_TOKEN = _mutation("createWorkspaceToken", "CreateTokenSuccess", "secret token { ...token }", TOKEN)
UPDATE_TOKEN = _mutation("updateToken", "ChangeTokenSuccess", "effectiveAt token { ...token }", TOKEN)
ROTATE_TOKEN = _mutation("rotateToken", "RotateTokenSuccess", "effectiveAt secret token { ...token }", TOKEN)
DISABLE_TOKEN = _mutation("disableToken", "ChangeTokenSuccess", "effectiveAt token { ...token }", TOKEN)
ENABLE_TOKEN = _mutation("enableToken", "ChangeTokenSuccess", "effectiveAt token { ...token }", TOKEN)
REVOKE_TOKEN = _mutation("revokeToken", "ChangeTokenSuccess", "effectiveAt token { ...token }", TOKEN)
DELETE_TOKEN = _mutation("deleteToken", "DeleteTokenSuccess", "effectiveAt")
