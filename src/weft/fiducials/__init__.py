"""Gold beads: where they are, as a mask to trust."""

from weft.fiducials.models import ModelInfo, find_model, list_models
from weft.fiducials.segment import segment

__all__ = ["ModelInfo", "find_model", "list_models", "segment"]
