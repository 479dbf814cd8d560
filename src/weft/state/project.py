"""The project: a folder with ``weft.toml``, its settings and what has been made so far."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.errors import MissingError
from weft.io.masktiff import masked_fraction
from weft.io.names import stem_of
from weft.settings.file import SETTINGS_FILE, read_settings
from weft.settings.schema import Settings
from weft.state import decisions
from weft.state.index import Index
from weft.state.record import Record

__all__ = ["Project"]

_HIDDEN_ENDINGS = (".part", ".tmp", ".partial", ".mdoc")


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with ``weft.toml``.

    Parameters
    ----------
    folder : Path
        Absolute path of the folder.
    settings : Settings
        The file's settings with the overrides of this call.
    """

    folder: Path
    settings: Settings

    @classmethod
    def open(cls, folder: Path, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Project:
        """Return the project in a folder.

        Parameters
        ----------
        folder : Path
            Holds ``weft.toml``.
        overrides : mapping of table to keys, optional
            Settings that win over the file's.

        Raises
        ------
        MissingError
            If there is no ``weft.toml``.
        SettingsError
            If it cannot be understood.
        """
        folder = folder.resolve()
        file = folder / SETTINGS_FILE
        if not file.is_file():
            raise MissingError(f"{folder}: no {SETTINGS_FILE} here; make one with `weft init`")
        return cls(folder, read_settings(file, overrides))

    @classmethod
    def find(cls, start: Path, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Project:
        """Return the project that a folder lies in, looking upwards.

        Raises
        ------
        MissingError
            If no folder on the way up holds ``weft.toml``.
        """
        start = start.resolve()
        for folder in (start, *start.parents):
            if (folder / SETTINGS_FILE).is_file():
                return cls.open(folder, overrides)
        raise MissingError(f"{start}: neither here nor above is a {SETTINGS_FILE}; make one with `weft init`")

    @property
    def out(self) -> Path:
        """The folder for everything that is made."""
        return self.folder / self.settings.output.folder

    @property
    def settings_hash(self) -> str:
        """Hash of all settings that change results (not of where they are computed)."""
        data = self.settings.model_dump(mode="json", exclude={"compute"})
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]

    def found_movies(self) -> dict[str, list[Path]]:
        """Return the movie files of each name, sorted by name; two files of one name contradict each other."""
        found: dict[str, list[Path]] = {}
        for path in self._matching(self.settings.input.movies):
            if not path.name.lower().endswith(_HIDDEN_ENDINGS):
                found.setdefault(stem_of(path), []).append(path)
        return dict(sorted(found.items()))

    def movies(self) -> dict[str, Path]:
        """Return the movie of each name, sorted by name, without those that stand for two files."""
        return {name: paths[0] for name, paths in self.found_movies().items() if len(paths) == 1}

    def records(self) -> dict[str, Record]:
        """Return all records by name; where a person painted a mask, the masked share is that of theirs."""
        records = Index(self.out).records()
        for path in (self.out / "mask").glob("*.edit.tif"):
            record = records.get(path.name.removesuffix(".edit.tif"))
            if record is not None and record.mask is not None:
                share = masked_fraction(self.out / "mask", record.name, otherwise=record.mask.masked_fraction)
                mask = record.mask.model_copy(update={"masked_fraction": round(share, 6)})
                records[record.name] = record.model_copy(update={"mask": mask})
        return records

    def decisions(self) -> dict[str, decisions.Decision]:
        """Return the decision that holds for each item that has one."""
        return decisions.effective(decisions.read(self.out))

    def dropped(self) -> set[str]:
        """Return the names of the movies that a decision leaves out."""
        return {name for name, decision in self.decisions().items() if decision.verb == "drop"}

    def mdocs(self) -> list[Path]:
        """Return the mdoc files, sorted by name."""
        return self._matching(self.settings.input.mdocs)

    def _matching(self, pattern: str) -> list[Path]:
        """Return the files a pattern (relative to the project) names; hidden ones are somebody's half-copied files."""
        names = glob.glob(pattern, root_dir=self.folder, recursive=True)  # noqa: PTH207 (absolute patterns, too)
        paths = [self.folder / name for name in sorted(names)]
        return [path for path in paths if path.is_file() and not path.name.startswith(".")]

    def path(self, kind: str, name: str) -> Path:
        """Return where a result lies: kind is one of `average even odd stack mask spectrum thumbnail record xml`."""
        return self.out / _PLACES[kind].format(name=name)


_PLACES = {
    "average": "average/{name}.mrc",
    "even": "average/even/{name}.mrc",
    "odd": "average/odd/{name}.mrc",
    "stack": "stack/{name}.mrcs",
    "mask": "mask/{name}.tif",
    "probability": "mask/{name}.prob.tif",
    "edited_mask": "mask/{name}.edit.tif",
    "spectrum": "powerspectrum/{name}.mrc",
    "thumbnail": "thumbnail/{name}.jpg",
    "record": "records/{name}.json",
    "xml": "{name}.xml",
    "series": "series/{name}.json",
    "tomostar": "tomostar/{name}.tomostar",
    "imod": "imod/{name}",
}
