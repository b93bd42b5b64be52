"""Which layers are meant: by name, glob, regex, type, module or predicate, or several of these."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from vaescope.errors import UsageError
from vaescope.models.calls import Call
from vaescope.models.hearing import Heard, output_name
from vaescope.registry import suggestion

Selector = str | re.Pattern[str] | type[nn.Module] | nn.Module | Callable[[str, nn.Module], bool]
Selection = Selector | Iterable[Selector] | None

PARTS = re.compile(r"(?P<path>.*?)(?:\.call(?P<count>\d+))?(?P<way>(?:\[[^\]]*\])*)")
NEVER_CALLED = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
WRAPPING = re.compile(r"(?:^|(?<=\.))(?:module|_orig_mod)\.")
SHOWN = 6


@dataclass(frozen=True)
class Rule:
    """One of the things that were asked for.

    Attributes:
        said: it, for messages.
        picks: whether a tensor that was heard is meant.
        paths: the modules that are meant, as far as that is known before a pass.
        exact: whether it names one layer.
        alias: the name that was asked for where the layer is known by another one, as a module in two places is.
    """

    said: str
    picks: Callable[[Heard], bool]
    paths: tuple[str, ...] = ()
    exact: bool = False
    alias: str = ""


def rules(
    selection: Selection, names: Mapping[str, nn.Module], paths: Mapping[nn.Module, str], others: Mapping[str, str]
) -> list[Rule]:
    """What is asked for, as far as it can be told without a pass; [] for None: what `picked` takes by default.

    Args:
        selection: a selector or several.
        names: every dotted path -> its module, without wrappers; a module may have several.
        paths: module -> the first of these.
        others: names that are no modules -> what they are: "parameter", "buffer".

    Raises:
        UsageError: a selector is of no known kind, or no module has the name.
    """
    if selection is None:
        return []
    several = isinstance(selection, Iterable) and not isinstance(selection, str | nn.Module | type)
    given = list(selection) if several else [selection]  # type: ignore[arg-type]
    if not given:
        raise UsageError("layers: expected at least one layer, got an empty list. Leave it out for all of them.")
    return [_rule(selector, names, paths, others) for selector in given]


def picked(asked: Sequence[Rule], heard: Sequence[Heard], n: int, names: Mapping[str, nn.Module]) -> dict[str, Heard]:
    """Name -> the layers that are meant, in the order of the data.

    By default, those of modules that call no others, without those that only pass on or reshape what they are given.

    Args:
        asked: see `rules`.
        heard: all that was given in a pass.
        n: how many examples were passed.
        names: every dotted path -> its module.

    Raises:
        UsageError: something that was asked for gives nothing: it is not called, or gives no row for each example.
    """
    usable = [h for h in heard if h.has_rows(n) and h.dtype.is_floating_point]
    if not asked:
        found = [h for h in usable if h.innermost and not h.unchanged] or [h for h in usable if h.call == Call()]
        if not found:
            raise UsageError(f"layers: no module gives one row of numbers for each of {n} examples.{_given(heard)}")
        return {h.name: h for h in found}
    chosen: dict[int, list[str]] = {}
    for rule in asked:
        hits = [i for i, h in enumerate(heard) if rule.picks(h)]
        good = [i for i in hits if heard[i] in usable]
        if not good and rule.exact:
            good = [i for i in hits if heard[i].has_rows(n) and not heard[i].dtype.is_complex]
        if not good:
            raise UsageError(_nothing(rule, [heard[i] for i in hits], heard, n, names))
        for i in good:
            name = rule.alias + heard[i].name.removeprefix(heard[i].call.path) if rule.alias else heard[i].name
            chosen.setdefault(i, [])
            chosen[i] += [name] * (name not in chosen[i])
    return {name: heard[i] for i in sorted(chosen) for name in chosen[i]}


def _rule(
    selector: Any, names: Mapping[str, nn.Module], paths: Mapping[nn.Module, str], others: Mapping[str, str]
) -> Rule:
    if isinstance(selector, str):
        return _named(selector, names, paths, others)
    if isinstance(selector, re.Pattern):
        pattern = selector
        if not isinstance(pattern.pattern, str):
            raise UsageError(f"layers: expected a regex of text, got {pattern.pattern!r}.")
        return _matching(f"the regex {pattern.pattern!r}", lambda name: bool(pattern.fullmatch(name)), names, paths)
    if isinstance(selector, nn.Module):
        if selector not in paths:
            raise UsageError(f"layers: the module {type(selector).__name__} is no part of the model.")
        return _of_paths(f"the module {paths[selector]!r}", [paths[selector]])
    if isinstance(selector, type):
        if not issubclass(selector, nn.Module):
            raise UsageError(f"layers: expected a class of modules, e.g. nn.Conv2d, got {selector.__name__}.")
        said = f"the type {selector.__name__}"
        meant = [path for module, path in paths.items() if isinstance(module, selector)]
        kinds = sorted({type(module).__name__ for module in paths})
        if not meant:
            near = suggestion(selector.__name__, kinds)
            raise UsageError(f"layers: no module is of {said}; there are {', '.join(kinds)}.{near}")
        return _of_paths(said, meant)
    if callable(selector):
        said = f"the predicate {getattr(selector, '__name__', 'given')}"
        try:
            meant = [path for module, path in paths.items() if selector(path, module)]
        except Exception as error:
            raise UsageError(
                f"layers: expected {said} to take (name, module) and say whether it is meant; it raised "
                f"{type(error).__name__}: {error}"
            ) from error
        if not meant:
            raise UsageError(f"layers: {said} takes none of the {len(paths)} modules: {_some(list(names))}.")
        return _of_paths(said, meant)
    raise UsageError(
        "layers: expected names, globs, compiled regexes, module types, modules or predicates (name, module), got "
        f"{selector!r}."
    )


def _named(
    said: str, names: Mapping[str, nn.Module], paths: Mapping[nn.Module, str], others: Mapping[str, str]
) -> Rule:
    """A name, or a glob."""
    output = output_name(names)
    for name in dict.fromkeys((said, WRAPPING.sub("", said))):
        if rule := _exact(said, name, names, paths, output):
            return rule
    if any(sign in said for sign in "*?["):
        return _matching(f"the glob {said!r}", lambda name: fnmatchcase(name, said), names, paths)
    known = [name for name in names if name]
    if said in others or WRAPPING.sub("", said) in others:
        name = said if said in others else WRAPPING.sub("", said)
        holder = name.rpartition(".")[0]
        while holder and holder not in names:
            holder = holder.rpartition(".")[0]
        near = f" Did you mean {holder!r}?" if holder else f" Did you mean {output!r}, what the model gives?"
        raise UsageError(
            f"layers: {said!r} is a {others[name]}, not a module: its values do not depend on the data.{near}"
        )
    raise UsageError(f"layers: no module is called {said!r}; there are {_some(known)}.{_near(said, [*known, output])}")


def _exact(
    said: str, name: str, names: Mapping[str, nn.Module], paths: Mapping[nn.Module, str], output: str
) -> Rule | None:
    """The layer of that name, or all that the first call of the module gives; None if no module has it."""
    match = PARTS.fullmatch(name)
    path, count, way = (name, None, "") if match is None or name in names else match.group("path", "count", "way")
    if path == output and count is None:
        whole = f"{output}{way}" if way else ""
        return Rule(repr(said), lambda h: h.call == Call() and whole in ("", h.name), exact=True)
    if path not in names or not path:
        return None
    first = paths[names[path]]
    call = Call(first, int(count or 1))
    again = f".call{count}" if count else ""
    meant = f"{first}{again}{way}" if way else ""
    alias = "" if first == path else path
    return Rule(repr(said), lambda h: h.call == call and meant in ("", h.name), (first,), True, alias)


def _matching(
    said: str, matches: Callable[[str], bool], names: Mapping[str, nn.Module], paths: Mapping[nn.Module, str]
) -> Rule:
    meant = tuple(path for path in paths.values() if path and matches(path))
    return Rule(said, lambda h: h.call.path in meant or matches(h.name), meant)


def _of_paths(said: str, meant: Sequence[str]) -> Rule:
    return Rule(said, lambda h: h.call.path in meant, tuple(meant))


def _nothing(rule: Rule, hits: Sequence[Heard], heard: Sequence[Heard], n: int, names: Mapping[str, nn.Module]) -> str:
    """Why something that was asked for gives nothing."""
    if hits:
        shown = "; ".join(f"{h.name}: {h.shape} of {str(h.dtype).removeprefix('torch.')}" for h in hits[:SHOWN])
        order = ""
        if any(len(h.shape) > 1 and h.shape[1] == n for h in hits):
            order = (
                " Its second axis is that of the examples: make the module with batch_first=True, or take a layer that "
                "follows."
            )
        return f"layers: {rule.said}: expected one row of numbers for each of {n} examples, got {shown}.{order}"
    called = list(dict.fromkeys(h.call.path for h in heard if h.call.path))
    if not rule.paths:
        plain = re.sub(r"[^\w.]", "", rule.said.split(" ")[-1])
        whole = " A regex has to match the whole name." if "regex" in rule.said else ""
        return (
            f"layers: {rule.said} matches no layer; there are {_some([h.name for h in heard])}.{whole}"
            f"{_near(plain, [h.name for h in heard])}"
        )
    if all(isinstance(names[path], NEVER_CALLED) for path in rule.paths):
        inside = [c for c in called if any(c.startswith(path + ".") for path in rule.paths)]
        why = f"a {type(names[rule.paths[0]]).__name__} is not called itself; what is in it is: {_some(inside)}"
        return f"layers: {rule.said} gives nothing: {why}."
    shown = _some([path or "the model" for path in rule.paths])
    inside = [c for c in called if any(c.startswith(path + ".") for path in rule.paths)]
    near = f" In it were called {_some(inside)}." if inside else _near(rule.paths[0], called)
    return (
        f"layers: {rule.said} gives nothing: the hook never fired, since a pass did not call {shown}. A hook hears "
        f"m(x), not m.forward(x), nor functions that take its weights; called were {_some(called)}.{near} Or say with "
        "forward=(model, batch) what a pass is."
    )


def _given(heard: Sequence[Heard]) -> str:
    return f" They give {_some([f'{h.name} {h.shape}' for h in heard])}." if heard else " None is called."


def _near(said: str, known: list[str]) -> str:
    """A suggestion; of names that end alike where none is near as a whole."""
    found = suggestion(said, known)
    ends = [k for k in known if k.endswith(f".{said}") or k.startswith(f"{said}.")]
    return found or (f" Did you mean {ends[0]!r}?" if ends else "")


def _some(names: Sequence[str]) -> str:
    shown = [name for name in names if name]
    more = f", ... ({len(shown)} in all)" if len(shown) > SHOWN else ""
    return (", ".join(shown[:SHOWN]) or "none") + more
