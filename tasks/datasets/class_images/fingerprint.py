"""The fingerprint of a set of images with a class each."""

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

from tasks.datasets.class_images.class_images import ClassImages
from tasks.datasets.class_images.remote_shards import RemoteShards
from tasks.datasets.fingerprint import DIGITS, Fingerprint, hash_sample


def fingerprint(images: ClassImages | RemoteShards) -> Fingerprint:
    """Compute a fingerprint, so that a resume on other data is refused; paths do not count.

    For shards at addresses, only their names count.
    """
    if isinstance(images, RemoteShards):
        names = [urlsplit(address).path.rpartition("/")[2] for address in images.addresses]
        sha256 = hashlib.sha256("/".join(names).encode()).hexdigest()
        return {"images": len(images), "shards": len(names), "sha256": sha256[:DIGITS]}
    digest = hashlib.sha256(images.labels.tobytes())
    for place in range(len(images)):
        digest.update(Path(images.name(place)).name.encode())
    return {
        "images": len(images),
        "sha256": digest.hexdigest()[:DIGITS],
        "pixels": hash_sample(len(images), images.read),
    }
