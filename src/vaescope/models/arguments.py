"""How a batch goes into a model: a dict as keywords, the first of a tuple, anything else as it is."""

from collections.abc import Mapping
from inspect import Parameter, signature
from typing import Any

from torch import nn

from vaescope.data.batch import described
from vaescope.errors import UsageError

SPREAD = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def called(model: nn.Module, batch: Any) -> Any:
    """What a model returns for a batch.

    A dict goes in as those keywords that `forward` names, as what a tokeniser gives goes into a transformer; or whole,
    where it names none of them and takes one argument. Of a tuple or list, as (images, labels), the first goes in.

    Raises:
        UsageError: `forward` needs what the batch has not.
    """
    if isinstance(batch, tuple | list):
        if not batch:
            raise UsageError("data: expected batches with an input in them, got an empty tuple.")
        return called(model, batch[0])
    if not isinstance(batch, Mapping):
        return model(batch)
    parameters = signature(model.forward).parameters
    named = {name: p for name, p in parameters.items() if p.kind not in SPREAD}
    required = [name for name, p in named.items() if p.default is Parameter.empty]
    given = {key: value for key, value in batch.items() if key in named}
    if not given and not required:
        takes_all = any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())
        return model(**batch) if takes_all else model(batch)
    if not given and len(required) == 1:
        return model(batch)
    missing = [name for name in required if name not in given]
    if missing:
        raise UsageError(
            f"data: forward{takes(model)} needs {', '.join(missing)}, got {described(batch)}. Rename the keys, or say "
            "what a pass is with forward=lambda model, batch: ..."
        )
    return model(**given)


def takes(model: nn.Module) -> str:
    """What `forward` takes, as written: "(x, mask)"."""
    return f"({', '.join(signature(model.forward).parameters)})"
