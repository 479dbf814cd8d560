"""Estimate the motion of the sample between frames."""
