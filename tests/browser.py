"""A browser without a window that a test drives, through its debugging pipe."""

import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from html_page import BROWSER

LONGEST = 60.0  # seconds that anything may take
QUIET = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")


class Tab:
    """A page of a browser.  Messages are JSON, each ended by a zero byte."""

    def __init__(self, sending: int, receiving: int) -> None:
        self.sending = sending
        self.receiving = os.fdopen(receiving, "rb", buffering=0)
        self.count = 0
        self.rest = b""
        self.session: str | None = None
        self.errors: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "DOM", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask for something, and wait for the answer."""
        self.count += 1
        message: dict[str, Any] = {"id": self.count, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.sending, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.count:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            part = self.receiving.read(1 << 16)
            assert part, "the browser has ended"
            self.rest += part
        line, _, self.rest = self.rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(message["params"]["exceptionDetails"]))
        if message.get("method") == "Log.entryAdded":
            self.errors.append(message["params"]["entry"]["text"])
        return message

    def open(self, address: str, width: int = 1280, height: int = 900) -> None:
        """Show a page in a window of that size."""
        self.resize(width, height)
        self.call("Page.navigate", url=address)

    def resize(self, width: int, height: int, dark: bool = False) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def value(self, expression: str) -> Any:
        """What a line of JavaScript gives in the page, awaited."""
        named = {"awaitPromise": True, "returnByValue": True}
        answer = self.call("Runtime.evaluate", expression=expression, **named)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until a line of JavaScript is true in the page."""
        end = time.monotonic() + LONGEST
        while not self.value(expression):
            assert time.monotonic() < end, f"never: {expression}; {self.errors}"
            time.sleep(0.02)

    def choose(self, selector: str, files: Sequence[Path]) -> None:
        """Give files to an <input>, as its dialogue does."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def picture(self, path: Path) -> None:
        """Write a PNG of the whole page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browsing(folder: Path) -> Iterator[Tab]:
    """Context with a tab of a browser that keeps its files in a folder; skips without a browser."""
    if BROWSER is None:
        pytest.skip("needs chromium or google-chrome on the PATH")
    theirs, sending = os.pipe()
    receiving, answers = os.pipe()
    words = [*QUIET, "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}"]
    shell = f'exec "$@" 3<&{theirs} 4>&{answers}'
    process = subprocess.Popen(
        ["bash", "-c", shell, "bash", BROWSER, *words],
        pass_fds=(theirs, answers),
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    os.close(answers)
    try:
        yield Tab(sending, receiving)
    finally:
        os.close(sending)
        process.kill()
        process.wait()
