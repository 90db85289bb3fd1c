"""Read XML files with the line of each element, for errors."""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from resnet_backbones.errors import UserError
from tasks.datasets.text_files import read_file

_ENCODING = re.compile(rb"""[^<]{0,3}<\?xml[^>]*\sencoding\s*=\s*["'](?P<name>[\w.:-]+)["']""")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass
class Element:
    """An XML element that knows its line."""

    tag: str
    where: str  # file:line
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def find(self, tag: str) -> "Element | None":
        """Return the first child of a name."""
        return next(iter(self.find_all(tag)), None)

    def find_all(self, tag: str) -> list["Element"]:
        """Return all children of a name."""
        return [child for child in self.children if child.tag == tag]

    def value(self, tag: str) -> str:
        """Return the text of the first child of a name; UserError if there is none."""
        child = self.find(tag)
        if child is None or not child.text.strip():
            raise UserError(
                f"{self.where}: <{self.tag}> must hold a <{tag}>, got none; add it or remove the"
                " object"
            )
        return child.text.strip()

    def number(self, tag: str) -> float:
        """Return the number in the first child of a name; UserError if there is none."""
        return self._number(self.value(tag), f"<{tag}>")

    def attribute(self, name: str) -> str:
        """Return an attribute; UserError if there is none."""
        if name not in self.attributes:
            raise UserError(
                f"{self.where}: <{self.tag}> must have the attribute {name}, got none; correct the"
                " file"
            )
        return self.attributes[name]

    def attribute_number(self, name: str, default: float | None = None) -> float:
        """Return an attribute's number; UserError if it is missing and `default` is None."""
        if default is not None and name not in self.attributes:
            return default
        return self._number(self.attribute(name), name)

    def _number(self, text: str, name: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not abs(number) < float("inf"):
            raise UserError(
                f"{self.where}: {name} must be a number, got {text!r}; correct the file"
            )
        return number


def parse_xml(path: Path) -> Element:
    """Parse a file and return its root element.

    Raises UserError naming the line that is not XML. Also for a file that declares entities: no
    annotation tool writes them, and they can grow without end.
    """
    top = Element("", str(path))
    stack = [top]
    parts: list[list[str]] = [[]]
    parser = expat.ParserCreate("utf-8")

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, f"{path}:{parser.CurrentLineNumber}", attributes)
        stack[-1].children.append(element)
        stack.append(element)
        parts.append([])

    def end(_tag: str) -> None:
        stack.pop().text = "".join(parts.pop())

    def refuse_entity(name: str, *_: object) -> None:
        raise UserError(
            f"{path}:{parser.CurrentLineNumber}: must declare no entities, got {name!r}; write the"
            " texts themselves"
        )

    parser.StartElementHandler = start
    parser.CharacterDataHandler = lambda characters: parts[-1].append(characters)
    parser.EndElementHandler = end
    parser.EntityDeclHandler = refuse_entity
    try:
        parser.Parse(_as_utf8(path), True)
    except OSError as error:
        raise UserError(f"annotations must be an XML file, cannot read {path}: {error}") from error
    except expat.ExpatError as error:
        raise UserError(
            f"{path}:{error.lineno}: not XML: {expat.ErrorString(error.code)}; correct the file"
        ) from error
    return top.children[0]


def _as_utf8(path: Path) -> bytes:
    """Convert the text to UTF-8 from its declared encoding; expat knows only a few encodings.

    Raises UserError for an encoding that is unknown or not the file's.
    """
    content = read_file(path)
    declared = _ENCODING.match(content)
    name = "utf-16" if content[:2] in _UTF16 else "utf-8-sig"
    if declared is not None:
        name = declared["name"].decode("ascii")
    try:
        text = content.decode("utf-8-sig" if name.lower() in ("utf-8", "utf8") else name)
    except (LookupError, UnicodeError) as error:
        raise UserError(
            f"{path}: must be text of its encoding {name}, got: {error}; save it as UTF-8"
        ) from error
    return text.encode(errors="surrogatepass")
