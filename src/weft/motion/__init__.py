"""Motion of the sample between the frames of a movie."""

from weft.motion.estimate import estimate_motion
from weft.motion.gold import Gold

__all__ = ["Gold", "estimate_motion"]
