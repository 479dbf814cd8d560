"""Doubts about the input that can be raised without computing."""
