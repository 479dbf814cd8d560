"""One shape for every error that the page can be told: ``{"error": {"code", "message"}}``."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from weft.errors import BusyError, InputError, MachineError, MissingError, SettingsError, UsageError, WeftError

__all__ = ["install_handlers"]

_log = logging.getLogger(__name__)
_STATUS: tuple[tuple[type[WeftError], int, str], ...] = (
    (SettingsError, 422, "wrong_settings"),
    (MissingError, 404, "not_found"),
    (UsageError, 400, "wrong_request"),
    (BusyError, 409, "busy"),
    (MachineError, 507, "machine"),
    (InputError, 422, "wrong_input"),
)


def install_handlers(app: FastAPI) -> None:
    """Let every error of an application have the one shape."""

    @app.exception_handler(WeftError)
    async def _known(_request: Request, error: WeftError) -> JSONResponse:
        for kind, status, code in _STATUS:
            if isinstance(error, kind):
                return _answer(status, code, _sentence(error))
        return _answer(500, "bug", _sentence(error))

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part not in {"body", "query", "path"})
        return _answer(422, "wrong_request", f"{place or 'request'}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        return _answer(error.status_code, phrase.lower().replace(" ", "_"), str(error.detail or phrase))

    @app.exception_handler(Exception)
    async def _bug(request: Request, error: Exception) -> JSONResponse:
        _log.exception("%s %s", request.method, request.url.path, exc_info=error)
        return _answer(500, "bug", f"Weft made a mistake ({type(error).__name__}: {error}); the terminal tells more")


def _sentence(error: WeftError) -> str:
    """Return the message; OSErrors carry it beside their number."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)


def _answer(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status)
