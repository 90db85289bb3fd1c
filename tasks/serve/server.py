"""The web server of the page: Python's own, for one user of this machine.

A page of another site must not reach it through the user's browser. So the requested host must be
this machine's name (another name could be pointed here, "DNS rebinding"). Uploads must come from
our own page, and as bytes, which other sites' pages may not send unasked.
"""

import ipaddress
import json
import socket
import sys
import traceback
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from resnet_backbones.errors import UserError
from tasks.serve.model import Served

HOST = "127.0.0.1"
PORT = 8765
FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/files.js": ("files.js", "text/javascript; charset=utf-8"),
    "/drawing.js": ("drawing.js", "text/javascript; charset=utf-8"),
    "/saving.js": ("saving.js", "text/javascript; charset=utf-8"),
}
"""All served files, by address."""
BYTES = "application/octet-stream"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " img-src data:; media-src blob:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
DRAINED = 8
"""Times the largest upload: this much of a too large upload is read and thrown away, as a browser
reads the answer only after it has sent everything."""


class PageServer(ThreadingHTTPServer):
    """Serves the page of a network; `server_close` also ends its prediction thread."""

    daemon_threads = True
    allow_reuse_port = False  # otherwise two servers could share a port unnoticed

    def __init__(self, served: Served, host: str, port: int, most_bytes: int) -> None:
        self.served = served
        self.most_bytes = most_bytes
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return _is_loopback(str(self.server_address[0]))

    @property
    def url(self) -> str:
        """The address to type into a browser."""
        host = str(self.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show an error, unless a browser only disconnected."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """Free the port."""
        super().server_close()
        self.served.worker.shutdown(wait=False, cancel_futures=True)


def open_server(served: Served, host: str, port: int | None, most_bytes: int) -> PageServer:
    """Take the requested port, otherwise the usual one, otherwise any free one.

    UserError if the requested one is taken, and for a host that is not an address of this machine.
    """
    tried = PORT if port is None else port
    try:
        return PageServer(served, host, tried, most_bytes)
    except OSError as error:
        if port is None and _can_bind(host):
            return PageServer(served, host, 0, most_bytes)
        rule = f"--host and --port must be free on this machine, got {host} and {tried}"
        way_out = "give another --port, or --port 0 for any that is free"
        raise UserError(f"{rule} ({error.strerror or error}); {way_out}") from error


def _can_bind(host: str) -> bool:
    """Whether a host is this machine's, tested by opening any free port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def _is_loopback(host: str) -> bool:
    """Whether a host is localhost, or an address that never leaves this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    """Whether a host is a number, which no name server can redirect, or localhost."""
    try:
        return host == "localhost" or bool(ipaddress.ip_address(host))
    except ValueError:
        return False


class _RefusedError(Exception):
    """The answer to a request that we refuse."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    server_version = "backbones"
    sys_version = ""
    timeout = 60  # seconds without a byte

    def do_GET(self) -> None:
        """Answer with a file of the page, or with the network's description."""
        try:
            self._check_host()
            self._get()
        except _RefusedError as refusal:
            self._send_json({"error": refusal.text}, refusal.status)

    def do_POST(self) -> None:
        """Answer an image with its predictions."""
        try:
            self._check_host()
            self._check_origin()
            self._send_json(self._predict(self._read_body()))
        except _RefusedError as refusal:
            self._send_json({"error": refusal.text}, refusal.status)

    def _get(self) -> None:
        if self.path == "/model":
            facts = self.server.served.describe() | {"most_bytes": self.server.most_bytes}
            self._send_json(facts)
            return
        if self.path not in FILES:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")
        name, kind = FILES[self.path]
        self._send((Path(__file__).parent / name).read_bytes(), kind)

    def _predict(self, image: bytes) -> dict[str, Any]:
        try:
            return self.server.served.answer(image)
        except UserError as error:
            raise _RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
        except Exception as error:  # our bug: it is shown in the terminal, and the server continues
            traceback.print_exc()
            text = f"the network failed ({type(error).__name__}); the terminal says more"
            raise _RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, text) from error

    def _check_host(self) -> None:
        """Refuse a name that is not this machine's."""
        try:
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        except ValueError:
            host = ""
        if not (_is_loopback(host) if self.server.is_local else _is_address(host)):
            text = f"open {self.server.url}, this server answers to no other name"
            raise _RefusedError(HTTPStatus.FORBIDDEN, text)

    def _check_origin(self) -> None:
        """Refuse requests of another site's page."""
        origin = self.headers.get("Origin", f"http://{self.headers['Host']}")
        site = self.headers.get("Sec-Fetch-Site", "same-origin")
        if origin != f"http://{self.headers['Host']}" or site not in ("same-origin", "none"):
            raise _RefusedError(
                HTTPStatus.FORBIDDEN, "only the page of this server may send images"
            )
        if self.path != "/predict":
            raise _RefusedError(HTTPStatus.NOT_FOUND, "images go to /predict")
        if self.headers.get_content_type() != BYTES or self.headers["Content-Type"] is None:
            raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"images are sent as {BYTES}")

    def _read_body(self) -> bytes:
        """Read the uploaded image; refuse it if it is too large or has no length."""
        text = self.headers.get("Content-Length", "")
        if not (text.isascii() and text.isdigit()):
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED, "an image must be sent with its length")
        length = int(text)
        most = self.server.most_bytes
        if length > most:
            self._drain(min(length, DRAINED * most))
            seen = f"got {length / 1e6:.1f}"
            rule = f"a file must have at most {most / 1e6:g} MB, {seen}"
            raise _RefusedError(TOO_LARGE, f"{rule}; --max-upload allows more")
        body = self.rfile.read(length)
        if len(body) < length:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "the image was not sent completely")
        return body

    def _drain(self, count: int) -> None:
        while count > 0:
            part = self.rfile.read(min(count, 1 << 20))
            if not part:
                return
            count -= len(part)

    def _send_json(self, content: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json.dumps(content).encode(), "application/json", status)

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        try:
            self.send_response(status)
            for name, value in HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True  # the browser disconnected

    def log_message(self, format: str, *values: Any) -> None:
        """Log nothing for requests."""
