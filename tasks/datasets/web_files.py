"""Files at http and https addresses, fetched within limits of size and time.

An address may come from a list that the user has not read.  So nothing is fetched from this machine
or its own network, unless that is allowed: each name is looked up once, and the connection goes to
exactly the IP address that was checked.  The same holds for every redirect.
"""

import hashlib
import http.client
import ipaddress
import mimetypes
import socket
import time
from collections.abc import Iterator
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib import request
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

from resnet_backbones.errors import UserError
from tasks.datasets.class_images.addresses import named_request, without_query
from tasks.files import AtomicFile
from tasks.outputs import PREDICT, Outputs

LARGEST = 256 << 20  # bytes
SECONDS = 120.0
"""For a whole file."""
STALLED = 20.0
"""Seconds without a byte after which a connection counts as broken."""
_BLOCK = 1 << 16
_NAME = 60  # characters


def is_web_address(word: str) -> bool:
    """Whether a word is an address that `fetch_file` takes."""
    return word.lower().startswith(("http://", "https://"))


def fetch_file(
    address: str, folder: Path, *, private: bool = False, outputs: Outputs = PREDICT
) -> Path:
    """Fetch the file at an address into a folder; its name is unique for the address.

    Raises UserError for an address of this machine or of a private network, unless `private`
    allows it. Also if the file is missing, too large or too slow, or `outputs` does not own it.
    """
    shown = _shown(address)
    end = time.monotonic() + SECONDS
    try:
        with _opener(private).open(named_request(address), timeout=STALLED) as answer:
            file = folder / _file_name(address, answer.headers)
            with outputs.owning(file), AtomicFile(file, lasting=False) as stream:
                _copy(_blocks(answer, shown, end), stream)
    except HTTPError as error:
        seen = f"{error.code} {error.reason}"
        raise UserError(f"{shown} is answered with {seen}; correct the address") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, UserError):
            raise
        reason = getattr(error, "reason", error)
        if isinstance(reason, UserError):  # urllib wraps what a connection raises
            raise reason from error
        seen = str(reason) or type(error).__name__
        rule = f"{shown} must be reachable, got: {seen}"
        raise UserError(f"{rule}; check the connection, or correct the address") from error
    return file


def is_public(number: str) -> bool:
    """Whether a numeric address is one of the public Internet."""
    found = ipaddress.ip_address(number)
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if inner is not None:
            found = inner
    return found.is_global and not found.is_multicast


def _connect(host: str, port: int, timeout: float | None) -> socket.socket:
    """Connect to a host all of whose addresses are public."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    numbers = list(dict.fromkeys(str(place[4][0]) for place in found))
    for number in numbers:
        if not is_public(number):
            seen = host if host == number else f"{host}, which is {number}"
            rule = f"an address must be of the public Internet, got {seen}"
            raise _PrivateError(f"{rule}; --private-addresses allows it")
    failure: OSError | None = None
    for number in numbers:
        try:
            return socket.create_connection((number, port), timeout)
        except OSError as error:
            failure = error
    raise failure or OSError(f"{host} has no address")


class _PrivateError(UserError, OSError):
    """A host that must not be contacted; an OSError, because urllib passes that on."""


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = _connect(self.host, self.port, self.timeout)


class _SecureConnection(http.client.HTTPSConnection, _Connection):
    """Connects in the same way, and then starts TLS."""


class _Http(request.HTTPHandler):
    def http_open(self, req: request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


class _Https(request.HTTPSHandler):
    def https_open(self, req: request.Request) -> http.client.HTTPResponse:
        return self.do_open(_SecureConnection, req)


def _opener(private: bool) -> request.OpenerDirector:
    """Make an opener for http and https that follows redirects to no other kind of address."""
    opener = request.OpenerDirector()
    handlers: list[request.BaseHandler] = [_Http(), _Https()]
    if private:
        handlers = [request.ProxyHandler(), request.HTTPHandler(), request.HTTPSHandler()]
    handlers += [
        request.UnknownHandler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPRedirectHandler(),
        request.HTTPErrorProcessor(),
    ]
    for handler in handlers:
        opener.add_handler(handler)
    return opener


def _blocks(answer: Any, shown: str, end: float) -> Iterator[bytes]:
    """Read the bytes of an answer; UserError if there are too many, or they come too slowly."""
    received = 0
    while block := answer.read1(_BLOCK):
        received += len(block)
        if received > LARGEST:
            rule = f"a file at an address must have at most {LARGEST >> 20} MiB, {shown} has more"
            raise UserError(f"{rule}; download it, and give the file")
        if time.monotonic() > end:
            rule = f"a file must be fetched within {SECONDS:g} s, {shown} took longer"
            raise UserError(f"{rule}; download it, and give the file")
        yield block
    if answer.length:  # http.client counts the rest
        raise http.client.IncompleteRead(b"", answer.length)


def _copy(blocks: Iterator[bytes], stream: IO[bytes]) -> None:
    for block in blocks:
        stream.write(block)


def _file_name(address: str, headers: Message) -> str:
    """The last part of an address, with a digest of the whole; its ending may be the server's."""
    last = PurePosixPath(unquote(urlsplit(address).path)).name
    plain = "".join(sign if sign.isalnum() or sign in "._-" else "_" for sign in last)
    stem, dot, ending = plain.rpartition(".")
    if not dot:
        stem = plain
        ending = (mimetypes.guess_extension(headers.get_content_type()) or "").removeprefix(".")
    digest = hashlib.sha256(address.encode()).hexdigest()[:8]
    name = f"{stem.lstrip('.')[:_NAME] or 'file'}-{digest}"
    return f"{name}.{ending[:8]}" if ending else name


def _shown(address: str) -> str:
    """Shorten an address for messages: without parts that may be a key or a password."""
    plain = without_query(address)
    scheme, _, rest = plain.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
