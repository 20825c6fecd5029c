"""``spacekey service``, and what ``spacekey check`` says of services."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from spacekey.domain.errors import ConfigurationError
from spacekey.server.settings import Settings, packaged_products
from support.cli import Cli


@pytest.mark.parametrize(
    ("product", "said"),
    [
        ("emitt", "Did you mean 'emit'?"),
        ("nope", "There are 'emit', 'guard', 'spooled' and 'teamspace'."),
    ],
)
def test_a_service_for_a_product_that_is_not_loaded_is_refused(filled: Cli, product: str, said: str) -> None:
    refused = filled.error("service", "create", "jobs-api", "--product", product, code=2)
    assert f"--product: Unknown product '{product}'. {said}" in refused
    assert filled.lines("service", "list") == []


@pytest.mark.parametrize("name", ["", "Emit", "a b", "a=b", "a_b", "x" * 41, "-a"])
def test_a_name_that_a_client_id_cannot_be_is_refused(filled: Cli, name: str) -> None:
    assert "lower case letters" in filled.error("service", "create", "--product", "emit", "--", name, code=2)


def test_the_secret_is_alone_on_standard_output_and_shown_once(filled: Cli) -> None:
    printed = filled("service", "create", "emit-api", "--product", "emit")
    secret = printed.stdout.strip()
    assert secret.startswith("spk_live_")
    assert secret not in printed.stderr
    for args in (("service", "list", "--json"), ("audit", "list", "--system", "--json")):
        assert secret not in filled(*args).stdout


def test_a_name_is_free_again_once_its_service_is_revoked(filled: Cli) -> None:
    first = filled.one("service", "create", "emit-api", "--product", "emit")
    assert "Rotate its secret, or choose another name." in filled.error(
        "service", "create", "emit-api", "--product", "emit"
    )
    revoked = filled.one("service", "revoke", "emit-api", "--yes")
    assert (revoked["id"], revoked["status"]) == (first["id"], "revoked")
    assert "spacekey service list" in filled.error("service", "revoke", "emit-api", "--yes")
    second = filled.one("service", "create", "emit-api", "--product", "emit")
    assert second["id"] != first["id"]
    listed = [(one["id"], one["status"]) for one in filled.lines("service", "list")]
    assert listed == [(first["id"], "revoked"), (second["id"], "active")]


def test_a_service_has_the_scopes_that_were_named_and_else_verifies_tokens(filled: Cli) -> None:
    scopes = ["workspace:read", "operator:workspaces:create"]
    named = [word for scope in scopes for word in ("--scope", scope)]
    host = filled.one("service", "create", "host", "--product", "emit", *named)
    app = filled.one("service", "create", "app", "--product", "emit")
    assert [one["scopes"] for one in (host, app)] == [sorted(scopes), ["tokens:introspect"]]
    assert [one["scopes"] for one in filled.lines("service", "list")] == [sorted(scopes), ["tokens:introspect"]]
    wrong = filled.error("service", "create", "x", "--product", "emit", "--scope", "operator:workspace:create", code=2)
    assert "Did you mean 'operator:workspaces:create'" in wrong
    assert "members:read" in filled.error(
        "service", "create", "x", "--product", "emit", "--scope", "members:read", code=2
    )


def test_each_change_is_in_the_audit_log_of_the_operator(filled: Cli) -> None:
    made = filled.one("service", "create", "emit-api", "--product", "emit")
    filled.one("service", "rotate", made["id"])
    filled.one("service", "revoke", made["id"], "--yes")
    events = [one["action"] for one in filled.lines("audit", "list", "--system") if one["target_id"] == made["id"]]
    assert sorted(events) == ["service.create", "service.revoke", "service.rotate"]


def test_an_earlier_secret_ends_when_the_rotation_says(filled: Cli) -> None:
    filled.one("service", "create", "emit-api", "--product", "emit")
    assert "ends at once" in filled.error("service", "rotate", "emit-api", "--grace", "none", code=2)
    assert filled.one("service", "rotate", "emit-api")["earlier_ends_at"] is not None
    assert "0 seconds to 30 days" in filled.error("service", "rotate", "emit-api", "--grace", "31d", code=2)


def _without(name: str) -> Mapping[str, str]:
    files = [str(one) for one in packaged_products() if one.stem != name]
    return {"SPACEKEY_PRODUCTS": ",".join(files)}


def test_check_finds_services_whose_product_is_not_loaded(filled: Cli) -> None:
    filled.one("service", "create", "emit-api", "--product", "emit")
    [found] = [one for one in filled.lines("check") if one["what"] == "services"]
    assert (found["result"], found["detail"]) == ("ok", "1, each for a loaded product")
    lacking = Cli({**filled.settings, **_without("emit")})
    found = next(one for one in json.loads(lacking("check", "--json", code=1).stdout) if one["what"] == "services")
    assert (found["result"], found["detail"]) == (
        "wrong",
        "some are for products that are not loaded: emit",
    )
    filled.one("service", "revoke", "emit-api", "--yes")
    assert all(one["what"] != "services" for one in json.loads(lacking("check", "--json", code=1).stdout))


def test_the_setting_that_it_replaces_is_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="spacekey service create NAME --product PRODUCT"):
        Settings.from_environ({"SPACEKEY_INTROSPECTORS": "nonsense"})
