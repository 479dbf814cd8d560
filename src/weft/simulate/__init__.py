"""Movies with known truth."""

from weft.simulate.make import SimulatedSet, simulate_set
from weft.simulate.options import SimulationOptions, dose_symmetric
from weft.simulate.truth import MovieTruth, SetTruth, read_truth

__all__ = [
    "MovieTruth",
    "SetTruth",
    "SimulatedSet",
    "SimulationOptions",
    "dose_symmetric",
    "read_truth",
    "simulate_set",
]
