"""Find every error that can be found without computing: names, mdocs, gain, pixel sizes, room on the disk."""

from weft.check.finding import Finding
from weft.check.look import check_project

__all__ = ["Finding", "check_project"]
