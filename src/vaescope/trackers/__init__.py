"""Where numbers and answers go while training goes on: JSON lines, TensorBoard, W&B, MLflow, anything with a `log`."""

from vaescope.trackers.choosing import NAMES, guarded, tracker_of
from vaescope.trackers.files import JsonLines, TensorBoard
from vaescope.trackers.services import Metrics, Plain, WandbRun
from vaescope.trackers.tracker import Guarded, Tracker

__all__ = [
    "NAMES",
    "Guarded",
    "JsonLines",
    "Metrics",
    "Plain",
    "TensorBoard",
    "Tracker",
    "WandbRun",
    "guarded",
    "tracker_of",
]
