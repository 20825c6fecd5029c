"""Wrong usage: one exit code, near matches for unknown values, and times and scopes as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spacekey.domain.refusal import InvalidInput
from spacekey.domain.unset import UNSET
from spacekey.server.cli._run import read_expiry, read_lifetime, scope_names
from support.cli import Cli

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ("audit", "list", "-w", "emit-demo", "--action", "token.revok"),
            "--action: Unknown action 'token.revok'. Did you mean",
        ),
        (("audit", "list", "-w", "emit-demo", "--target", "nope"), "--target: Write an id"),
        (("audit", "list", "-w", "emit-demo", "--actor", "operater"), "--actor: Write an id"),
        (("audit", "list", "-w", "emit-demo", "--actor", "operater"), "Did you mean 'operator'?"),
        (("token", "list", "-w", "emit-demo", "--created-by", "nope"), "--created-by: Write an id"),
        (("token", "list", "-w", "emit-demo", "--environment", "staging"), "--environment: Write live or test."),
        (("token", "list", "-w", "emit-demo", "--status", "x"), "--status"),
        (("token", "list", "-w", "emit-demo", "--expiring", "-1"), "--expiring: Give 0 to"),
        (
            ("workspace", "edit", "emit-demo", "--per-minute", "10"),
            "Give --per-minute and --burst, or --plan-limit alone.",
        ),
        (("workspace", "edit", "emit-demo", "--burst", "10"), "Give --per-minute and --burst, or --plan-limit alone."),
        (
            ("workspace", "create", "acme", "--product", "emitt"),
            "--product: Unknown product 'emitt'. Did you mean 'emit'",
        ),
        (("token", "create", "x", "-w", "emit-demo", "--grant", "jobs:raed", "--space", "staging"), "Did you mean"),
        (("config", "set", "--revocation-delay", "61"), "--revocation-delay: "),
    ],
)
def test_wrong_values_are_wrong_usage(filled: Cli, args: tuple[str, ...], said: str) -> None:
    assert said in " ".join(filled.error(*args, code=2).split())


def test_all_faults_of_one_input_are_told(filled: Cli) -> None:
    said = filled.error(
        "token",
        "create",
        "",
        "-w",
        "emit-demo",
        "-g",
        "jobs:raed",
        "--space",
        "staging",
        "--environment",
        "prod",
        code=2,
    )
    assert {"NAME:", "--grant:", "--environment:"} <= set(said.split())


def test_values_are_taken_in_any_case(filled: Cli) -> None:
    made = filled.one("token", "create", "x", "-w", "spooled-demo", "-g", "jobs:read", "--environment", "TEST")
    assert made["environment"] == "test"
    assert [one["id"] for one in filled.lines("token", "list", "-w", "spooled-demo", "--environment", "Test")] == [
        made["id"]
    ]
    assert len(filled.lines("token", "list", "-w", "spooled-demo", "--status", "ACTIVE")) == 2
    assert len(filled.lines("audit", "list", "-w", "spooled-demo", "--action", "TOKEN.CREATE")) == 2


def test_scopes_may_be_separated_by_commas(filled: Cli) -> None:
    args = (
        "token",
        "create",
        "x",
        "-w",
        "emit-demo",
        "--space",
        "staging",
        "-g",
        "jobs:read, jobs:create",
        "-g",
        "jobs:poll,",
    )
    assert filled.one(*args)["grants"] == ["jobs:read", "jobs:create", "jobs:poll"]
    assert scope_names(None) == scope_names([" , "]) == ()


@pytest.mark.parametrize("args", [("workspace", "list"), ("token", "show", "key_" + "0" * 26), ("check",), ("--help",)])
def test_reading_leaves_nothing_behind(tmp_path: Path, args: tuple[str, ...]) -> None:
    place = tmp_path / "data" / "deeper" / "spacekey.db"
    cli = Cli({"SPACEKEY_DATABASE_URL": f"sqlite:///{place}"})
    cli(*args, code={"check": 1, "--help": 0}.get(args[0], 3))
    assert list(tmp_path.iterdir()) == []
    cli("migrate")
    assert place.exists()
    assert place.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90d", NOW + timedelta(days=90)),
        ("12h", NOW + timedelta(hours=12)),
        ("30min", NOW + timedelta(minutes=30)),
        ("2w", NOW + timedelta(weeks=2)),
        ("1y", NOW + timedelta(days=365)),
        ("90 days", NOW + timedelta(days=90)),
        ("1Y", NOW + timedelta(days=365)),
        ("2030-01-31", datetime(2030, 1, 31, 23, 59, 59, tzinfo=UTC)),
        ("2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("never", None),
        (None, UNSET),
    ],
)
def test_expiry_is_written_as_people_write_it(text: str | None, moment: object) -> None:
    assert read_expiry(text, NOW) == moment


@pytest.mark.parametrize(
    "text", ["3m", "3mo", "3 months", "0d", "-1d", "1.5d", "99999y", "2030-02-30", "2030-1-1", "31.01.2030", "1z", ""]
)
def test_other_expiries_are_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"30min|for minutes, and days|write never"):
        read_expiry(text, NOW)


def test_lifetimes_have_the_same_units() -> None:
    assert [read_lifetime("x", text) for text in ("2w", "1y", "30min", "none", None)] == [
        14 * 86_400,
        365 * 86_400,
        1_800,
        None,
        UNSET,
    ]
    with pytest.raises(InvalidInput, match="minutes or months"):
        read_lifetime("x", "3m")
