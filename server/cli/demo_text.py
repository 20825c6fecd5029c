"""What ``spacekey demo`` says: where to sign in, and requests to paste."""

from __future__ import annotations

import shlex

from ._output import Facts
from .program import program_now


def made_text(facts: Facts) -> str:
    """What there is, with the secrets that were made just now."""
    owner, token = facts["owner"], facts["token"]
    lines = ["" if facts["changed"] else "The demo is there already; nothing was changed.", "Workspaces"]
    for one in facts["workspaces"]:
        spaces = ", ".join(space["slug"] for space in one["spaces"])
        lines.append(
            f"  {one['slug']:<16} {one['catalog']} on the plan {one['plan']}{f', spaces {spaces}' if spaces else ''}"
        )
    lines += [
        "",
        "Sign in",
        f"  e-mail    {owner['email']}   (account {owner['id']})",
        f"  password  {_password(facts)}",
        "",
    ]
    lines.append(f"Token '{token['name']}' of {token['workspace']}")
    if token["secret"] is not None:
        lines += ["  shown this once and never again:", f"  export TOKEN={token['secret']}"]
    else:
        lines.append("  was shown when it was made. For another one:")
        lines.append(f"  {_another(facts)}")
    return "\n".join(lines).lstrip("\n")


def requests_text(facts: Facts, address: str) -> str:
    """Requests to paste against a server at ``address``; the token is taken from the shell's variable."""
    token = facts["token"]
    if token["space_id"] is None:
        mutation, place, where = "createWorkspaceToken", "workspaceId", token["workspace_id"]
        rest_place = ""
    else:
        mutation, place, where = "createSpaceToken", "spaceId", token["space_id"]
        rest_place = f', "space_id": "{where}"'
    document = (
        f'mutation {{ {mutation}(input: {{{place}: \\"{where}\\", name: \\"By GraphQL\\", '
        f'grants: [\\"{token["scope"]}\\"]}}) '
        "{ __typename ... on CreateTokenSuccess { secret token { id name status } } } }"
    )
    bearer = '-H "Authorization: Bearer $TOKEN"'
    json_type = "-H 'Content-Type: application/json'"
    rest = f"{address}/api/v1/api-keys"
    return f"""
Spacekey listens on {address}
The dashboard is {address}/ : sign in there as the owner.

To paste, after the export above:

  # who am I
  curl -s {bearer} {address}/api/v1/self

  # create a token by GraphQL
  curl -s {bearer} {json_type} {address}/graphql \\
    -d '{{"query": "{document}"}}'

  # create one by REST
  curl -s {bearer} {json_type} {rest} \\
    -d '{{"name": "By REST", "permissions": ["{token["scope"]}"]{rest_place}}}'

  # list them; revoke one by the id the list shows
  curl -s {bearer} {rest}
  curl -s {bearer} -X DELETE {rest}/KEY_ID

Ctrl-C stops the server."""


def _password(facts: Facts) -> str:
    owner = facts["owner"]
    if owner["password"] is not None:
        return f"{owner['password']}   (shown this once)"
    return "the one in SPACEKEY_OWNER_PASSWORD" if owner["new"] else "as set when the owner was made"


def _another(facts: Facts) -> str:
    token = facts["token"]
    space = [] if token["space_id"] is None else ["--space", token["space_id"]]
    scopes = [word for one in token["grants"] for word in ("-s", one)]
    words = shlex.join(["token", "create", token["workspace"], "Trying", *space, *scopes])
    return f"export TOKEN=$({program_now()} {words})"
