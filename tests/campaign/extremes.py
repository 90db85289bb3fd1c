"""Mutations to extremes: of a JSON document's text, of XML, of YAML, and of what lies at a path.

They go beyond what people and tools get wrong by accident, which is in tests/mutate/: sizes without
bound, nesting without end, files that are no files.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from mutate.files import mutate_image
from PIL import Image

Document = dict[str, Any]
NUMBERS: tuple[Any, ...] = (10**9, 1e308, -1e308, 5e-324, 2**31 - 1, 2**53 + 1, -(2**63), 10**400)
ENCODINGS = ("utf-16", "utf-32", "latin-1", "gbk", "shift_jis", "koi8-r", "no-such-encoding")
ENTITIES = 30_000


def write_document(document: Document, chance: Random) -> tuple[bytes, str]:
    """A document's bytes, mostly as they should be, and what was done to them."""
    text = json.dumps(document).encode()
    if chance.random() < 0.75:
        return text, ""
    mutation = chance.choice(TEXTS)
    return mutation(text, chance), mutation.__name__


def deep_field(text: bytes, chance: Random) -> bytes:
    """Nest a field of the document far deeper than anybody reads."""
    depth = chance.choice((900, 5_000, 100_000, 1_000_000))
    return text[:1] + b'"info": ' + b"[" * depth + b"]" * depth + b", " + text[1:]


def never_closed(text: bytes, chance: Random) -> bytes:
    """Open brackets and close none."""
    return b'{"images": ' + b"[" * chance.choice((10, 3_000, 500_000))


def extreme_number(text: bytes, chance: Random) -> bytes:
    """Replace a number of the text by one that is hard to hold."""
    places = [place for place in range(len(text)) if text[place : place + 2] == b": "]
    place = chance.choice(places) + 2
    end = place
    while end < len(text) and text[end] not in b",}]":
        end += 1
    odd = (
        *(str(number).encode() for number in NUMBERS),
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"9" * 5000,
    )
    return text[:place] + chance.choice(odd) + text[end:]


def twice_the_key(text: bytes, chance: Random) -> bytes:
    """Give the document a key twice, of which the second counts."""
    name = chance.choice((b"images", b"annotations", b"categories"))
    return text[:-1] + b', "' + name + b'": []}'


def after_the_end(text: bytes, chance: Random) -> bytes:
    """Add something behind the document's end."""
    return text + chance.choice((b"\n", b"}", b"\x00" * 4096, text, b"// done", b"\xff" * 10))


def compressed(text: bytes, chance: Random) -> bytes:
    """Begin as a compressed file does."""
    return b"\x1f\x8b\x08\x00" + text


def encoded(text: bytes, chance: Random) -> bytes:
    """Write it in another encoding, with a name that it can hold or not."""
    decoded = text.decode().replace("cat", chance.choice(("cat", "größe", "猫", "\\ud83d")))
    return decoded.encode(chance.choice(ENCODINGS[:-1]), "replace")


TEXTS: tuple[Callable[[bytes, Random], bytes], ...] = (
    deep_field,
    never_closed,
    extreme_number,
    extreme_number,
    twice_the_key,
    after_the_end,
    compressed,
    encoded,
)


def many_objects(document: Document, chance: Random) -> Document:
    """Give the first image thousands of copies of an object."""
    count = chance.choice((2_000, 20_000))
    first = document["annotations"][0]
    copies = [first | {"id": 1_000 + number} for number in range(count)]
    return document | {"annotations": document["annotations"] + copies}


def many_classes(document: Document, chance: Random) -> Document:
    """Add thousands of categories."""
    count = chance.choice((300, 3_000))
    more = [{"id": 1_000 + number, "name": f"class {number}"} for number in range(count)]
    return document | {"categories": document["categories"] + more}


def huge_image(document: Document, chance: Random) -> Document:
    """State sizes of an image, and of its masks, that no memory holds."""
    height, width = chance.choice(((1_000_000, 1_000_000), (48_000, 64_000), (1, 2_000_000_000)))
    first, *others = document["images"]
    images = [first | {"height": height, "width": width}, *others]
    annotations = [dict(record) for record in document["annotations"]]
    for record in annotations:
        if isinstance(record["segmentation"], dict) and record["image_id"] == first["id"]:
            record["segmentation"] = {"size": [height, width], "counts": [height * width]}
    return document | {"images": images, "annotations": annotations}


def odd_path(document: Document, chance: Random) -> Document:
    """Name the first image by a path that leads elsewhere."""
    names = ("../train/11.png", "/dev/zero", "/etc/passwd", "~/11.png", "a" * 300, "C:\\11.png")
    more = ("http://localhost/11.png", ".", "..", "11.png\n", "*.png", "$HOME", "train\\11.png")
    first, *others = document["images"]
    return document | {"images": [first | {"file_name": chance.choice(names + more)}, *others]}


