"""Read files at addresses from beginning to end, without a shell.

Libraries of shards also know addresses that they open with commands such as curl.
"""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from resnet_backbones.errors import UserError
from tasks.datasets.class_images.shard_names import expand
from tasks.datasets.class_images.tar_files import COMPRESSED
from tasks.errors import DataError

BUCKETS = {"s3": "s3fs", "gs": "gcsfs"}
"""Kinds of buckets, and the packages that open them."""
SCHEMES = ("http", "https", *BUCKETS)
TIMEOUT = 60.0
"""Seconds without a byte after which a connection counts as broken."""
_END = bytes(512)  # what a tar ends with
_BLOCK = 8 << 20  # bytes of a bucket that are requested at once
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
"""Status codes of refusals that may be temporary."""


def find_addresses(pattern: str) -> tuple[str, ...]:
    """List the addresses of the shards of a pattern with braces; none is opened.

    Raises UserError for another kind of address, for a name that is not a tar, and if a package
    that reads them is missing.
    """
    addresses = tuple(dict.fromkeys(expand(pattern)))
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme not in SCHEMES:
            rule = "shards are read from http, https, s3 and gs, and never by a command"
            raise UserError(f"{rule}, got {address}; give such addresses, or files")
        if not parts.path.endswith(".tar") or "*" in parts.path:
            rule = "addresses must name each shard, a plain .tar"
            raise UserError(f"{rule}, got {without_query(address)}; write host/train-{{0..9}}.tar")
        if parts.scheme in BUCKETS:
            _require(BUCKETS[parts.scheme], BUCKETS[parts.scheme])
    _require("webdataset", "'resnet-backbones[shards]'")
    return addresses


def without_query(address: str) -> str:
    """Shorten an address for messages: text after a question mark may be a key."""
    return address.partition("?")[0]


class RemoteFile:
    """The bytes of a tar in order; ConnectionError if they end before the tar does."""

    def __init__(self, address: str, source: IO[bytes], length: int | None) -> None:
        self.address = address
        self.source = source
        self.length = length
        self.received = 0
        self.tail = b""

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end."""
        try:
            part = self.source.read(size)
        except Exception as error:  # of whichever library
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        if self.received == 0 and part.startswith(COMPRESSED):
            rule = "a shard must be an uncompressed tar,"
            seen = f"{without_query(self.address)} is compressed"
            raise DataError(f"{rule} {seen}", "write it again, as JPEG is compressed itself")
        self.received += len(part)
        self.tail = (self.tail + part[-len(_END) :])[-len(_END) :]
        if not part:
            self._check_end()
        return part

    def _check_end(self) -> None:
        if self.length is not None and self.received < self.length:
            raise ConnectionError(f"it ended after {self.received} of {self.length} bytes")
        if self.tail != _END:
            raise ConnectionError(f"it ended after {self.received} bytes, within the tar")


@contextmanager
def open_address(address: str) -> Iterator[RemoteFile]:
    """Open a file at an address of SCHEMES.

    Raises UserError if it does not exist or access is denied, and ConnectionError if another try
    may help.
    """
    opened = _open_http if address.startswith("http") else _open_bucket
    try:
        source, length = opened(address)
    except HTTPError as error:
        if 400 <= error.code < 500 and error.code not in _PASSING:
            raise _refused(address, f"{error.code} {error.reason}") from error
        raise ConnectionError(str(error)) from error
    except (FileNotFoundError, PermissionError) as error:
        raise _refused(address, f"{type(error).__name__}: {error}") from error
    except Exception as error:  # of whichever library
        raise ConnectionError(f"{type(error).__name__}: {error}") from error
    with source:
        yield RemoteFile(address, source, length)


def named_request(address: str) -> Request:
    """Make a request for an address that names this library."""
    return Request(address, headers={"User-Agent": "resnet-backbones"})


def _open_http(address: str) -> tuple[IO[bytes], int | None]:
    """Return the answer of a server, and its length if the server states it."""
    answer = urlopen(named_request(address), timeout=TIMEOUT)
    return answer, answer.length


def _open_bucket(address: str) -> tuple[IO[bytes], int | None]:
    """Open a file in a bucket; its package finds the keys. Returns it and its length."""
    import fsspec

    system, path = fsspec.core.url_to_fs(address)
    file = system.open(path, "rb", block_size=_BLOCK)
    return file, file.size


def _refused(address: str, seen: str) -> UserError:
    rule = f"every shard must be there to be read, but {without_query(address)} is answered with"
    return UserError(f"{rule} {seen}; correct data.train, or the rights to read it")


def _require(module: str, packages: str) -> None:
    if importlib.util.find_spec(module) is None:
        rule = f"shards at addresses need the package {module}, which is not installed"
        raise UserError(f"{rule}; pip install {packages}")
