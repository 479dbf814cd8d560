"""The browser's other end: shows a project, takes decisions, starts runs; never computes itself."""

from __future__ import annotations

from weft.server.start import serve

__all__ = ["serve"]
