"""Tilt series: from mdocs and movies to tables."""
