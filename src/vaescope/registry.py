"""Name -> class, for every family: one file and one decorator make a member.

A registry finds its members by itself the first time it is asked: it imports every module of its package, then the
entry points of the same group that other installed packages declare.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from threading import RLock
from typing import Any, TypeVar

from vaescope.errors import UsageError

T = TypeVar("T")
M = TypeVar("M")


def suggestion(word: str, known: list[str]) -> str:
    """The text " Did you mean 'x'?" for the nearest known word, whatever its case, else ""."""
    folded = {k.casefold(): k for k in known}
    close = get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    return f" Did you mean {folded[close[0]]!r}?" if close else ""


class Registry(Mapping[str, T]):
    """The members of one family by name; unknown names are told with the nearest known one.

    Args:
        kind: what a member is called in messages, e.g. "objective".
        package: the package whose modules hold the members, e.g. "vaescope.models".
        group: the entry-point group through which other packages add theirs, e.g. "vaescope.objectives".
    """

    def __init__(self, kind: str, package: str, group: str) -> None:
        self.kind = kind
        self.package = package
        self.group = group
        self._members: dict[str, T] = {}
        self._complete = False
        self._finding = RLock()
        self._importing = False

    def register(self, member: M) -> M:
        """Class decorator: add a member under its class variable `name`."""
        name = getattr(member, "name", None)
        if not isinstance(name, str) or not name.isidentifier():
            raise UsageError(
                f"{self.kind} {member!r}: expected a class variable `name` that is an identifier, got {name!r}."
            )
        if name in self._members:
            raise UsageError(f"{self.kind} {name!r} is registered twice: {self._members[name]!r} and {member!r}.")
        self._members[name] = member  # type: ignore[assignment]
        return member

    def _find(self) -> dict[str, T]:
        if not self._complete:
            with self._finding:  # other threads wait until all members are there; this one may look while it imports
                if not self._complete and not self._importing:
                    self._importing = True
                    try:
                        for module in iter_modules(import_module(self.package).__path__):
                            import_module(f"{self.package}.{module.name}")
                        for point in entry_points(group=self.group):
                            point.load()
                        self._complete = True
                    finally:
                        self._importing = False
        return self._members

    def __getitem__(self, name: object) -> T:
        members = self._find()
        if not isinstance(name, str):
            raise UsageError(
                f"expected the name of a {self.kind}, a text, got {name!r}; known: {', '.join(sorted(members))}."
            )
        if name not in members:
            known = sorted(members)
            raise UsageError(f"unknown {self.kind} {name!r}; known: {', '.join(known)}.{suggestion(name, known)}")
        return members[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The member of that name, else `default`."""
        return self._find().get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._find()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._find()))

    def __len__(self) -> int:
        return len(self._find())
