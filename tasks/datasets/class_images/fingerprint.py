"""What tells one set of images with a class each from another."""

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

from tasks.datasets.class_images.class_images import ClassImages
from tasks.datasets.class_images.remote_shards import RemoteShards
from tasks.datasets.fingerprint import DIGITS, Fingerprint, hash_sample


def fingerprint(images: ClassImages | RemoteShards) -> Fingerprint:
    """What tells one data set from another, so that a resume on other data is refused; paths do not
    count. Of shards at addresses only their names are known.
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
