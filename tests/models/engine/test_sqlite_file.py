"""The SQLite file: nobody else may read it, and nothing is acknowledged that went into one nobody will find."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from spacekey.domain.errors import ServiceUnavailable
from spacekey.models.engine import sqlite as sqlite_engine
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.lookup.sqlite import SqliteLookup
from spacekey.models.migrations.run import upgrade
from support.rows import a_user, add

pytestmark = pytest.mark.parametrize("database_kind", [SQLITE])


def move(file: Path) -> None:
    file.rename(file.with_suffix(".moved"))


def delete(file: Path) -> None:
    file.unlink()


def replace(file: Path) -> None:
    copy = shutil.copy(file, file.with_suffix(".copy"))
    Path(copy).replace(file)


AWAY = [move, delete, replace]


def file_of(store: Store) -> Path:
    return Path(str(store.url.database))


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("away", AWAY)
async def test_a_file_that_is_no_longer_there_takes_no_change_and_is_no_ready_database(
    store: Store, away: Callable[[Path], None]
) -> None:
    await add(store, a_user())
    away(file_of(store))
    there = file_of(store).exists()
    for asking in (store.ping(), add(store, a_user())):
        with pytest.raises(ServiceUnavailable, match="moved, deleted or replaced") as refused:
            await asking
        assert not refused.value.may_have_changed
    # Nothing took its place by itself.
    assert file_of(store).exists() is there


async def test_a_change_during_which_the_file_goes_away_is_not_acknowledged(store: Store) -> None:
    async def change() -> None:
        async with store.changing() as session:
            session.add(a_user())
            move(file_of(store))

    with pytest.raises(ServiceUnavailable, match="moved, deleted or replaced") as refused:
        await change()
    assert refused.value.may_have_changed


async def test_a_file_that_was_put_back_serves_again(store: Store) -> None:
    await store.ping()
    move(file_of(store))
    with pytest.raises(ServiceUnavailable):
        await store.ping()
    file_of(store).with_suffix(".moved").rename(file_of(store))
    await add(store, a_user())


@pytest.mark.parametrize("away", AWAY)
async def test_verification_notices_too(
    store: Store, away: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spacekey.models.lookup.sqlite.LOOK_EVERY_SECONDS", 0.0)
    lookup = SqliteLookup(file_of(store))
    assert await lookup.by_digest(b"d" * 32) is None
    away(file_of(store))
    with pytest.raises(ServiceUnavailable, match="moved, deleted or replaced"):
        await lookup.by_digest(b"d" * 32)
    await lookup.aclose()


async def test_a_new_file_is_its_owners_only_and_so_is_what_sqlite_keeps_beside_it(
    tmp_path: Path, database_kind: str
) -> None:
    assert database_kind == SQLITE
    store = Store(f"sqlite:///{tmp_path}/new.db")
    await upgrade(store)
    made = {name: rights(tmp_path / name) for name in ("new.db", "new.db-shm", "new.db-wal")}
    assert set(made.values()) == {0o600}, made
    await store.aclose()


async def test_the_rights_of_a_file_that_was_there_stay(tmp_path: Path, database_kind: str) -> None:
    assert database_kind == SQLITE
    there = tmp_path / "there.db"
    there.touch()
    there.chmod(0o640)
    store = Store(f"sqlite:///{there}")
    await upgrade(store)
    assert rights(there) == 0o640
    await store.aclose()


async def test_a_new_file_that_another_connection_is_setting_up_is_waited_for(
    database_kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "new.db"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    pauses: list[int] = []

    def third_time_lucky(_seconds: float) -> None:
        pauses.append(1)
        if len(pauses) == 3:
            other.execute("ROLLBACK")

    monkeypatch.setattr(sqlite_engine, "_OPENING_MILLISECONDS", 1)
    monkeypatch.setattr(sqlite_engine, "_pause", third_time_lucky)
    store = Store(f"sqlite+aiosqlite:///{file}")
    await store.ping()
    await store.aclose()
    other.close()
    assert len(pauses) >= 3


async def test_a_new_file_that_stays_locked_is_an_outage(
    database_kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "new.db"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr(sqlite_engine, "_OPENING_MILLISECONDS", 1)
    monkeypatch.setattr(sqlite_engine, "OPENING_SECONDS_MAX", 0.1)
    store = Store(f"sqlite+aiosqlite:///{file}")
    with pytest.raises(ServiceUnavailable, match="locked"):
        await store.ping()
    await store.aclose()
    other.close()
