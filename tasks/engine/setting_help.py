"""Settings as text for `--help`: name, value, type and meaning. Imports no torch."""

import ast
import dataclasses
import inspect
import itertools
import sys
import textwrap
from typing import TYPE_CHECKING

from tasks.engine.setting_types import expected, field_types, section_type

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def describe(config: "DataclassInstance", prefix: str = "") -> str:
    """Describe every setting: its value in `config`, its type and the text below its declaration.

    A section that is null is shown with its own defaults.
    """
    documents = field_documents(type(config))
    lines: list[str] = []
    sections: list[str] = []
    for name, hint in field_types(type(config)).items():
        value = getattr(config, name)
        section = section_type(hint)
        if section is None:
            lines.append(f"  {prefix}{name} = {show(value)}  ({expected(hint)})")
            lines.append(_indented(documents[name]))
            continue
        note = "" if value is not None else " (null unless one of these is set)"
        below = describe(section() if value is None else value, f"{prefix}{name}.")
        sections.append(f"\n{prefix}{name}: {documents[name]}{note}\n{below}")
    return "\n".join(lines + sections).lstrip("\n")


def field_documents(cls: type) -> dict[str, str]:
    """Read the string below each field's declaration, including base classes.

    They come from the source files; an installed package has these too.
    """
    documents: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(owner):
            continue
        for node, below in itertools.pairwise(_class_body(owner)):
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
                continue
            if isinstance(below, ast.Expr):
                text = str(ast.literal_eval(below.value))
                documents[node.target.id] = " ".join(text.split())
    return documents


def show(value: object) -> str:
    """Write a value as one types it on the command line."""
    if isinstance(value, tuple):
        return f"[{','.join(show(item) for item in value)}]"
    if isinstance(value, float):
        return f"{value:.6g}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _class_body(cls: type) -> list[ast.stmt]:
    tree = ast.parse(inspect.getsource(sys.modules[cls.__module__]))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            return node.body
    raise AssertionError(f"{cls.__name__} is not in the source of {cls.__module__}")


def _indented(text: str) -> str:
    return textwrap.fill(text, 100, initial_indent=" " * 6, subsequent_indent=" " * 6)
