"""Files at addresses: whose are asked, and how much is taken."""

import ipaddress
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from shard_server import serving

from resnet_backbones.errors import UserError
from tasks.datasets import web_files
from tasks.datasets.web_files import fetch_file, is_public
from tasks.outputs import LIST


@contextmanager
def answering(status: int = 200, body: bytes = b"", **headers: str) -> Iterator[str]:
    """Context in which a server gives one answer, whatever it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *values: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def public_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take 127.0.0.1, and no other address, for a public one."""
    monkeypatch.setattr(web_files, "is_public", lambda number: number == "127.0.0.1")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_public_addresses(number: str, expected: bool) -> None:
    assert ipaddress.ip_address(number)
    assert is_public(number) is expected


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]"])
def test_this_machine_is_not_asked(tmp_path: Path, host: str) -> None:
    with pytest.raises(UserError, match=r"must be of the public Internet, got .*--private-addr"):
        fetch_file(f"http://{host}:9/a.jpg", tmp_path)


def test_this_machine_is_asked_where_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"content")
    with serving(tmp_path) as server:
        file = fetch_file(f"{server.url}/a.jpg", tmp_path / "to", private=True)
    assert file.read_bytes() == b"content"


@pytest.mark.usefixtures("public_here")
def test_a_redirect_to_a_private_address_is_not_followed(tmp_path: Path) -> None:
    with (
        answering(302, Location="http://127.0.0.2:9/secret") as url,
        pytest.raises(UserError, match=r"public Internet, got 127\.0\.0\.2"),
    ):
        fetch_file(f"{url}/a.jpg", tmp_path)


@pytest.mark.usefixtures("public_here")
@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_a_redirect_to_another_kind_of_address_is_not_followed(tmp_path: Path, target: str) -> None:
    with answering(302, Location=target) as url, pytest.raises(UserError):
        fetch_file(f"{url}/a.jpg", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("public_here")
def test_a_redirect_to_a_public_address_is_followed(tmp_path: Path) -> None:
    with answering(body=b"there") as there, answering(302, Location=f"{there}/b") as url:
        assert fetch_file(f"{url}/a.jpg", tmp_path).read_bytes() == b"there"


def test_a_file_that_is_too_large_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_files, "LARGEST", 1 << 20)
    body = bytes((1 << 20) + 1)
    with answering(body=body) as url, pytest.raises(UserError, match="at most 1 MiB, http"):
        fetch_file(url, tmp_path, private=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_takes_too_long_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 1e6, 2e6])
    monkeypatch.setattr(time, "monotonic", lambda: next(now, 3e6))
    with answering(body=b"slow") as url, pytest.raises(UserError, match="within 120 s, http"):
        fetch_file(url, tmp_path, private=True)


def test_a_file_that_breaks_off_is_told(tmp_path: Path) -> None:
    with answering(body=b"half", Content_Length="8") as url, pytest.raises(UserError):
        fetch_file(url, tmp_path, private=True)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_told_without_its_key(tmp_path: Path) -> None:
    with (
        answering(404) as url,
        pytest.raises(UserError, match=r"/a\.jpg is answered with 404 Not Found; correct"),
    ):
        fetch_file(f"{url}/a.jpg?key=secret", tmp_path, private=True)


def test_names_are_told_apart_and_stay_in_their_folder(tmp_path: Path) -> None:
    with answering(body=b"x", Content_Type="image/png") as url:
        names = {
            fetch_file(f"{url}/{path}", tmp_path, private=True).name
            for path in ("a.jpg", "a.jpg?v=2", "%2e%2e%2f%2e%2e%2fa.jpg", "photo", "")
        }
    assert {file.name for file in tmp_path.iterdir()} == {LIST, *names}
    assert len(names) == 5
    assert sum(name.endswith(".png") for name in names) == 2
