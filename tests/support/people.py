"""People who use the server as a browser would: a session cookie, same-origin JSON, GraphQL."""

from __future__ import annotations

from typing import Any

import httpx

from spacekey.server.http.session_cookie import COOKIE

TOKEN = """id displayId name description kind environment prefix maskedToken role grants scopes status createdAt
createdBy { kind actorId name unproven } expiresAt disabledAt revokedAt revokedReason lastUsedAt
rotatedFrom { id } rotatedTo { id }"""

REFUSED = "... on UserError { message }"
CREATE_REFUSED = (
    "... on InvalidInput { errors { path code message } } ... on ScopeNotAllowed { scopes } ... on PlanLimit { plan }"
)


class Person:
    """Signed-in member. Use it as a context manager, or close it."""

    def __init__(self, url: str, cookie: str, name: str = COOKIE) -> None:
        self.session = cookie
        headers = {"Cookie": f"{name}={cookie}", "Sec-Fetch-Site": "same-origin"}
        self.client = httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=120)

    def __enter__(self) -> Person:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def post(self, document: str, **variables: Any) -> httpx.Response:
        """One GraphQL request, whatever comes of it."""
        return self.client.post("/graphql", json={"query": document, "variables": variables})

    def ask(self, document: str, **variables: Any) -> Any:
        """The data of a GraphQL request that must go through."""
        answer = self.post(document, **variables)
        result = answer.json()
        assert "errors" not in result, result
        return result["data"]

    def change(self, mutation: str, type_name: str, fields: str, **values: Any) -> dict[str, Any]:
        """A mutation with one input; ``fields`` are those of its success."""
        document = f"""mutation Change($input: {type_name}!) {{
            {mutation}(input: $input) {{ __typename ... on {fields} {REFUSED} }}
        }}"""
        changed: dict[str, Any] = self.ask(document, input=values)[mutation]
        return changed

    def create_token(self, **values: Any) -> dict[str, Any]:
        """``createToken``, for the space or the workspace that is given."""
        owner = values.pop("spaceId", None) or values.pop("workspaceId")
        fields = f"CreateTokenSuccess {{ token {{ {TOKEN} }} secret effectiveAt }} {CREATE_REFUSED}"
        return self.change("createToken", "CreateTokenInput", fields, ownerId=owner, **values)

    def change_token(self, what: str, token_id: str, **values: Any) -> dict[str, Any]:
        """``update``, ``disable``, ``enable`` or ``revoke`` a token."""
        name = f"{what.capitalize()}Token"
        fields = f"{name}Success {{ token {{ {TOKEN} }} }}"
        return self.change(f"{what}Token", f"{name}Input", fields, id=token_id, **values)

    def delete_token(self, token_id: str) -> dict[str, Any]:
        """``deleteToken``."""
        return self.change("deleteToken", "DeleteTokenInput", "DeleteTokenSuccess { deletedTokenId }", id=token_id)

    def rotate_token(self, token_id: str, **values: Any) -> dict[str, Any]:
        """``rotateToken``."""
        fields = f"RotateTokenSuccess {{ token {{ {TOKEN} }} secret }} ... on Conflict {{ successorId }}"
        return self.change("rotateToken", "RotateTokenInput", fields, id=token_id, **values)

    def token(self, token_id: str) -> dict[str, Any] | None:
        """One token by its id."""
        found: dict[str, Any] | None = self.ask(f"query T($id: ID!) {{ token(id: $id) {{ {TOKEN} }} }}", id=token_id)[
            "token"
        ]
        return found

    def tokens(self, workspace_id: str, **token_filter: Any) -> list[dict[str, Any]]:
        """A workspace's tokens, newest first, up to 100."""
        document = f"""query T($id: ID!, $filter: TokenFilter) {{
            workspace(id: $id) {{ tokens(first: 100, filter: $filter) {{ nodes {{ {TOKEN} }} }} }}
        }}"""
        answer = self.ask(document, id=workspace_id, filter=token_filter)
        nodes: list[dict[str, Any]] = answer["workspace"]["tokens"]["nodes"]
        return nodes


def sign_in(url: str, email: str, password: str) -> Person:
    """Open a session."""
    document = "mutation S($input: SignInInput!) { signIn(input: $input) { __typename } }"
    return _with_session(url, document, email=email, password=password)


def accept_invitation(url: str, code: str, password: str) -> Person:
    """Join with a new account, and be signed in."""
    document = "mutation A($input: AcceptInvitationInput!) { acceptInvitation(input: $input) { __typename } }"
    return _with_session(url, document, code=code, password=password)


def _with_session(url: str, document: str, **values: str) -> Person:
    body = {"query": document, "variables": {"input": values}}
    answer = httpx.post(f"{url}/graphql", json=body, trust_env=False, timeout=120)
    [success] = answer.json()["data"].values()
    assert success["__typename"] in ("SignInSuccess", "AcceptInvitationSuccess"), answer.text
    name, _, cookie = answer.headers["set-cookie"].partition(";")[0].partition("=")
    return Person(url, cookie, name)
