"""Every error a user can cause, and the exit code it ends in.

::

    WeftError                     70   a bug of ours unless a subclass says otherwise
    ├── SettingsError(ValueError)  3   weft.toml, a flag or a combination of them is wrong
    ├── InputError(ValueError)     3   a file is not what it should be
    │   └── ItemFailed             1   one movie or series failed; the run goes on
    ├── MissingError(FileNotFoundError)  3   something that is named does not exist
    ├── UsageError(ValueError)     2   the command line makes no sense
    ├── CheckFailed                4   a check found something wrong
    ├── MachineError(OSError)      5   disk full, read-only, out of memory, no GPU
    ├── BusyError                  6   another run works here with other settings
    └── Interrupted              130   stopped by a signal; the state is whole

A message is one sentence: what, where, how to mend it, with the numbers.
"""

from __future__ import annotations

__all__ = [
    "BusyError",
    "CheckFailed",
    "InputError",
    "Interrupted",
    "ItemFailed",
    "MachineError",
    "MissingError",
    "SettingsError",
    "UsageError",
    "WeftError",
]


class WeftError(Exception):
    """Base of all errors that Weft raises on purpose."""

    exit_code = 70


class SettingsError(WeftError, ValueError):
    """A setting is unknown, out of range or contradicts another."""

    exit_code = 3


class InputError(WeftError, ValueError):
    """A file is damaged, of the wrong kind or of the wrong size."""

    exit_code = 3


class ItemFailed(InputError):
    """One item could not be processed; the others go on."""

    exit_code = 1


class MissingError(WeftError, FileNotFoundError):
    """A file, folder or item that was named does not exist."""

    exit_code = 3


class UsageError(WeftError, ValueError):
    """The command line cannot be understood."""

    exit_code = 2


class CheckFailed(WeftError):
    """A check found something that should be mended first."""

    exit_code = 4


class MachineError(WeftError, OSError):
    """The machine cannot do it: disk, memory, permission, GPU."""

    exit_code = 5


class BusyError(WeftError):
    """Another run with other settings holds the project."""

    exit_code = 6


class Interrupted(WeftError):
    """A signal ended the work between two whole states."""

    exit_code = 130
