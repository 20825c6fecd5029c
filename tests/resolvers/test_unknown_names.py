"""A name nobody knows is called what it was meant to be: a scope or a role."""

from __future__ import annotations

import pytest

from spacekey.domain.refusal import InvalidInput
from spacekey.resolvers.validation import clean_grants

ROLES = frozenset({"viewer", "member", "owner"})
SCOPES = frozenset({"tasks:read", "tasks:write"})


def refused(grant: str, roles: frozenset[str]) -> str:
    """What is said of a grant where these roles may be given beside the scopes."""
    with pytest.raises(InvalidInput) as error:
        clean_grants("grants", [grant], SCOPES | roles, roles)
    return error.value.reason


@pytest.mark.parametrize(
    ("grant", "said"),
    [
        ("viewr", "Unknown role 'viewr'. Did you mean 'viewer'?"),
        ("boss", "Unknown role 'boss'. There are 'member', 'owner' and 'viewer'."),
        ("task:read", "Unknown scope 'task:read'. Did you mean 'tasks:read' or 'tasks:write'?"),
        ("tasksread", "Unknown scope 'tasksread'. Did you mean 'tasks:read' or 'tasks:write'?"),
        ("a:b", "Unknown scope 'a:b'. There are 'member', 'owner', 'tasks:read', 'tasks:write' and 'viewer'."),
    ],
)
def test_a_mistyped_role_is_an_unknown_role(grant: str, said: str) -> None:
    assert refused(grant, ROLES) == said


@pytest.mark.parametrize("grant", ["viewr", "boss"])
def test_where_tokens_have_no_roles_every_unknown_name_is_a_scope(grant: str) -> None:
    assert refused(grant, frozenset()).startswith(f"Unknown scope '{grant}'.")
