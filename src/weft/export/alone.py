"""One export at a time writes a set of files, and sweeps up what a killed one left half-written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from weft.io.machine import machine_errors
from weft.state.locks import locked

__all__ = ["alone"]

_PATIENCE_S = 3600.0


@contextmanager
def alone(out: Path, what: str, patterns: Sequence[str]) -> Iterator[None]:
    """Hold the lock of an export; first remove its half-written files, which nobody else can be writing now.

    Parameters
    ----------
    out : Path
        The project's output folder.
    what : str
        Name of the lock.
    patterns : sequence of str
        Files of this export, relative to `out`: their half-written forms are ``.NAME.????????.tmp`` beside them.

    Raises
    ------
    MachineError
        If the disk forbids it.
    """
    with locked(out / "claims" / f"export-{what}.lock", patience_s=_PATIENCE_S), machine_errors(out):
        for pattern in patterns:
            place = Path(pattern)
            for path in out.glob(str(place.with_name(f".{place.name}.????????.tmp"))):
                path.unlink(missing_ok=True)
        yield
