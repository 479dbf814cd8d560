"""Estimate the contrast transfer function."""
