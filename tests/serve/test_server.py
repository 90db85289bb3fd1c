"""What the server of the page answers, and what it refuses."""

import io
import json
import socket
import struct
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.serve import server as module
from tasks.serve.model import Served
from tasks.serve.server import BYTES, FILES, PageServer, open_server

GOOD = {"Content-Type": BYTES}


def png(height: int = 40, width: int = 60) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of a few hundred bytes that says it has side x side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def ask(
    server: PageServer, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes, Any]:
    """Status, body and headers of an answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(server.url.rstrip("/") + path, body, named)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


def predict(server: PageServer, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    status, text, _ = ask(server, "/predict", body, **{"Content_Type": BYTES, **headers})
    return status, json.loads(text)


def test_all_detections_are_sent_at_once_by_falling_score(detector: PageServer) -> None:
    status, answer = predict(detector, png())
    assert status == 200
    assert (answer["width"], answer["height"]) == (60, 40)
    assert answer["preview"].startswith("data:image/jpeg;base64,")
    assert [found["label"] for found in answer["boxes"]] == [1, 2, 1]
    assert [found["score"] for found in answer["boxes"]] == pytest.approx([0.9, 0.6, 0.2])
    assert answer["boxes"][1]["box"] == [20, 5, 32, 17]


def test_the_model_is_described(detector: PageServer) -> None:
    facts = json.loads(ask(detector, "/model")[1])
    assert facts["task"] == "detection"
    assert [one["id"] for one in facts["classes"]] == [10, 20, 30]
    assert facts["most_bytes"] == 1_000_000


@pytest.mark.parametrize("path", FILES)
def test_every_file_of_the_page_is_served_and_may_load_nothing_else(
    detector: PageServer, path: str
) -> None:
    status, _, headers = ask(detector, path)
    assert status == 200
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/../pyproject.toml", "/%2e%2e/server.py", "/server.py", "//etc/passwd", "/page.js/.."]
)
def test_no_other_file_is_served(detector: PageServer, path: str) -> None:
    assert ask(detector, path)[0] == 404


@pytest.mark.parametrize("body", [b"", b"no image", b"GIF89a", png()[:60]])
def test_what_is_no_image_is_refused_in_a_sentence(detector: PageServer, body: bytes) -> None:
    status, answer = predict(detector, body)
    assert status == 422
    assert answer["error"].startswith("the image cannot be decoded (")
    assert answer["error"].endswith("; choose a JPEG, a PNG or another image")


@pytest.mark.parametrize("side", [8_000, 60_000])
def test_an_image_of_too_many_pixels_is_refused_by_its_header(
    detector: PageServer, side: int
) -> None:
    status, answer = predict(detector, bomb(side))
    assert status == 422
    assert "pixels" in answer["error"]
    assert detector.served.predictor.calls == 0


def test_a_file_above_the_limit_is_refused(detector: PageServer) -> None:
    status, answer = predict(detector, bytes(2_000_000))
    assert status == 413
    assert answer["error"] == ("a file must have at most 1 MB, got 2.0; --max-upload allows more")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "10.0.0.1", "[::"])
@pytest.mark.parametrize("path", ["/", "/model"])
def test_another_name_than_this_machines_is_refused(
    detector: PageServer, host: str, path: str
) -> None:
    assert ask(detector, path, Host=host)[0] == 403


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1", "[::1]:80"])
def test_a_forwarded_port_is_answered(detector: PageServer, host: str) -> None:
    assert ask(detector, "/", Host=host)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}],
)
def test_what_another_sites_page_sends_is_refused(
    detector: PageServer, headers: dict[str, str]
) -> None:
    assert predict(detector, png(), **headers)[0] == 403
    assert detector.served.predictor.calls == 0


def test_what_a_page_may_send_to_any_site_unasked_is_refused(detector: PageServer) -> None:
    assert predict(detector, png(), Content_Type="text/plain")[0] == 415


def test_an_image_without_its_length_is_refused(detector: PageServer) -> None:
    with socket.create_connection(detector.server_address[:2], timeout=20) as link:
        words = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {BYTES}\r\n"
        link.sendall(f"{words}Transfer-Encoding: chunked\r\n\r\n".encode())
        assert b" 411 " in link.recv(100)


def test_a_fault_of_ours_is_told_in_the_terminal_and_the_server_goes_on(
    detector: PageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    good = detector.served.predictor.result
    detector.served.predictor.result = lambda pixels: 1 / 0
    status, answer = predict(detector, png())
    assert status == 500
    assert answer["error"] == "the network failed (ZeroDivisionError); the terminal says more"
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().err
    detector.served.predictor.result = good
    assert predict(detector, png())[0] == 200


def test_images_are_predicted_one_at_a_time(detector: PageServer) -> None:
    both = Barrier(2, timeout=0.3)
    good = detector.served.predictor.result
    meetings = []

    def meet(pixels: Any) -> Any:
        try:
            meetings.append(both.wait())
        except Exception:  # nobody came
            both.reset()
        return good(pixels)

    detector.served.predictor.result = meet
    threads = [Thread(target=predict, args=(detector, png())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert detector.served.predictor.calls == 2
    assert meetings == []


def test_where_the_usual_port_is_taken_a_free_one_is(
    detector: PageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PORT", detector.server_port)
    with open_server(_served(detector), "127.0.0.1", None, 10) as other:
        assert other.server_port != detector.server_port


def test_a_taken_port_that_was_asked_for_is_refused(detector: PageServer) -> None:
    with pytest.raises(UserError, match=r"must be free on this machine, .* give another --port"):
        open_server(_served(detector), "127.0.0.1", detector.server_port, 10)


def test_an_address_of_another_machine_is_refused(detector: PageServer) -> None:
    with pytest.raises(UserError, match=r"must be free on this machine, got 192\.0\.2\.1"):
        open_server(_served(detector), "192.0.2.1", None, 10)


def _served(server: PageServer) -> Served:
    old = server.served
    return Served(old.name, old.task, old.label_map, old.score, old.predictor, old.page_answer)


def test_the_pages_files_are_all_there() -> None:
    folder = Path(module.__file__).parent
    names = {file.name for file in folder.iterdir() if file.suffix in (".html", ".css", ".js")}
    assert names == {name for name, _ in FILES.values()}
