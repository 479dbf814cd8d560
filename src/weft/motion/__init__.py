"""Motion of the sample between the frames of a movie."""

from weft.motion.estimate import estimate_motion

__all__ = ["estimate_motion"]
