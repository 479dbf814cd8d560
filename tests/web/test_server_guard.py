"""Nobody gets in without the token, from another page, or by another name; nothing but ids reaches the disk."""

from __future__ import annotations

import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from fake_project import TOKEN
from starlette.routing import Route
from starlette.testclient import TestClient

from weft.errors import BusyError, MachineError
from weft.server.listen import default_socket_path, listen_tcp, listen_unix, tunnel_lines

WRITES = ("POST", "PUT", "DELETE", "PATCH")


def _routes(client: TestClient) -> list[tuple[str, str]]:
    document: dict[str, Any] = client.get("/api/openapi.json").json()
    return [
        (method.upper(), path.replace("{name}", "TS_01_000").replace("{job_id}", "x").replace("{verb}", "check"))
        for path, methods in document["paths"].items()
        for method in methods
    ]


def test_every_route_is_401_without_the_token(client: TestClient) -> None:
    routes = _routes(client)
    assert len(routes) > 25
    for method, path in routes:
        for headers in ({"authorization": ""}, {"authorization": "Bearer wrong"}, {"authorization": "Basic dTpw"}):
            answer = client.request(method, path, headers=headers)
            assert answer.status_code == 401, (method, path)
            assert answer.json()["error"]["code"] == "no_token"


def test_unknown_routes_are_401_too(client: TestClient) -> None:
    assert client.get("/api/nothing", headers={"authorization": ""}).status_code == 401
    assert client.get("/api", headers={"authorization": ""}).status_code == 401


def test_the_token_is_not_taken_from_query_or_cookie(client: TestClient) -> None:
    for path, headers in (
        (f"/api/project?t={TOKEN}", {}),
        (f"/api/project?token={TOKEN}", {}),
        ("/api/project", {"cookie": f"token={TOKEN}"}),
    ):
        assert client.get(path, headers={"authorization": "", **headers}).status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "localhost.evil.example", "", "127.0.0.1.nip.io"]
)
def test_a_foreign_host_name_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 421
    assert client.get("/api/project", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:9999", "[::1]:8765", "LOCALHOST:8765"])
def test_any_port_of_this_machine_is_let_in(client: TestClient, host: str) -> None:
    assert client.get("/api/project", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:9999", "https://localhost.evil.example"]
)
def test_a_foreign_origin_is_refused(client: TestClient, origin: str) -> None:
    assert client.get("/api/project", headers={"origin": origin}).status_code == 403
    body = {"items": ["TS_01_000"], "verb": "drop"}
    assert client.post("/api/decisions", json=body, headers={"origin": origin}).status_code == 403


def test_another_site_asking_through_the_browser_is_refused(client: TestClient) -> None:
    assert client.get("/api/project", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.get("/api/project", headers={"origin": "http://localhost:8765"}).status_code == 200


def test_no_answer_sets_a_cookie_or_opens_the_door_to_other_origins(client: TestClient) -> None:
    for path in ("/", "/api/project", "/api/items", "/api/nothing"):
        headers = client.get(path).headers
        assert "set-cookie" not in headers
        assert not any(name.startswith("access-control") for name in headers)


def test_every_answer_carries_the_policy(client: TestClient) -> None:
    for path, sent in (("/", {}), ("/api/items", {}), ("/api/project", {"authorization": ""}), ("/", {"host": "evil"})):
        headers = client.get(path, headers=sent).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_read_only_refuses_every_write(reader: TestClient) -> None:
    allowed = {"/api/settings/check", "/api/import/preview"}
    for method, path in _routes(reader):
        if method in WRITES and path not in allowed:
            answer = reader.request(method, path, json={})
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "read_only"), (method, path)
    assert reader.get("/api/items").status_code == 200


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "..%2F..%2Fweft.toml", "/etc/passwd", "%2e%2e", "TS_01_000%00"]
)
def test_no_path_passes_for_a_name(client: TestClient, name: str) -> None:
    for part in ("", "/thumbnail", "/picture", "/tile?level=0&column=0&row=0", "/spectrum", "/mask"):
        assert client.get(f"/api/items/{name}{part}").status_code in {404, 405, 422}
    assert client.get(f"/api/logs/{name}").status_code == 404
    body = {"items": [name], "verb": "drop"}
    assert client.post("/api/decisions", json=body).status_code == 404


def test_a_body_too_large_is_refused(client: TestClient) -> None:
    answer = client.post("/api/decisions", content=b"x" * 17_000_000)
    assert answer.status_code == 413


def test_the_page_itself_is_only_read(client: TestClient) -> None:
    assert client.post("/").status_code == 405
    assert client.get("/").headers["content-type"].startswith("text/html")


def test_no_debugging_page_is_left_open(client: TestClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert client.get(path).status_code == 404
    app: Any = client.app
    assert all(
        route.path.startswith("/api") or route.path in {"/", "/assets"}
        for route in app.routes
        if isinstance(route, Route)
    )


def test_the_socket_is_ours_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    path = folder / "weft" / "hiv.sock"
    with listen_unix(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with pytest.raises(BusyError, match="another"):
            listen_unix(path)


def test_a_dead_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s" / "hiv.sock"
    listen_unix(path).close()
    assert path.exists()
    with listen_unix(path) as again:
        assert again.family == socket.AF_UNIX


def test_a_folder_others_can_enter_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(MachineError, match="you alone"):
        listen_unix(folder / "hiv.sock")


def test_a_path_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="too long"):
        listen_unix(tmp_path / ("x" * 120) / "hiv.sock")


def test_the_default_socket_belongs_to_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    one, other = default_socket_path(Path("/data/a/hiv")), default_socket_path(Path("/data/b/hiv"))
    assert one.parent == tmp_path / "weft"
    assert one != other


def test_a_taken_port_is_told_and_a_free_one_found() -> None:
    with listen_tcp("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BusyError, match="--port"):
            listen_tcp("127.0.0.1", port)
    with listen_tcp("127.0.0.1", None) as free:
        assert free.getsockname()[0] == "127.0.0.1"


def test_inside_a_job_the_tunnel_goes_through_the_login_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_SUBMIT_HOST", "login1")
    line = tunnel_lines("/run/weft/hiv.sock", 8765)[0]
    assert "-J" in line
    assert "@login1 -L 8765:/run/weft/hiv.sock" in line
