"""Task heads trained on backbone features, and the engine that trains them.

    from tasks import evaluate, load, train

Nothing is imported before it is used: torch takes seconds.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.cli.api import evaluate, load, train

__all__ = ["evaluate", "load", "train"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from tasks.cli import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
