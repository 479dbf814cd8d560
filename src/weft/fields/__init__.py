"""Results of the estimators as frozen values: numbers, uncertainties, verdicts."""

from weft.fields.ctf import CtfCurves, CtfFit
from weft.fields.mask import Bead, BeadMask
from weft.fields.motion import MotionField
from weft.fields.verdict import Assessment, Verdict

__all__ = ["Assessment", "Bead", "BeadMask", "CtfCurves", "CtfFit", "MotionField", "Verdict"]
