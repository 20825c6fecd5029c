"""The SQLite file as the file system knows it: who may read it, and whether it is still the one that was opened.

SQLite goes on in a file that was moved, deleted or replaced, and what it acknowledges there is lost to everybody who
opens the path later. So the path is compared with the file whenever a connection is used and after every commit.
"""

from __future__ import annotations

import os
from pathlib import Path

from spacekey.domain.errors import Unavailable

_OWNER_ONLY = 0o600


class SqliteFile:
    """The file behind one store. SQLite gives its ``-wal`` and ``-shm`` the rights of the file itself.

    :param path: as in the URL.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).absolute()
        self._opened: tuple[int, int] | None = None

    def before_opening(self) -> None:
        """Make the file when it was never there, readable by its owner only.

        :raises Unavailable: another file, or none, is where the opened one was: opening it would begin a second one.
        """
        if self._opened is not None:
            self.check()
            return
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _OWNER_ONLY))
        except OSError:
            return  # it is there already, or SQLite says better why it cannot be

    def opened(self) -> None:
        """A connection has just been opened."""
        if self._opened is None:
            self._opened = self._identity()
        self.check()

    def check(self) -> None:
        """Look whether the path still leads to the file that was opened.

        :raises Unavailable: it does not.
        """
        if self._opened is None or self._identity() != self._opened:
            raise Unavailable(
                "the SQLite file was moved, deleted or replaced while it was in use; put it back, or restart Spacekey"
            )

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
