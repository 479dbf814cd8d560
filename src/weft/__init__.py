"""Weft: raw cryo-electron tomography movies to corrected images, CTF values, gold masks and stacks."""

__version__ = "0.1.0"
__all__ = ["__version__"]
