"""The index: a SQLite cache of records, of file identities and of what headers say; deleted, it comes back.

Reading 10,000 small JSON files takes seconds over a network, a query milliseconds. The index is never the only
copy of anything: each row carries the file's size and time and is read again when they differ.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from weft.io.identity import file_identity
from weft.state.record import Record

__all__ = ["Index"]

_SCHEMA = """
create table if not exists record (name text primary key, size integer, mtime_ns integer, body text);
create table if not exists identity (path text primary key, size integer, mtime_ns integer, identity text);
create table if not exists header (path text primary key, size integer, mtime_ns integer, way text, body text);
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
        """Return the identity of a file, computed anew only when its size or time changed.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        found = self.identities([path])[path]
        if isinstance(found, OSError):
            raise found
        return found

    def identities(self, paths: Iterable[Path]) -> dict[Path, str | OSError]:
        """Return the identity of each file, or the error why there is none; see `identity`."""
        found: dict[Path, str | OSError] = {}
        fresh = []
        with self._connection() as db:
            known = self._known(db, "select path, size, mtime_ns, identity from identity")
            for path in paths:
                try:
                    status = path.stat()
                    mark = (status.st_size, status.st_mtime_ns)
                    row = known.get(str(path))
                    found[path] = row[1] if row is not None and row[0] == mark else file_identity(path)
                except OSError as error:
                    found[path] = error
                    continue
                if row is None or row[0] != mark:
                    fresh.append((str(path), *mark, found[path]))
            if db is not None and fresh:
                with suppress(sqlite3.Error), db:
                    db.executemany("insert or replace into identity values (?, ?, ?, ?)", fresh)
        return found

    def headers(
        self, paths: Iterable[Path], way: str, read: Callable[[list[Path]], Mapping[Path, tuple[str, str]]]
    ) -> dict[Path, str]:
        """Return what the headers of files say, read anew only where a file is new or its size or time changed.

        Parameters
        ----------
        paths : iterable of Path
            The files.
        way : str
            Everything beside the file that decides what is read: settings, version.
        read : callable
            From the files to be opened to text and identity of each; what is left out is not kept.
        """
        wanted = list(paths)
        marks: dict[Path, tuple[int, int]] = {}
        for path in wanted:
            with suppress(OSError):
                status = path.stat()
                marks[path] = (status.st_size, status.st_mtime_ns)
        with self._connection() as db:
            known = self._known(db, "select path, size, mtime_ns, body from header where way = ?", way)
        kept = {
            path: row[1] for path, mark in marks.items() if (row := known.get(str(path))) is not None and row[0] == mark
        }
        fresh = read([p for p in wanted if p not in kept])
        rows = [(str(path), *marks[path], way, body) for path, (body, _) in fresh.items() if path in marks]
        identities = [(str(path), *marks[path], identity) for path, (_, identity) in fresh.items() if path in marks]
        with self._connection() as db:
            if db is not None and rows:
                with suppress(sqlite3.Error), db:
                    db.executemany("insert or replace into header values (?, ?, ?, ?, ?)", rows)
                    db.executemany("insert or replace into identity values (?, ?, ?, ?)", identities)
        return kept | {path: body for path, (body, _) in fresh.items()}

    @staticmethod
    def _known(db: sqlite3.Connection | None, query: str, *values: str) -> dict[str, tuple[tuple[int, int], str]]:
        """Return the rows of a query by path: size and time, and the text."""
        if db is None:
            return {}
        with suppress(sqlite3.Error):
            return {path: ((size, mtime), text) for path, size, mtime, text in db.execute(query, values)}
        return {}

    def _records(self, entries: Iterator[os.DirEntry[str]], db: sqlite3.Connection | None) -> dict[str, Record]:
        known = {}
        if db is not None:
            with suppress(sqlite3.Error):  # busy or damaged: the files tell
                known = {name: (size, mtime, body) for name, size, mtime, body in db.execute("select * from record")}
        found: dict[str, Record] = {}
        fresh = []
        for entry in entries:
            if not entry.name.endswith(".json") or entry.name.startswith("."):
                continue
            name, status = entry.name[:-5], entry.stat()
            row = known.get(name)
            unchanged = row is not None and row[:2] == (status.st_size, status.st_mtime_ns)
            body = (
                row[2]
                if row is not None and unchanged
                else Path(entry.path).read_text(encoding="utf-8", errors="replace")
            )
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
