"""Read a study: a YAML file or a built-in one, checked against everything it names before anything starts."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from inspect import signature
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.tokens import AliasToken, FlowMappingStartToken, FlowSequenceStartToken

from vaescope.data.load import dataset_options
from vaescope.errors import ResourceError, UsageError
from vaescope.models.network import NETWORKS
from vaescope.models.objective import OBJECTIVES
from vaescope.models.reconstruction import RECONSTRUCTIONS
from vaescope.registry import suggestion
from vaescope.runs.study import Choice, Study

MAX_BYTES = 1 << 20
MAX_DEPTH = 50
SHOWN = 4
BUILT_IN = files("vaescope.runs") / "studies"

EXPECTED = {
    "missing": "missing, and has no default",
    "extra_forbidden": "unknown key",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "string_type": "expected a text",
    "list_type": "expected a list",
    "dict_type": "expected a mapping of keys to values",
    "model_type": "expected a mapping of keys to values",
    "bool_type": "expected true or false",
    "finite_number": "expected a finite number",
    "too_short": "expected at least one",
    "string_too_short": "expected a text that is not empty",
}


def built_in_studies() -> dict[str, str]:
    """Names of the studies that come with vaescope, and the first sentence about each."""
    found = {}
    for entry in sorted(BUILT_IN.iterdir(), key=lambda e: e.name.removesuffix(".yaml")):
        if entry.name.endswith(".yaml"):
            text = entry.read_text("utf-8").split("\nname:")[0].replace("\n# ", " ").removeprefix("# ")
            found[entry.name.removesuffix(".yaml")] = re.split(r"(?<=[a-z0-9])\. ", text)[0].rstrip(".") + "."
    return found


def read_study(source: str | Path | Study, overrides: Sequence[str] = ()) -> Study:
    """The study of a file or of that built-in name, with every default filled in.

    Args:
        source: a YAML file, the name of a built-in study, or a `Study`, which is checked and returned.
        overrides: "key=value" texts, dotted keys and YAML values: "steps=2000", "optimiser.lr=1e-4".

    Raises:
        UsageError: the file is missing, is no YAML, or says something a study cannot say; with the path of each key.
    """
    if not isinstance(source, str | Path | Study):
        raise UsageError(f"expected a study file, the name of a built-in study or a Study, got {source!r}.")
    if isinstance(source, Study):
        return checked(source.dumped(), overrides, source.name)
    label, text = _text(source)
    value = parse(text, label)
    if not isinstance(value, dict):
        raise UsageError(f"{label}: expected a mapping of keys to values, got {_kind(value)}. See `docs/study.md`.")
    return checked(value, overrides, label)


def _text(source: str | Path) -> tuple[str, str]:
    path = Path(source)
    known = built_in_studies()
    if isinstance(source, str) and source in known:
        return source, (BUILT_IN / f"{source}.yaml").read_text("utf-8")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(
                f"{path}: a study file has at most {MAX_BYTES:,} bytes, this one has {path.stat().st_size:,}."
            )
        return str(path), path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        hint = suggestion(str(source), [*known])
        raise UsageError(
            f"no study file {str(source)!r}, and no built-in study of that name; built in: {', '.join(known)}.{hint}"
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: expected a YAML file in UTF-8, got other bytes at {error.start}.") from None
    except IsADirectoryError:
        if (path / "study.json").exists():
            raise UsageError(
                f"{path} is the folder of a study that was begun; expected a study file. To continue it, give "
                f"`vaescope train {path}`, then `compare {path}` and `report {path}`."
            ) from None
        raise UsageError(f"{path} is a folder; expected a study file.") from None
    except OSError as error:
        raise ResourceError(f"{path}: cannot be read: {error.strerror}.") from None


def parse(text: str, label: str) -> Any:
    """Plain data from YAML 1.2; aliases, deep nesting, double keys and tags are refused.

    Aliases are refused before anything is composed, so that a small file cannot grow into a large one.
    """
    try:
        depth = 0
        for token in YAML(typ="safe", pure=True).scan(StringIO(text)):
            if isinstance(token, AliasToken):
                raise UsageError(f"{label}: YAML aliases (*{token.value}) are not supported; write the value out.")
            opens = isinstance(token, FlowMappingStartToken | FlowSequenceStartToken)
            name = type(token).__name__
            depth += opens or name in ("BlockMappingStartToken", "BlockSequenceStartToken")
            depth -= name in ("BlockEndToken", "FlowMappingEndToken", "FlowSequenceEndToken")
            if depth > MAX_DEPTH:
                raise UsageError(f"{label}: nested deeper than {MAX_DEPTH} levels.")
        return YAML(typ="safe", pure=True).load(text)
    except UsageError:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" line {mark.line + 1}, column {mark.column + 1}:" if mark is not None else ""
        problem = " ".join(str(error.problem or error.context or "cannot be read").split())
        raise UsageError(f"{label}:{where} not valid YAML: {problem}.") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{label}: not valid YAML: {str(error).splitlines()[0]}.") from None


def checked(value: Mapping[str, Any], overrides: Sequence[str], label: str) -> Study:
    """A study from plain data, after the overrides; all that is wrong is told at once, with the path of each key."""
    raw = dict(value)
    for text in overrides:
        _override(raw, text)
    try:
        study = Study.model_validate(raw)
    except ValidationError as error:
        problems = [_problem(cast("dict[str, Any]", e)) for e in error.errors() if _concerns(e["loc"], raw)]
        raise UsageError(_told(label, problems)) from None
    problems: list[str] = []
    objectives = {
        name: _options(OBJECTIVES, f"objectives.{name}", name, options, problems)
        for name, options in study.objectives.items()
    }
    chosen = study.reconstruction
    options = _options(RECONSTRUCTIONS, "reconstruction", chosen.name, dict(chosen.options), problems)
    reconstruction = chosen.model_copy(update={"options": options})
    for position, choice in enumerate(study.datasets):
        _choice(f"datasets[{position}]", choice, dataset_options, problems)
    for position, choice in enumerate(study.networks):
        _choice(f"networks[{position}]", choice, _network_options, problems)
    if problems:
        raise UsageError(_told(label, problems))
    coerced = study.model_copy(update={"objectives": objectives, "reconstruction": reconstruction}).dumped()
    try:
        return Study.model_validate(coerced)  # again, since 1 and 1.0 are one strength once both are numbers
    except ValidationError as error:
        raise UsageError(_told(label, [_problem(cast("dict[str, Any]", e)) for e in error.errors()])) from None


def _override(raw: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(
            f"--set {text!r}: expected key=value, for example --set steps=2000 or --set optimiser.lr=1e-4."
        )
    *path, last = key.strip().split(".")
    place = raw
    for word in path:
        inner = place.get(word)
        if inner is not None and not isinstance(inner, dict):
            raise UsageError(f"--set {text!r}: {word!r} has no keys of its own, it is {inner!r}.")
        place[word] = dict(inner or {})
        place = place[word]
    place[last] = parse(value, f"--set {text!r}")


def _options(
    registry: Mapping[str, type], place: str, name: str, options: Mapping[str, Any], problems: list[str]
) -> dict[str, Any]:
    """The options of a member in the types it declares; what is wrong is added to `problems`."""
    done: dict[str, Any] = {}
    try:
        member = registry[name]
    except UsageError as error:
        problems.append(f"{place}: {error}")
        return done
    hints = get_type_hints(member)
    fields = {f.name: f for f in dataclasses.fields(cast(Any, member)) if f.init}
    told = len(problems)
    for key, given in options.items():
        path = f"{place}.{key}"
        if key not in fields:
            takes = ", ".join(fields) or "no options"
            problems.append(f"{path}: unknown key; {name} takes {takes}.{suggestion(key, [*fields])}")
            continue
        values = given if isinstance(given, list) else [given]
        if not values:
            problems.append(f"{path}: expected at least one value, got an empty list")
        ready = []
        for value in values:
            try:
                ready.append(TypeAdapter(hints[key]).validate_python(value, strict=True))
            except ValidationError as error:
                problem = error.errors()[0]
                expected = EXPECTED.get(problem["type"], problem["msg"].replace("Input should be", "expected"))
                problems.append(f"{path}: {expected}, got {value!r}")
        done[key] = ready if isinstance(given, list) else (ready or [given])[0]
    wanting = [key for key, of in fields.items() if key not in options and _has_no_default(of)]
    problems += [f"{place}.{key}: missing, and has no default" for key in wanting]
    if len(problems) == told:
        problems += _refused(member, place, done)
    return done


def _has_no_default(option: dataclasses.Field[Any]) -> bool:
    return option.default is dataclasses.MISSING and option.default_factory is dataclasses.MISSING


def _refused(member: type, place: str, options: Mapping[str, Any]) -> list[str]:
    """What a member says against its options: against one value, or values that do not go together."""
    found: dict[str, str] = {}
    for values in product(*(v if isinstance(v, list) else [v] for v in options.values())):
        combination = dict(zip(options, values, strict=True))
        if (said := _said(member, combination)) is None or said in found:
            continue
        alone = [key for key, value in combination.items() if _said(member, {key: value}) == said]
        found[said] = f"{place}.{alone[0]}" if len(alone) == 1 else place
    return [f"{where}: {said}" for said, where in found.items()]


def _said(member: type, options: Mapping[str, Any]) -> str | None:
    """What it says against these options; None where it takes them."""
    try:
        member(**options)
    except (UsageError, ValueError, TypeError) as error:
        return str(error)
    return None


def _choice(path: str, choice: Choice, takes: Callable[[str], Sequence[str]], problems: list[str]) -> None:
    try:
        known = takes(choice.name)
    except UsageError as error:
        problems.append(f"{path}: {error}")
        return
    for key in choice.options:
        if key not in known and ANY not in known:
            listed = ", ".join(known) or "no options"
            problems.append(f"{path}.{key}: unknown key; {choice.name} takes {listed}.{suggestion(key, [*known])}")


def _network_options(name: str) -> Sequence[str]:
    taken = signature(NETWORKS[name]).parameters.values()
    return [ANY if p.kind is p.VAR_KEYWORD else p.name for p in taken if p.name not in ("image_shape", "latents")]


ANY = "**"  # stands for any option, of a network that takes whatever it is given
UNIONS = {"seeds": "a whole number or a list of them", "snapshots": "{schedule, count} or a list of steps"}


def _concerns(where: tuple[int | str, ...], raw: Mapping[str, Any]) -> bool:
    """Whether an error belongs to the form that was meant, where a key may be a list or something else."""
    if where and where[0] in UNIONS and len(where) > 1 and isinstance(raw[str(where[0])], list | Mapping):
        return isinstance(raw[str(where[0])], list) == str(where[1]).startswith("list[")
    return True


def _problem(error: dict[str, Any]) -> str:
    """One line for one of pydantic's errors: path, what was expected, what came, a suggestion."""
    words = [w for n, w in enumerate(error["loc"]) if not (n == 1 and error["loc"][0] in UNIONS)]
    if words[:1] == ["objectives"] and len(words) > 3:
        return f"{'.'.join(map(str, words[:3]))}: expected a finite value or a list of them, got {error['input']!r}"
    path = "".join(f"[{w}]" if isinstance(w, int) else f".{w}" for w in words).lstrip(".")
    if error["type"] == "extra_forbidden":
        owner = Study
        for word in words[:-1]:
            owner = _owner(owner, word)
        known = [*owner.model_fields]
        return f"{path}: unknown key; known: {', '.join(known)}.{suggestion(str(words[-1]), known)}"
    if error["type"] == "missing":
        return f"{path}: {EXPECTED['missing']}"
    if error["type"] == "value_error":
        return error["msg"].removeprefix("Value error, ")
    expected = EXPECTED.get(error["type"], error["msg"].replace("Input should be", "expected"))
    if len(words) == 1 and words[0] in UNIONS:
        expected = f"expected {UNIONS[words[0]]}"
    return f"{path}: {expected}, got {error['input']!r}"


def _owner(owner: type[BaseModel], word: str | int) -> type[BaseModel]:
    """The model that has the keys below `word` of `owner`; free keys, as a measure's name, lead to `owner` itself."""
    if word not in owner.model_fields:
        return owner
    found = [owner.model_fields[str(word)].annotation]
    for annotation in found:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        found.extend(get_args(annotation))
    return owner


def _told(label: str, problems: Sequence[str]) -> str:
    unique = list(dict.fromkeys(problems))
    more = [f"and {len(unique) - SHOWN} more"] if len(unique) > SHOWN else []
    lines = [f"{label}: {p}" for p in unique[:SHOWN]]
    return "\n".join(lines + more)


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
