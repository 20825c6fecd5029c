"""Wrong usage: one exit code, near matches for unknown values, and times and scopes as people write them."""

from __future__ import annotations

import logging
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spacekey.domain.refusal import InvalidInput
from spacekey.domain.unset import UNSET
from spacekey.server.cli.common.run import read_expiry, read_lifetime, scope_names
from support.cli import Cli
from support.programs.environ import without_settings

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


# How commands end when they cannot go on, in this process and as real processes.


WAIT_SECONDS = 600


def spacekey(cli: Cli, *args: str) -> subprocess.Popen[str]:
    """A real process of the command line."""
    env = without_settings()
    return subprocess.Popen(
        [sys.executable, "-c", "from spacekey.server.cli import main; main()", *args],
        env={**env, **cli.settings, "PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(cli: Cli, *args: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    with spacekey(cli, *args) as process:
        out, err = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, out, err


def test_a_database_that_is_not_there_says_what_to_do_and_is_not_made(missing: Cli, tmp_path: Path) -> None:
    """A command without the server's settings looks in the current folder; migrating there makes a second database."""
    said = missing.error("workspace", "list", code=3)
    assert "If it is elsewhere, set SPACEKEY_DATABASE_URL; to create it, run: spacekey migrate" in said
    assert not (tmp_path / "none.db").exists()


def test_a_database_without_tables_says_to_migrate(missing: Cli, tmp_path: Path) -> None:
    (tmp_path / "none.db").touch()
    assert "spacekey migrate" in missing.error("workspace", "list", code=3)


def test_a_database_that_does_not_answer_is_unavailable() -> None:
    nowhere = Cli({"SPACEKEY_DATABASE_URL": "postgresql://nobody:hidden-word@127.0.0.1:1/none"})
    said = nowhere.error("workspace", "list", code=3)
    assert "does not answer" in said
    assert "hidden-word" not in said


def test_wrong_settings_are_wrong_usage(missing: Cli) -> None:
    wrong = Cli({**missing.settings, "SPACEKEY_PROT": "1"})
    assert "Did you mean 'SPACEKEY_PORT'" in wrong.error("workspace", "list", code=2)


def test_unknown_commands_and_options_are_wrong_usage(cli: Cli) -> None:
    assert "No such command" in cli.error("wrokspace", code=2)
    assert "No such option" in cli.error("workspace", "list", "--jsno", code=2)


def test_migrate_shows_the_revision_before_and_after(missing: Cli) -> None:
    first = missing.one("migrate")
    assert (first["before"], first["changed"]) == (None, True)
    again = missing.one("migrate")
    assert (again["before"], again["changed"]) == (first["after"], False)


def test_a_weak_owner_password_is_refused_by_its_variable(missing: Cli) -> None:
    weak = Cli({**missing.settings, "SPACEKEY_OWNER_PASSWORD": "hunter2"})
    said = weak.error("demo", code=2)
    assert "SPACEKEY_OWNER_PASSWORD: Use 15" in said
    assert "hunter2" not in said


def test_a_server_that_does_not_start_in_the_tests_leaves_the_log_alone() -> None:
    """What was logged later went to the command's standard error, which is closed by then."""
    before = list(logging.getLogger().handlers)
    nowhere = Cli({"SPACEKEY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    assert "does not answer" in nowhere.error("serve", code=3)
    assert logging.getLogger().handlers == before


@pytest.mark.long
def test_a_process_ends_with_the_code_and_no_traceback(filled: Cli) -> None:
    code, out, err = ended(filled, "workspace", "show", "none")
    assert (code, out) == (1, "")
    assert err == "spacekey: There is no workspace 'none'. 'spacekey workspace list' shows them.\n"
    assert ended(filled, "workspace", "list")[0] == 0


@pytest.mark.sampled(2)
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_server_is_quiet(missing: Cli, stop: signal.Signals) -> None:
    with spacekey(missing, "demo", "--serve", "--port", "0") as process:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if "Ctrl-C" in line:
                break
        process.send_signal(stop)
        _, err = process.communicate(timeout=WAIT_SECONDS)
    assert re.search(r"Spacekey listens on http://127\.0\.0\.1:\d+\n", printed)
    assert "Traceback" not in err
    assert process.returncode in {0, 130, -stop, 128 + stop}
    secret = re.search(r"export TOKEN=(\S+)", printed)
    assert secret is not None
    assert secret[1] not in err
    assert printed.count(secret[1]) == 1


def test_a_file_that_is_no_database_says_so_and_not_that_something_may_have_changed(tmp_path: Path) -> None:
    (tmp_path / "odd.db").write_bytes(b"not a database" * 100)
    odd = Cli({"SPACEKEY_DATABASE_URL": f"sqlite:///{tmp_path}/odd.db"})
    for command in (("workspace", "list"), ("migrate",)):
        said = odd.error(*command, code=3)
        assert "not an SQLite database, or is damaged" in said
        assert "restore it from a backup" in said
        assert "may have been made" not in said
