"""Gold beads: where they are, as a mask to trust."""

from weft.fiducials.segment import segment

__all__ = ["segment"]
