"""A server of files that can break off."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any


@dataclass
class Faults:
    """What is sent of the next answers: so many bytes, or a status alone."""

    url: str = ""
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    answers: int = 0
    says_length: bool = True


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: Any, faults: Faults, **named: Any) -> None:
        self.faults = faults
        super().__init__(*arguments, **named)

    def do_GET(self) -> None:  # http.server's name
        self.faults.answers += 1
        if self.faults.statuses:
            self.send_error(self.faults.statuses.pop(0))
        else:
            super().do_GET()

    def send_header(self, keyword: str, value: str) -> None:
        if self.faults.says_length or keyword != "Content-Length":
            super().send_header(keyword, value)

    def copyfile(self, source: Any, outputfile: Any) -> None:
        if self.faults.cuts:
            outputfile.write(source.read(self.faults.cuts.pop(0)))
        else:
            super().copyfile(source, outputfile)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[Faults]:
    """Context in which a folder has an address."""
    faults = Faults()
    handler = partial(_Handler, directory=str(folder), faults=faults)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    faults.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield faults
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
