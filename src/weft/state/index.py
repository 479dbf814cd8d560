"""The index: a SQLite cache of records and of file identities; deleted, it comes back.

Reading 10,000 small JSON files takes seconds over a network, a query milliseconds. The index is never the only
copy of anything: each row carries the file's size and time and is read again when they differ.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from weft.io.identity import file_identity
from weft.state.record import Record

__all__ = ["Index"]

_SCHEMA = """
create table if not exists record (name text primary key, size integer, mtime_ns integer, body text);
create table if not exists identity (path text primary key, size integer, mtime_ns integer, identity text);
"""


class Index:
    """Records and identities of one project, cached.

    Parameters
    ----------
    out : Path
        The project's output folder.

    Notes
    -----
    Where the database cannot be written or is damaged, everything is read from the files.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._database = out / "index.sqlite"

    def records(self) -> dict[str, Record]:
        """Return all records by name; damaged ones count as absent."""
        folder = self._out / "records"
        with suppress(FileNotFoundError), os.scandir(folder) as entries, self._connection() as db:
            return self._records(entries, db)
        return {}

    def identity(self, path: Path) -> str:
        """Return the identity of a file, computed anew only when its size or time changed."""
        status = path.stat()
        with self._connection() as db:
            row = None
            if db is not None:
                query = "select identity from identity where path = ? and size = ? and mtime_ns = ?"
                row = db.execute(query, (str(path), status.st_size, status.st_mtime_ns)).fetchone()
            if row is not None:
                return str(row[0])
            identity = file_identity(path)
            if db is not None:
                values = (str(path), status.st_size, status.st_mtime_ns, identity)
                with suppress(sqlite3.Error), db:
                    db.execute("insert or replace into identity values (?, ?, ?, ?)", values)
            return identity

    def _records(self, entries: Iterator[os.DirEntry[str]], db: sqlite3.Connection | None) -> dict[str, Record]:
        known = {}
        if db is not None:
            known = {name: (size, mtime, body) for name, size, mtime, body in db.execute("select * from record")}
        found: dict[str, Record] = {}
        fresh = []
        for entry in entries:
            if not entry.name.endswith(".json") or entry.name.startswith("."):
                continue
            name, status = entry.name[:-5], entry.stat()
            row = known.get(name)
            unchanged = row is not None and row[:2] == (status.st_size, status.st_mtime_ns)
            body = row[2] if row is not None and unchanged else Path(entry.path).read_text(encoding="utf-8")
            with suppress(ValidationError):
                found[name] = Record.model_validate_json(body)
            if not unchanged:
                fresh.append((name, status.st_size, status.st_mtime_ns, body))
        if db is not None:
            with suppress(sqlite3.Error), db:
                db.executemany("insert or replace into record values (?, ?, ?, ?)", fresh)
                db.executemany("delete from record where name = ?", [(name,) for name in known.keys() - found.keys()])
        return dict(sorted(found.items()))

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection | None]:
        """Open the database; None where it cannot be used. A damaged one is thrown away."""
        try:
            db = sqlite3.connect(self._database, timeout=5)
        except sqlite3.Error:
            yield None
            return
        with closing(db):
            try:
                db.executescript(_SCHEMA)
                usable: sqlite3.Connection | None = db
            except sqlite3.DatabaseError as error:
                usable = None
                if "malformed" in str(error) or "not a database" in str(error):
                    with suppress(OSError):
                        self._database.unlink()
            yield usable
