"""How commands end when they cannot go on, in this process and as real processes."""

from __future__ import annotations

import logging
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.cli import Cli
from support.environ import without_settings

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


def test_a_database_that_is_not_there_says_to_migrate_and_is_not_made(missing: Cli, tmp_path: Path) -> None:
    assert "spacekey migrate" in missing.error("workspace", "list", code=3)
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
