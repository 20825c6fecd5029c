"""Settings: checked when made, every mistake says what to write, nothing shows a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacekey.domain.catalog_file import load_catalogs
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.secret import Secret
from spacekey.server.limits import build_limiter
from spacekey.server.metrics import Metrics
from spacekey.server.settings import EXAMPLES, Settings, variable_names

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"

WRONG: list[tuple[str, str, str]] = [
    ("SPACEKEY_DATABASE_URL", "mysql://root@host/db", "SQLite or PostgreSQL"),
    ("SPACEKEY_DATABASE_URL", "nonsense", "sqlite:///"),
    ("SPACEKEY_DATABASE_URL", "sqlite://", "file"),
    ("SPACEKEY_CATALOGS", ",", "at least one"),
    ("SPACEKEY_HOST", "two words", "address"),
    ("SPACEKEY_PORT", "http", "number"),
    ("SPACEKEY_PORT", "65536", "65535"),
    ("SPACEKEY_PORT", "-1", "65535"),
    ("SPACEKEY_PUBLIC_URL", "keys.example.com", "https://keys.example.com"),
    ("SPACEKEY_PUBLIC_URL", "ftp://keys.example.com", "https://keys.example.com"),
    ("SPACEKEY_PUBLIC_URL", "https://keys.example.com/path", "https://keys.example.com"),
    ("SPACEKEY_PUBLIC_URL", "https://keys.example.com:port", "https://keys.example.com"),
    ("SPACEKEY_PUBLIC_URL", "https://user@keys.example.com", "https://keys.example.com"),
    ("SPACEKEY_LOG_LEVEL", "loud", "debug, info"),
    ("SPACEKEY_PORT", "8_0", "65535"),
    ("SPACEKEY_PORT", "٨٠", "65535"),
    ("SPACEKEY_PORT", "+80", "65535"),
    ("SPACEKEY_PORT", "9" * 5_000, "65535"),
    ("SPACEKEY_REDIS_URL", "localhost:6379", "redis://host:6379/0"),
    ("SPACEKEY_REDIS_URL", "unix://", "path"),
    ("SPACEKEY_REDIS_URL", "redis://", "host"),
    ("SPACEKEY_REDIS_URL", "redis://127.0.0.1:1/xyz", "database"),
    ("SPACEKEY_PROCESSES", "1_0", "1000"),
    ("SPACEKEY_PROCESSES", "0", "1000"),
    ("SPACEKEY_PROCESSES", "many", "1000"),
    ("SPACEKEY_TRUSTED_PROXIES", "10.0.0.0/8,proxy", "'proxy'"),
    ("SPACEKEY_TRUSTED_PROXIES", "10.0.0.1/8", "'10.0.0.1/8'"),
    ("SPACEKEY_GRAPHIQL", "maybe", "write 1"),
]


@pytest.mark.parametrize(("variable", "value", "remedy"), WRONG)
def test_a_wrong_value_names_the_variable_and_the_remedy(variable: str, value: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ({variable: value})
    assert str(caught.value).startswith(f"{variable}: ")
    assert remedy in str(caught.value)


def test_an_unknown_variable_is_refused_with_near_matches() -> None:
    with pytest.raises(ConfigurationError, match=r"SPACEKEY_DATABSE_URL: .*'SPACEKEY_DATABASE_URL'"):
        Settings.from_environ({"SPACEKEY_DATABSE_URL": "sqlite:///x.db", "PATH": "/bin"})


def test_every_variable_is_read() -> None:
    settings = Settings.from_environ(
        {
            "SPACEKEY_DATABASE_URL": "postgresql://me@host/db",
            "SPACEKEY_CATALOGS": "one.toml, two.toml",
            "SPACEKEY_HOST": "0.0.0.0",
            "SPACEKEY_PORT": "0",
            "SPACEKEY_PUBLIC_URL": "https://Keys.example.com/",
            "SPACEKEY_LOG_LEVEL": "DEBUG",
            "SPACEKEY_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "SPACEKEY_REDIS_URL": "redis://:secret@cache:6379/1",
            "SPACEKEY_PROCESSES": "4",
            "SPACEKEY_OWNER_EMAIL": "ann@example.com",
            "SPACEKEY_OWNER_PASSWORD": "",
            "SPACEKEY_GRAPHIQL": "1",
        }
    )
    assert settings == Settings(
        database_url="postgresql://me@host/db",
        catalogs=(Path("one.toml"), Path("two.toml")),
        host="0.0.0.0",
        port=0,
        public_url="https://Keys.example.com/",
        log_level="debug",
        trusted_proxies=("10.0.0.0/8", "::1"),
        redis_url="redis://:secret@cache:6379/1",
        processes=4,
        owner_email="ann@example.com",
        graphiql=True,
    )
    assert settings.public_origin == "https://keys.example.com"


def test_without_any_variable_the_four_examples_are_served_from_sqlite() -> None:
    settings = Settings.from_environ({})
    assert settings.database_url == "sqlite:///data/spacekey.db"
    assert set(load_catalogs(settings.catalogs)) == set(EXAMPLES)


def test_no_repr_and_no_error_shows_a_password() -> None:
    settings = Settings(
        database_url="postgresql://me:hunter2hunter2@host/db",
        redis_url="redis://:hunter2hunter2@host",
        owner_password=Secret("hunter2hunter2"),
    )
    assert "hunter2" not in repr(settings)
    with pytest.raises(ConfigurationError) as caught:
        Settings(database_url="mysql://me:hunter2hunter2@host/db")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        Settings(redis_url="redis://:hunter2@/xyz")
    assert "hunter2" not in str(caught.value)


def test_an_option_of_the_redis_url_that_is_none_names_the_variable_at_start() -> None:
    settings = Settings(redis_url="redis://host?hunter=2")
    with pytest.raises(ConfigurationError, match=r"^SPACEKEY_REDIS_URL: .*option") as caught:
        build_limiter(settings, Metrics())
    assert "hunter" not in str(caught.value)


def test_every_setting_is_documented_and_nothing_else_is() -> None:
    documented = {line.split("`")[1] for line in DOCS.read_text().splitlines() if line.startswith("| `SPACEKEY_")}
    assert documented == set(variable_names())
