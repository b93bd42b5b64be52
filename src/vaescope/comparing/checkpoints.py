"""Weights in files: .safetensors, their shards and folders; pickles only where someone vouches for them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vaescope.errors import CorruptArtifact, ResourceError, UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

INDEX: Final = ".safetensors.index.json"
PICKLES: Final = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".tar")
USUAL: Final = ("module.", "_orig_mod.", "model.", "net.")
"""What DataParallel, torch.compile and Lightning modules put before the names of the weights."""

_NESTED: Final = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params")
_UNIMPORTANT: Final = "num_batches_tracked"
_SHOWN: Final = 3

# torch is imported where weights are read: the command line's help needs none.


def filled(
    model: "nn.Module", weights: "str | Path | Mapping[str, Tensor]", trust_pickle: bool = False, name: str = "model"
) -> "tuple[nn.Module, tuple[str, ...]]":
    """A copy of a model with other weights, in evaluation mode, and what one should know of how they were found.

    Args:
        model: the model the weights belong to; it stays as it is.
        weights: a file or folder (see `read_weights`), or name -> tensor.
        trust_pickle: whether pickles are opened.
        name: what messages call the model.

    Raises:
        UsageError, CorruptArtifact, ResourceError: see `read_weights`; the weights are those of another model.
    """
    import torch

    where = str(weights) if isinstance(weights, str | Path) else f"the weights given for {name}"
    if isinstance(weights, str | Path) and hasattr(type(model), "from_pretrained"):
        folder = Path(weights).expanduser()
        if folder.is_dir() and (folder / "config.json").is_file():
            return _pretrained(model, folder)
    found = read_weights(weights, trust_pickle) if isinstance(weights, str | Path) else dict(weights)
    copy = deepcopy(model)
    fitting, notes = fitted(found, copy, where, type(model).__name__)
    broken = [k for k, w in fitting.items() if w.is_floating_point() and not bool(torch.isfinite(w.float()).all())]
    if broken:
        notes += (f"{where}: {len(broken):,} tensor(s) hold values that are not finite, e.g. {broken[0]}.",)
    with torch.no_grad():
        copy.load_state_dict(fitting, strict=False)
    return copy.eval(), notes


def _pretrained(model: Any, folder: Path) -> "tuple[nn.Module, tuple[str, ...]]":
    """A copy of a model of Hugging Face's libraries with the weights of a folder.

    They rename weights between versions, so they read them themselves; what they would draw anew is refused.
    """
    from vaescope.models.randomness import borrowed

    kind = type(model)
    _in_folder(folder)  # tells of a folder without weights, or with pickles alone
    try:
        with borrowed(()):
            read, said = kind.from_pretrained(
                str(folder), output_loading_info=True, local_files_only=True, use_safetensors=True
            )
    except Exception as error:
        told = " ".join(str(error).split())[:300]
        raise CorruptArtifact(f"{folder}: {kind.__name__} cannot read it: {type(error).__name__}: {told}") from error
    copy = deepcopy(model)
    drawn = {str(k) for k in said.get("missing_keys", ())}
    weights = {k: w for k, w in read.state_dict().items() if k not in drawn}
    left = [k for k in said.get("unexpected_keys", ()) if k]
    wanted = copy.state_dict()
    fitting, _ = fitted({k: w for k, w in weights.items() if k in wanted}, copy, str(folder), kind.__name__)
    copy.load_state_dict(fitting, strict=False)
    note = f"{folder}: {len(left):,} weights outside the {kind.__name__} were left out: {some(map(str, left))}."
    return copy.eval(), (note,) if left else ()


def read_weights(path: str | Path, trust_pickle: bool = False) -> "dict[str, Tensor]":
    """Name -> tensor, on the CPU, from a file or from a folder as Hugging Face libraries save it.

    Args:
        path: a .safetensors; the .safetensors.index.json of several; a folder with either; or, where pickles are
            trusted, what torch.save wrote, also of Lightning.
        trust_pickle: whether pickles are opened: opening one can run any code that is in it.

    Raises:
        UsageError: no such file, another kind of file, or a pickle that nobody vouches for.
        CorruptArtifact: damaged, or a shard is missing.
        ResourceError: it cannot be read.
    """
    file = Path(path).expanduser()
    if file.is_dir():
        file = _in_folder(file)
    if not file.exists():
        raise UsageError(f"{file}: expected a file of weights, got none there. Check the path.")
    if file.name.endswith(INDEX):
        return _shards(file)
    if file.suffix.lower() == ".safetensors":
        return _safetensors(file)
    if file.suffix.lower() not in PICKLES:
        raise UsageError(
            f"{file}: expected weights (.safetensors, {INDEX}, a folder with one of them, or {', '.join(PICKLES)}), "
            f"got {file.suffix or 'a name without ending'!r}."
        )
    if not trust_pickle:
        raise UsageError(
            f"{file} is a pickle: opening one can run any code that is in it. Convert it where you trust it, "
            "`safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')`, or, if you trust whoever made "
            "it, give --trust-pickle (in Python trust_pickle=True)."
        )
    return _tensors_in(_unpickled(file), file)


def _in_folder(folder: Path) -> Path:
    """The file of weights in a folder."""
    for pattern in (f"*{INDEX}", "*.safetensors"):
        found = sorted(folder.glob(pattern))
        usual = [f for f in found if f.name.startswith(("model.", "diffusion_pytorch_model."))]
        if len(found) == 1 or len(usual) == 1:
            return (usual or found)[0]
        if found:
            raise UsageError(
                f"{folder}: expected one file of weights, got {len(found)}: {some(f.name for f in found)}. Name one."
            )
    others = sorted(f.name for f in folder.iterdir() if f.suffix in PICKLES) if folder.is_dir() else []
    hint = f" It has pickles: {some(others)}; name one if you trust it." if others else ""
    raise UsageError(f"{folder}: expected .safetensors or a .safetensors.index.json in this folder, got none.{hint}")


def _shards(index: Path) -> "dict[str, Tensor]":
    """The weights that an index says lie in files beside it."""
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = sorted(set(places.values()))
        sound = all(isinstance(f, str) and f == Path(f).name and f not in ("", "..") for f in files)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CorruptArtifact(f"{index}: expected an index with a `weight_map`, got something else.") from None
    except OSError as error:
        raise ResourceError(f"{index}: cannot be read: {error.strerror}.") from None
    if not sound:
        raise CorruptArtifact(f"{index}: expected names of files beside it, got {some(map(str, files))}.")
    missing = [f for f in files if not (index.parent / f).is_file()]
    if missing:
        raise CorruptArtifact(
            f"{index}: {len(missing)} of {len(files)} shards are missing: {some(missing)}. Copy or download them."
        )
    found: dict[str, Tensor] = {}
    for file in files:
        found |= {k: w for k, w in _safetensors(index.parent / file).items() if places.get(k) == file}
    if len(found) < len(places):
        raise CorruptArtifact(
            f"{index}: {len(places) - len(found):,} tensors are not in the shards they should be in: "
            f"{some(k for k in places if k not in found)}."
        )
    return found


def _safetensors(path: Path) -> "dict[str, Tensor]":
    from safetensors import SafetensorError
    from safetensors.torch import load_file as read_file

    try:
        return read_file(path)
    except SafetensorError as error:
        raise CorruptArtifact(f"{path}: no .safetensors, or a damaged one: {error}. Copy it again.") from error
    except MemoryError as error:
        raise ResourceError(f"{path}: there is no memory for it.") from error
    except OSError as error:
        raise ResourceError(f"{path}: cannot be read: {error.strerror or error}.") from error


def _unpickled(path: Path) -> Any:
    """What torch.save wrote: the only place where a pickle is opened, once someone vouched for it.

    Raises:
        CorruptArtifact: it cannot be opened.
    """
    import torch

    try:
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception:  # it holds more than tensors, as Lightning's do
            return torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # a pickle may raise anything
        said = " ".join(str(error).split())[:300]
        hint = (
            " Its classes must be importable: run this in the folder of the code that saved it."
            if isinstance(error, ImportError | AttributeError)
            else " Copy it again, or save it anew with torch.save(model.state_dict(), path)."
        )
        raise CorruptArtifact(f"{path}: cannot be opened: {type(error).__name__}: {said}.{hint}") from error


def _tensors_in(found: Any, path: Path) -> "dict[str, Tensor]":
    """The weights in what was unpickled: a state dict, a module, or one of them under a usual name."""
    import torch

    seen = found
    for _ in range(3):
        if isinstance(seen, torch.nn.Module):
            seen = seen.state_dict()
        if not isinstance(seen, Mapping):
            break
        tensors = {str(k): w for k, w in seen.items() if isinstance(w, torch.Tensor)}
        inner = next((seen[k] for k in _NESTED if isinstance(seen.get(k), Mapping | torch.nn.Module)), None)
        if tensors and (inner is None or len(tensors) > len(seen) // 2):
            return tensors
        if inner is None:
            break
        seen = inner
    got = f"a dict with {some(map(str, found))}" if isinstance(found, Mapping) else f"a {type(found).__name__}"
    raise UsageError(f"{path}: expected the weights of a model (name -> tensor), got {got}. Save model.state_dict().")


def fitted(
    weights: "Mapping[str, Tensor]", model: "nn.Module", where: str, kind: str
) -> "tuple[dict[str, Tensor], tuple[str, ...]]":
    """The weights under the names the model has for them, and what had to be done for that.

    A prefix that all of the model's weights have in the file is taken off where they then fit: the `USUAL` ones, or any
    other where only one fits.

    Raises:
        UsageError: weights are missing, unexpected or of another shape; with counts and examples.
    """
    target = model.state_dict()
    needed = [k for k in target if not k.endswith(_UNIMPORTANT)]
    plain = {k.replace("_orig_mod.", ""): k for k in target}  # of a model that is compiled now
    named = {k.replace("_orig_mod.", ""): w for k, w in weights.items()}
    wanted = [k.replace("_orig_mod.", "") for k in needed]
    prefix = _prefix(list(named), wanted, where)
    found = {k.removeprefix(prefix): w for k, w in named.items() if k.startswith(prefix)}
    outside = [k for k in named if not k.startswith(prefix)]
    tied = _tied(model)
    missing = [k for k in wanted if k not in found and not any(t in found for t in tied.get(k, ()))]
    unexpected = [k for k in found if k not in plain]
    other = [k for k in wanted if k in found and found[k].shape != target[plain[k]].shape]
    if missing or unexpected or other:
        lines = [f"{where}: these are not the weights of a {kind}."]
        if missing:
            lines.append(f"{len(missing):,} of {len(wanted):,} are missing: {some(missing)}.")
        if unexpected:
            lines.append(f"{len(unexpected):,} have no place in it: {some(unexpected)}.")
        if other:
            shapes = (f"{k} {tuple(found[k].shape)} for {tuple(target[plain[k]].shape)}" for k in other)
            lines.append(f"{len(other):,} have another shape: {some(shapes)}.")
        if missing and hasattr(type(model), "from_pretrained") and not Path(where).is_dir():
            lines.append("Hugging Face's libraries rename weights: give the folder that save_pretrained wrote.")
        raise UsageError(" ".join([*lines, "Give the model they were trained with, with the same options."]))
    notes = ()
    if not _only_usual(prefix):
        notes += (f"{where}: the weights of the {kind} were found under {prefix!r}.",)
    if outside:
        notes += (f"{where}: {len(outside):,} weights outside the {kind} were left out: {some(outside)}.",)
    return {plain[k]: w for k, w in found.items()}, notes


def _prefix(there: Sequence[str], wanted: Sequence[str], where: str) -> str:
    """What stands before the names in the file: the longest match wins, among equals the usual prefixes."""
    if not wanted or not there:
        return ""
    known = set(there)
    tails = {name: name for name in wanted}
    found: dict[str, int] = {"": sum(name in known for name in wanted)}
    probes = [wanted[0], wanted[len(wanted) // 2], wanted[-1]]
    for name in there:
        for probe in probes:
            if name.endswith(f".{probe}"):
                found.setdefault(name.removesuffix(probe), 0)
    for prefix in found:
        found[prefix] = sum(prefix + name in known for name in tails)
    most = max(found.values())
    best = [prefix for prefix, count in found.items() if count == most]
    usual = [p for p in best if not p or _only_usual(p)]
    if usual:
        return min(usual, key=len)
    if len(best) > 1 and most == len(wanted):
        raise UsageError(f"{where}: the weights fit under more than one name: {some(best)}. Save the one you mean.")
    return best[0]


def _only_usual(prefix: str) -> bool:
    while prefix:
        first = next((p for p in USUAL if prefix.startswith(p)), None)
        if first is None:
            return False
        prefix = prefix.removeprefix(first)
    return True


def _tied(model: "nn.Module") -> dict[str, set[str]]:
    """Name of a weight -> the names of those that are the same tensor: files keep one of them."""
    groups: dict[tuple[int, int, tuple[int, ...]], set[str]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if tensor.numel():
            key = (tensor.data_ptr(), tensor.storage_offset(), tuple(tensor.shape))
            groups.setdefault(key, set()).add(name.replace("_orig_mod.", ""))
    return {name: group for group in groups.values() if len(group) > 1 for name in group}


def some(names: Iterable[str], shown: int = _SHOWN) -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
