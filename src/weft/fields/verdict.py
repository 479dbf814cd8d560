"""How far a result can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["GOOD", "Assessment", "Verdict"]


class Verdict(StrEnum):
    """``good``: use it; ``weak``: use with care; ``failed``: there is no answer."""

    GOOD = "good"
    WEAK = "weak"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Assessment:
    """A verdict with the reason for it.

    Parameters
    ----------
    verdict : Verdict
        ``good``, ``weak`` or ``failed``.
    reason : str
        One phrase for people; empty if good.
    """

    verdict: Verdict = Verdict.GOOD
    reason: str = ""


GOOD = Assessment()