DOCUMENTS: tuple[Callable[[Document, Random], Document], ...] = (
    many_objects,
    many_classes,
    huge_image,
    odd_path,
)


def another_kind(path: Path, chance: Random) -> str:
    """Put something else in a file's place: a folder, a pipe, a link, nothing."""
    kind = chance.choice(("folder", "pipe", "dangling link", "circular link", "link", "nothing"))
    moved = path.with_name(f"moved {path.name}")
    path.rename(moved)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    elif kind == "circular link":
        path.symlink_to(path.name)
    elif kind == "link":
        path.symlink_to(moved.name)
    return kind


def huge_picture(path: Path, chance: Random) -> str:
    """Write a file of some KiB that unpacks to a picture without end."""
    side = chance.choice((6_000, 13_000, 30_000))
    Image.new("1", (side, side)).save(path, "PNG")
    return f"{side} pixels a side"


def lying_header(path: Path, chance: Random) -> str:
    """State another size in a PNG's header, whose checksum then is wrong, or is made right."""
    import struct
    import zlib

    content = bytearray(path.read_bytes())
    width, height = chance.choice(
        ((100_000, 100_000), (2**31 - 1, 1), (0, 30), (41, 30), (40, 300))
    )
    content[16:24] = struct.pack(">II", width, height)
    if chance.random() < 0.8:
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    return f"a header of {width}x{height}"


def mutate_picture(path: Path, chance: Random) -> str:
    """Mutate a picture in place; what was done."""
    draw = chance.random()
    if draw < 0.12:
        return another_kind(path, chance)
    if draw < 0.2:
        return lying_header(path, chance)
    if draw < 0.23:
        return huge_picture(path, chance)
    path.write_bytes(mutate_image(path.read_bytes(), chance))
    return "bytes of a picture"


def mutate_xml(text: bytes, chance: Random) -> bytes:
    """Write XML with entities, encodings, nesting or declarations that a parser stumbles over."""
    encoding = chance.choice(ENCODINGS)
    declared = f'<?xml version="1.0" encoding="{encoding}"?>\n'.encode()
    laughs = b'<!DOCTYPE a [<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY a%d "%s">' % (level, b"&a%d;" % (level - 1) * 10 if level else b"&a;")
        for level in range(12)
    )
    bombs = (
        declared + text,
        laughs + b"]>\n" + text.replace(b"cat", b"&a11;"),
        b'<!DOCTYPE a [<!ENTITY a "ha">]>\n' + text.replace(b"cat", b"&a;" * ENTITIES),
        b'<!DOCTYPE a [<!ENTITY a SYSTEM "/etc/hostname">]>\n' + text.replace(b"cat", b"&a;"),
        b'<!DOCTYPE a SYSTEM "http://localhost:9/a.dtd">\n' + text,
        text.replace(b"<object>", b"<object>" * chance.choice((2, 100_000)), 1),
        b"<a>" * 200_000 + text,
        text.replace(b"<annotation>", b'<annotation xmlns="urn:a">'),
        text.replace(b"cat", b"<![CDATA[cat]]>"),
        text.replace(b"cat", b"c&#x0;at"),
        b"<!-- -->" * 50_000 + text,
        b"\xef\xbb\xbf" + text,
        text.decode().encode("utf-16"),
    )
    return chance.choice(bombs)


def mutate_yaml(text: bytes, chance: Random) -> bytes:
    """Write YAML with tags, anchors, nesting or types that a reader stumbles over."""
    laughs = b"a0: &a0 [x, x]\n" + b"".join(
        b"a%d: &a%d [%s]\n" % (level, level, b", ".join([b"*a%d" % (level - 1)] * 10))
        for level in range(1, 10)
    )
    odd = (
        laughs + text.replace(b"0: cat", b"0: *a9"),
        text.replace(b"cat", b"!!python/object/apply:os.system ['true']"),
        b"a: " + b"[" * chance.choice((100, 50_000)) + b"\n" + text,
        text.replace(b"names:", b"nc: 7\nnames:"),
        text.replace(b"  0: cat\n  1: dog", chance.choice((b"  - no\n  - 1", b"  1: a\n  3: b"))),
        text.replace(b"cat", chance.choice((b"no", b"1e3", b"2020-01-01", b"~", b"[a, b]", b"{}"))),
        text.replace(
            b"images/train", chance.choice((b"..", b"/", b"~", b"7", b"[a, 3]", b"https://x"))
        ),
        b"&a\n- *a\n",
        b"--- 1\n--- 2\n",
        text.replace(b"  ", b"\t"),
        b"path: " + chance.choice((b"/nowhere", b"..", b"7", b"null")) + b"\n" + text,
    )
    return chance.choice(odd)
