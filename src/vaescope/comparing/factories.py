"""Models from the user's own code, named on the command line: `pkg.module:function` or `path/to/file.py:function`."""

import sys
import traceback
from collections.abc import Callable
from importlib import import_module, invalidate_caches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from vaescope.errors import UsageError
from vaescope.registry import suggestion

if TYPE_CHECKING:
    from torch import nn

OPTION = "--model"


def model_from(text: str, option: str = OPTION) -> "nn.Module":
    """The model that a function without arguments makes; a class, or a model itself, will do too.

    Args:
        text: "pkg.module:function" or "path/to/file.py:function". Modules of the current folder are importable.
        option: what messages call it.

    Raises:
        UsageError: there is no such module or function, it needs arguments, it fails, or what it gives is no model.
    """
    from torch import nn

    place, colon, path = text.rpartition(":")
    if not colon or not place or not path:
        raise UsageError(
            f"{option}: expected pkg.module:function or path/to/file.py:function, got {text!r}. The function takes no "
            "arguments and gives the model."
        )
    found: Any = _imported(place, option)
    for name in path.split("."):
        if not hasattr(found, name):
            known = [k for k, v in vars(found).items() if callable(v) and not k.startswith("_")]
            raise UsageError(f"{option}: {place} has no {path!r}.{suggestion(name, known)}")
        found = getattr(found, name)
    made = found
    if not isinstance(found, nn.Module):
        if not callable(found):
            raise UsageError(f"{option}: expected {text} to be a function, got {_kind(found)}.")
        made = _told(found, option, f"{text} could not be called without arguments")
    if not isinstance(made, nn.Module):
        raise UsageError(f"{option}: expected {text} to give a torch.nn.Module, got {_kind(made)}.")
    return made


def _imported(place: str, option: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    invalidate_caches()
    if not place.endswith(".py"):
        if not all(part.isidentifier() for part in place.split(".")):
            raise UsageError(f"{option}: expected the name of a module or a .py file, got {place!r}.")
        return _told(lambda: import_module(place), option, f"{place} could not be imported")
    file = Path(place).expanduser().resolve()
    if not file.is_file():
        raise UsageError(f"{option}: {place}: expected a Python file, got none there. Check the path.")
    spec = spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{option}: {place} is no Python file.")
    module = module_from_spec(spec)
    loader = spec.loader
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))  # so that it finds the files beside it
    sys.modules.setdefault(file.stem, module)  # dataclasses and pickles look their module up
    _told(lambda: loader.exec_module(module), option, f"{place} could not be run")
    return module


def _told(call: Callable[[], Any], option: str, what: str) -> Any:
    """What a call gives; whatever goes wrong in the user's code becomes one line with its place."""
    try:
        return call()
    except (Exception, SystemExit) as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
        own = [f for f in frames if not f.filename.startswith("<") and "/importlib/" not in f.filename]
        at = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
        if isinstance(error, SyntaxError):
            at = f" ({error.filename}, line {error.lineno})"
        said = " ".join(str(error).split())[:300]
        raise UsageError(f"{option}: {what}: {type(error).__name__}: {said}{at}") from error


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
