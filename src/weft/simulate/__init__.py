"""Movies with known truth, and results compared with it."""

from weft.simulate.compare import MovieComparison, Summary, compare_set, summarise
from weft.simulate.hands import HandComparison, compare_hands
from weft.simulate.make import SimulatedSet, simulate_set
from weft.simulate.options import SimulationOptions, dose_symmetric
from weft.simulate.truth import MovieTruth, SetTruth, read_truth

__all__ = [
    "HandComparison",
    "MovieComparison",
    "MovieTruth",
    "SetTruth",
    "SimulatedSet",
    "SimulationOptions",
    "Summary",
    "compare_hands",
    "compare_set",
    "dose_symmetric",
    "read_truth",
    "simulate_set",
    "summarise",
]
