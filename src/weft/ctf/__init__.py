"""Estimate the contrast transfer function."""

from weft.ctf.estimate import estimate_ctf

__all__ = ["estimate_ctf"]
