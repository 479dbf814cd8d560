"""``python -m weft.server.describe FILE``: write the OpenAPI document, from which the page's types are generated."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from weft.server.app import openapi_schema

__all__ = ["openapi_text"]


def openapi_text() -> str:
    """Return the document as it is committed."""
    return json.dumps(openapi_schema(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(openapi_text(), encoding="utf-8")
