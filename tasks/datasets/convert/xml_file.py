"""XML files whose elements know their line, for errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from resnet_backbones.errors import UserError


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
        """Return the text of the first child of a name; UserError where there is none."""
        child = self.find(tag)
        if child is None or not child.text.strip():
            raise UserError(
                f"{self.where}: <{self.tag}> must hold a <{tag}>, got none; add it or remove the"
                " object"
            )
        return child.text.strip()

    def number(self, tag: str) -> float:
        """Return the number in the first child of a name; UserError where there is none."""
        return self._number(self.value(tag), f"<{tag}>")

    def attribute(self, name: str) -> str:
        """Return an attribute; UserError where there is none."""
        if name not in self.attributes:
            raise UserError(
                f"{self.where}: <{self.tag}> must have the attribute {name}, got none; correct the"
                " file"
            )
        return self.attributes[name]

    def attribute_number(self, name: str, default: float | None = None) -> float:
        """Return an attribute's number; UserError where it has none and `default` is None."""
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
    """Parse a file and return its root element; UserError naming the line that is no XML."""
    top = Element("", str(path))
    stack = [top]
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, f"{path}:{parser.CurrentLineNumber}", attributes)
        stack[-1].children.append(element)
        stack.append(element)

    def text(characters: str) -> None:
        stack[-1].text += characters

    parser.StartElementHandler = start
    parser.CharacterDataHandler = text
    parser.EndElementHandler = lambda _tag: stack.pop()
    try:
        parser.Parse(path.read_bytes(), True)
    except OSError as error:
        raise UserError(f"annotations must be an XML file, cannot read {path}: {error}") from error
    except expat.ExpatError as error:
        raise UserError(
            f"{path}:{error.lineno}: not XML: {expat.ErrorString(error.code)}; correct the file"
        ) from error
    return top.children[0]
