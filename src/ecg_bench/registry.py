"""A name on the command line is a file name.

`names("ecg_bench.records")` lists the modules of that package that can be named; `load` imports one.
A package keeps its nouns (`record`, `leads`, ...) out of the list by naming them in `NOUNS`.
"""

import difflib
import pkgutil
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType


def names(package: str) -> list[str]:
    """The modules of `package` that a user can name, sorted."""
    home = import_module(package)
    nouns = getattr(home, "NOUNS", ())
    return sorted(m.name for m in pkgutil.iter_modules(home.__path__) if m.name not in nouns)


def load(package: str, name: str, *, kind: str) -> ModuleType:
    """Import the module called `name`; `kind` ("dataset", "metric", ...) words the error.

    Raises:
        ValueError: no such module; the message suggests the nearest names.
    """
    check(name, names(package), kind=kind)
    return import_module(f"{package}.{name}")


def check(name: str, allowed: Iterable[str], *, kind: str) -> None:
    """Raise ValueError with a suggestion when `name` is not one of `allowed`."""
    allowed = sorted(allowed)
    if name in allowed:
        return
    near = difflib.get_close_matches(name.lower().replace("-", "_"), allowed, n=2, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(allowed)}")
