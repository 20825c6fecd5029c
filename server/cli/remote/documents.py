"""GraphQL documents of all commands. A test validates each against the schema."""

from __future__ import annotations

ACTOR = "{ kind actorId name unproven }"
PAGE = "pageInfo { hasNextPage endCursor }"

WORKSPACE = """
fragment workspace on Workspace {
  id slug name externalId createdAt suspendedAt
  product { name } plan { name } rateLimit { perMinute burst }
  policy { expiryRequired maxLifetimeSeconds defaultLifetimeSeconds scopesAllowed }
}
"""
SPACE = "fragment space on Space { id slug name externalId createdAt workspace { id } }\n"
MEMBER = "fragment member on Member { userId email emailProven name role createdAt }\n"
INVITATION = f"""
fragment invitation on Invitation {{
  id email emailProven name role invitedBy {ACTOR} createdAt expiresAt
}}
"""
ROLE = "fragment role on Role { name title description grants scopes }\n"
TOKEN = f"""
fragment token on Token {{
  id displayId name description kind environment prefix role grants scopes status createdAt createdBy {ACTOR}
  expiresAt disabledAt revokedAt revokedReason lastUsedAt lastUsedIp graceEndsAt
  externalId metadata importedFrom
  rotatedFrom {{ id }} rotatedTo {{ id }} workspace {{ id slug }} space {{ id }}
}}
"""
EVENT = f"""
fragment event on AuditEvent {{
  id sequence createdAt action outcome actor {ACTOR} credential targetId targetName targetFacts before after
  ip userAgent requestId hash actorErased targetErased
}}
"""
ERRORS = """
fragment errors on UserError {
  __typename message code
  ... on InvalidInput { errors { path code message } }
  ... on TokenAlreadyCreated { token { id } }
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

LINKED_WORKSPACE = f"""
query ($externalId: String) {{
  workspace(externalId: $externalId) {{ ...workspace }}
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

LINKED_SPACE = f"""
query ($workspaceId: ID, $externalId: String) {{
  space(workspaceId: $workspaceId, externalId: $externalId) {{ ...space }}
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

COUNT_OF_WORKSPACE = """
query ($id: ID, $filter: TokenFilter) {
  workspace(id: $id) { tokensCount(filter: $filter) { count precision } }
}
"""

COUNT_OF_SPACE = """
query ($id: ID!, $filter: TokenFilter) {
  space(id: $id) { tokensCount(filter: $filter) { count precision } }
}
"""

QUOTA = "query ($id: ID) { workspace(id: $id) { tokenQuota { used max } } }"

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
  token(id: $id) { usage(days: $days) { day allowed denied rateLimited } }
}
"""

USAGE_OF_WORKSPACE = """
query ($id: ID, $days: Int!) {
  workspace(id: $id) { usage(days: $days) { day allowed denied rateLimited } }
}
"""

BUSIEST = f"""
query ($id: ID, $days: Int!, $most: Int!) {{
  workspace(id: $id) {{
    busiestTokens(days: $days, first: $most) {{ allowed denied rateLimited token {{ ...token }} }}
  }}
}}
{TOKEN}"""


def _mutation(field: str, answer: str, *fragments: str) -> str:
    """Return a mutation with one input, whose answer is either a success with these fields or an error."""
    kind = field[0].upper() + field[1:]
    return (
        f"mutation ($input: {kind}Input!) {{ {field}(input: $input) {{\n"
        f"  __typename ... on {kind}Success {{ {answer} }} ...errors\n}} }}\n{''.join(fragments)}{ERRORS}"
    )


CREATE_WORKSPACE = _mutation("createWorkspace", "workspace { ...workspace }", WORKSPACE)
UPDATE_WORKSPACE = _mutation("updateWorkspace", "effectiveAt workspace { ...workspace }", WORKSPACE)
DELETE_WORKSPACE = _mutation("deleteWorkspace", "effectiveAt")
SET_ROLE = _mutation("setRole", "effectiveAt workspace { roles { ...role } }", ROLE)
DELETE_ROLE = _mutation("deleteRole", "effectiveAt")
CREATE_SPACE = _mutation("createSpace", "space { ...space }", SPACE)
UPDATE_SPACE = _mutation("updateSpace", "space { ...space }", SPACE)
DELETE_SPACE = _mutation("deleteSpace", "effectiveAt")
ADD_MEMBER = _mutation("addMember", "invitationCode invitation { ...invitation }", INVITATION)
CHANGE_MEMBER_ROLE = _mutation("changeMemberRole", "effectiveAt member { ...member }", MEMBER)
REMOVE_MEMBER = _mutation("removeMember", "effectiveAt")
WITHDRAW_INVITATION = _mutation("withdrawInvitation", "withdrawnInvitationId")
CREATE_TOKEN = _mutation("createToken", "secret token { ...token }", TOKEN)
UPDATE_TOKEN = _mutation("updateToken", "effectiveAt token { ...token }", TOKEN)
ROTATE_TOKEN = _mutation("rotateToken", "effectiveAt secret token { ...token }", TOKEN)
DISABLE_TOKEN = _mutation("disableToken", "effectiveAt token { ...token }", TOKEN)
ENABLE_TOKEN = _mutation("enableToken", "effectiveAt token { ...token }", TOKEN)
REVOKE_TOKEN = _mutation("revokeToken", "effectiveAt token { ...token }", TOKEN)
DELETE_TOKEN = _mutation("deleteToken", "effectiveAt")
