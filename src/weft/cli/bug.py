"""What happens with an exception that nobody expected: kept in a file, told in a sentence."""

from __future__ import annotations

import errno
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from weft import __version__
from weft.cli.output import message

__all__ = ["report"]

_MACHINE = {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.EDQUOT}


def report(error: Exception, words: Sequence[str]) -> int:
    """Tell the user and return the exit code: 5 if the machine is to blame, 70 if Weft is.

    Parameters
    ----------
    error : Exception
        That nobody caught.
    words : sequence of str
        The command line.
    """
    if isinstance(error, OSError) and error.errno in _MACHINE:
        place = f"{error.filename}: " if error.filename else ""
        message(f"{place}{error.strerror}; check space and permissions there, then run the command again")
        return 5
    if isinstance(error, MemoryError):
        message("there is not enough memory; set compute.workers or compute.memory_GB lower")
        return 5
    path = _keep(error, words)
    kept = f"the details are in {path}" if path else "run it again with --debug for the details"
    what = str(error).strip().splitlines()
    message(f"Weft made a mistake ({type(error).__name__}{': ' + what[0] if what else ''}); {kept}")
    return 70


def _keep(error: Exception, words: Sequence[str]) -> Path | None:
    """Write the traceback to the project's log, or to a temporary folder."""
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    text = f"weft {__version__}\nweft {' '.join(words)}\n\n" + "".join(traceback.format_exception(error))
    for folder in (Path.cwd() / "weft" / "log", Path(tempfile.gettempdir())):
        if folder.is_dir():
            try:
                path = folder / f"bug-{now}.txt"
                path.write_text(text, encoding="utf-8")
            except OSError:
                continue
            return path
    return None
