"""Minibatch CKA as a metric of torchmetrics, which then synchronises it between processes."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from vaescope.errors import UsageError
from vaescope.stats.streaming.estimator import StreamingCKA
from vaescope.stats.streaming.result import StreamingResult, result_of
from vaescope.stats.streaming.sums import no_sums

if TYPE_CHECKING:
    import torchmetrics


def streaming_cka_metric(
    x_layers: Sequence[str] = ("x",), y_layers: Sequence[str] | None = ("y",), **options: Any
) -> "torchmetrics.Metric":
    """`StreamingCKA` as a `torchmetrics.Metric`: forward, reset, sync between processes, MetricCollection, clone.

    `update(x, y)` takes one batch as `StreamingCKA.update`; `compute()` gives the scores, float64 (a, b), or a scalar
    for one pair of layers, NaN where there is none; `result()` gives the `StreamingResult` with errors, reasons and
    warnings, of this process alone unless states are synchronised (`metric.sync_context()`).

    Its states are sums in float64, so that it cannot live on devices without float64 (MPS). They have no room for
    examples: where `StreamingCKA` lets a batch of fewer than four wait, it is left out here, counted, and told.

    Args:
        x_layers: the names of the layers of x, or "x" for an array; they must be known before the first batch.
        y_layers: those of y; None compares the layers of x with one another.
        options: of `torchmetrics.Metric`, e.g. `sync_on_compute`.

    Raises:
        UsageError: torchmetrics is not installed.

    References:
        Nguyen, Raghu & Kornblith (2021), Do wide and deep networks learn the same things? https://arxiv.org/abs/2010.15327
    """
    return _metric_class()(tuple(x_layers), None if y_layers is None else tuple(y_layers), **options)


def __getattr__(name: str) -> Any:
    """The class, where pickle looks for it."""
    if name == "StreamingCKAMetric":
        return _metric_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _metric_class() -> type:
    try:
        import torch
        from torchmetrics import Metric
        from torchmetrics.utilities import rank_zero_warn
    except ImportError as error:
        raise UsageError(
            f"the metric needs torchmetrics, which cannot be imported ({error}). Install it with "
            "`pip install vaescope[torchmetrics]`, or use vaescope.StreamingCKA, which needs nothing."
        ) from None

    class StreamingCKAMetric(Metric):
        """See `streaming_cka_metric`."""

        is_differentiable = False
        higher_is_better = True
        full_state_update = False
        plot_lower_bound = -1.0
        plot_upper_bound = 1.0

        def __init__(self, x_layers: tuple[str, ...], y_layers: tuple[str, ...] | None, **options: Any) -> None:
            super().__init__(**options)
            self.x_layers, self.y_layers = x_layers, y_layers
            for name, zeros in no_sums(len(x_layers), len(x_layers if y_layers is None else y_layers)).items():
                self.add_state(f"sum_{name}", torch.from_numpy(zeros), dist_reduce_fx="sum")
            self.add_state("left_out", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

        def update(self, x: object, y: object = None) -> None:
            """Add one batch; see `StreamingCKA.update`.

            Raises:
                RepresentationError: as `StreamingCKA.update`.
                UsageError: other layers than the metric was made for.
            """
            batch = StreamingCKA()
            batch.update(x, y)
            state = batch.state()
            names = tuple(str(name) for name in state["layers_x"])
            others = None if y is None else tuple(str(name) for name in state["layers_y"])
            if (names, others) != (self.x_layers, self.y_layers):
                raise UsageError(
                    f"expected the layers {self.x_layers} and {self.y_layers} that the metric was made for, got "
                    f"{names} and {others}, in this order. Name them in streaming_cka_metric(x_layers, y_layers)."
                )
            for name in no_sums(0, 0):
                key = f"sum_{name}"
                setattr(self, key, getattr(self, key) + torch.from_numpy(state[key]).to(self.device))
            self.left_out = self.left_out + (len(state["waiting_0"]) if "waiting_0" in state else 0)

        def compute(self) -> torch.Tensor:
            """The scores, (a, b), or a scalar for one pair."""
            result = self.result()
            if result.left_out:
                rank_zero_warn(next(w for w in result.warnings if w.startswith(f"{result.left_out} ")), UserWarning)
            scores = torch.from_numpy(result.scores).to(self.device)
            return scores.squeeze() if scores.numel() == 1 else scores

        def result(self) -> StreamingResult:
            """Scores with standard errors, reasons and warnings."""
            sums = {name: getattr(self, f"sum_{name}").cpu().numpy() for name in no_sums(0, 0)}
            others = self.x_layers if self.y_layers is None else self.y_layers
            return result_of(sums, self.x_layers, others, int(self.left_out))

    StreamingCKAMetric.__qualname__ = "StreamingCKAMetric"
    return StreamingCKAMetric
