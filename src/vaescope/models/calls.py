"""Which modules of a network are called in a pass, and what each of them gives: found by forward hooks."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vaescope.errors import UsageError
from vaescope.models.network import UNCHANGED
from vaescope.models.passes import ROWS


@dataclass(frozen=True)
class Call:
    """One call of a module in a pass through a part of a network; by default, the pass itself.

    Attributes:
        path: of the module within the part, as `named_modules` gives it.
        count: 1 for its first call in a pass, 2 for its second; 0 for what the whole part returns.
    """

    path: str = ""
    count: int = 0


@dataclass
class Return:
    """A call that has come back.

    Attributes:
        call: which one.
        module: what was called.
        innermost: whether it called no other module.
        given: the first tensor among its arguments, None if there is none.
        version: of `given` when the call began; writing in place makes it a higher one. -1 where none is kept.
        output: whatever it returned.
    """

    call: Call
    module: nn.Module
    innermost: bool = True
    given: Tensor | None = None
    version: int = -1
    output: Any = None


@contextmanager
def listening(
    part: nn.Module, heard: Callable[[Return], None], paths: Mapping[nn.Module, str] | None = None
) -> Generator[list[Return], None, None]:
    """Tell of each call of `part` and of the modules in it as it returns, the inner ones first.

    Args:
        part: what is called.
        heard: told of each call as it returns.
        paths: which modules are listened to, and what they are called; all, as `named_modules` has them, if None.

    Yields:
        The calls under way, outermost first: after an error, the last is where it was.
    """
    open_: list[Return] = []
    counts: Counter[str] = Counter()
    if paths is None:
        paths = {module: path for path, module in part.named_modules()}

    def begins(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if open_:
            open_[-1].innermost = False
        path = paths[module]
        counts[path] += 1
        given = first_tensor((*args, *kwargs.values()))
        version = -1 if given is None or given.is_inference() else given._version
        open_.append(Return(Call(path, counts[path]), module, given=given, version=version))

    def ends(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        while open_[-1].module is not module:  # calls whose errors the network caught itself
            open_.pop()
        last = open_.pop()
        last.output = output
        heard(last)

    handles = [module.register_forward_pre_hook(begins, with_kwargs=True) for module in paths]
    handles += [module.register_forward_hook(ends, with_kwargs=True) for module in paths]
    try:
        yield open_
    finally:
        for handle in handles:
            handle.remove()


def first_tensor(value: Any) -> Tensor | None:
    """The tensor itself, or the first one in tuples, lists and mappings: what a recurrent layer calls its output."""
    if isinstance(value, Tensor):
        return value
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else ()
    return next((found for item in inner if (found := first_tensor(item)) is not None), None)


def only_reshapes(given: Tensor, version: int, value: Tensor) -> bool:
    """Whether `value` is `given`, perhaps in another shape, which was not written over since it had that version."""
    shared = given.untyped_storage().data_ptr() == value.untyped_storage().data_ptr()
    return shared and given.numel() == value.numel() and given._version == version


def flat(value: Tensor) -> Float[Tensor, "n p"]:
    """One row an example; maps in the order (h, w, c), as for the other networks."""
    ordered = value.permute(0, 2, 3, 1) if value.dim() == 4 else value
    return ordered.reshape(len(value), -1).float()


@dataclass
class Seen:
    """A call that gives a representation, and what it gave in the pass in which it was found.

    Attributes:
        name: of the layer.
        call: which call.
        module: what was called.
        value: what it gave.
        version: of `value` at that moment; a higher one later says that it was written over.
        same_as: the layer whose values these are too; "" for most.
    """

    name: str
    call: Call
    module: nn.Module | None
    value: Tensor
    version: int = field(init=False)
    same_as: str = ""

    def __post_init__(self) -> None:
        self.version = self.value._version

    def is_still(self, value: Tensor) -> bool:
        """Whether a tensor is this one, perhaps in another shape, not written over since."""
        mine, its = self.value.untyped_storage().data_ptr(), value.untyped_storage().data_ptr()
        return mine == its and self.value.numel() == value.numel() and self.version == value._version


class Tracing:
    """Hears a pass and keeps each innermost call that gives one row of numbers for each example.

    Args:
        part: "encoder" or "decoder", the first word of the names.
        source: the layer that goes in.
        value: what goes in, (n, ...).
    """

    def __init__(self, part: Literal["encoder", "decoder"], source: str, value: Tensor) -> None:
        self.part = part
        self.n = len(value)
        self.source = Seen(source, Call(), None, value)
        self.seen: list[Seen] = []

    def __call__(self, back: Return) -> None:
        value = first_tensor(back.output)
        if not back.innermost or value is None or not value.is_floating_point() or value.shape[:1] != (self.n,):
            return
        again = f".call{back.call.count}" if back.call.count > 1 else ""
        name = f"{self.part}.{back.call.path}".removesuffix(".") + again
        found = Seen(name, back.call, back.module, value)
        given = back.given
        if given is not None and (isinstance(back.module, UNCHANGED) or only_reshapes(given, back.version, value)):
            before = self.which(given)
            found.same_as = (before.same_as or before.name) if before else ""
        self.seen.append(found)

    def which(self, value: Tensor) -> Seen | None:
        """The last layer that has these values."""
        return next((seen for seen in (*reversed(self.seen), self.source) if seen.is_still(value)), None)


def capture(
    part: nn.Module,
    wanted: Mapping[str, tuple[Call, int]],
    value: Tensor,
    check: Callable[[], None],
    returned: Callable[[slice, Any], None],
) -> dict[str, Float[Tensor, "n p"]]:
    """What the wanted calls give for all examples, from one pass: copied as they return, before it is written over.

    Args:
        part: the module that is passed through.
        wanted: layer -> (its call, its width).
        value: all examples, (n, ...).
        check: called before each some of the examples; it may raise.
        returned: told which examples went through and what the part returned for them.

    Raises:
        UsageError: a wanted module is not called for every example, or gives another width than when it was found.
    """
    whole = {name: torch.empty(len(value), width) for name, (_, width) in wanted.items()}
    names = {call: name for name, (call, _) in wanted.items()}
    for start in range(0, len(value), ROWS):
        check()
        rows = slice(start, min(start + ROWS, len(value)))
        left = dict(names)

        def keep(call: Call, output: Any, rows: slice = rows, left: dict[Call, str] = left) -> None:
            name = left.pop(call, None)
            if name is None:
                return
            found = first_tensor(output)
            got = None if found is None else flat(found)
            if got is None or got.shape != whole[name][rows].shape:
                expected, came = tuple(whole[name][rows].shape), None if found is None else tuple(found.shape)
                raise UsageError(
                    f"layer {name}: expected {expected} once flattened, as for black images, got {came}. "
                    "A layer must have one width for all images."
                )
            whole[name][rows] = got

        with torch.inference_mode(), listening(part, lambda back, keep=keep: keep(back.call, back.output)):
            output = part(value[rows])
            keep(Call(), output)
        if left:
            raise UsageError(
                f"layer {', '.join(left.values())}: its module is called for black images and not for these. "
                "The same modules must be called for all images."
            )
        returned(rows, output)
    return whole


def groups(widths: Mapping[str, int], n: int, most: int) -> Iterator[list[str]]:
    """Layers in their order, as many together as have at most so many bytes, at least one."""
    group: list[str] = []
    held = 0
    for name, width in widths.items():
        if group and held + 4 * n * width > most:
            yield group
            group, held = [], 0
        group.append(name)
        held += 4 * n * width
    if group:
        yield group
