"""Name -> class, for every family: one file and one decorator make a member.

A registry finds its members by itself the first time it is asked: it imports every module of its package, then the
entry points of the same group that other installed packages declare.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from threading import RLock
from types import ModuleType
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
        adopt: makes a member of what an entry point names, given its name and that, where importing it registered
            nothing; None if it is none.
    """

    def __init__(
        self, kind: str, package: str, group: str, adopt: Callable[[str, Any], T | None] | None = None
    ) -> None:
        self.kind = kind
        self.package = package
        self.group = group
        self._adopt = adopt
        self._adopted: set[str] = set()
        self._members: dict[str, T] = {}
        self._lent: dict[str, T] = {}
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

    def _enter(self, point: Any) -> None:
        """What another package adds: registered as it is imported, or else adopted.

        Args:
            point: an `EntryPoint`: Python's own, or that of importlib_metadata where some package has loaded it.

        Raises:
            UsageError: it cannot be imported, or is nothing that could be a member.
        """
        package = "an installed package" if point.dist is None else f"the package {point.dist.name!r}"
        whose = f"{self.kind} {point.name!r} of {package}"
        try:
            found = point.load()
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(
                f"{whose}: {point.value} cannot be imported: {type(error).__name__}: {error}. Mend the package or "
                "uninstall it."
            ) from error
        if point.name in self._adopted or any(found is member for member in self._members.values()):
            return
        member = None if self._adopt is None else self._adopt(point.name, found)
        if member is not None:
            self.register(member)
            self._adopted.add(point.name)
        elif not isinstance(found, ModuleType):
            raise UsageError(
                f"{whose}: expected {point.value} to be a module or class with `@register`, got {found!r}. Mend the "
                "package or uninstall it."
            )

    def _find(self) -> dict[str, T]:
        if not self._complete:
            with self._finding:  # other threads wait until all members are there; this one may look while it imports
                if not self._complete and not self._importing:
                    self._importing = True
                    try:
                        for module in iter_modules(import_module(self.package).__path__):
                            import_module(f"{self.package}.{module.name}")
                        for point in entry_points(group=self.group):
                            self._enter(point)
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

    @contextmanager
    def lending(self, members: Mapping[str, T]) -> Iterator[None]:
        """Have these members as well meanwhile: what a caller passed from Python, which no other process has.

        Raises:
            UsageError: a name is no identifier, or taken.
        """
        known = self._find()
        for name in members:
            if not name.isidentifier() or name in known:
                why = "is taken" if name in known else "is no identifier"
                raise UsageError(f"{self.kind} {name!r}: the name {why}. Choose another one.")
        self._lent |= members
        known |= members
        try:
            yield
        finally:
            for name in members:
                del known[name], self._lent[name]

    def lent(self, name: str) -> T | None:
        """The member of that name if it is one that was lent, else None."""
        return self._lent.get(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The member of that name, else `default`."""
        return self._find().get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._find()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._find()))

    def __len__(self) -> int:
        return len(self._find())
