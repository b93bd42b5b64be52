"""A dataset of the Hugging Face library."""

from typing import ClassVar, final

from vaescope.data.dataset import DATASETS
from vaescope.data.stored import Stored


@DATASETS.register
@final
class HuggingFace(Stored):
    """The images of one split of a Hugging Face dataset, from the hub or a local folder; decoded as they are needed.

    `load_dataset("huggingface", repository=...)` or `path=` opens it; what it takes besides is told in
    `vaescope.data.readers.huggingface`.

    References:
        Lhoest et al. (2021), Datasets: A Community Library for Natural Language Processing.
        https://aclanthology.org/2021.emnlp-demo.21/
    """

    name: ClassVar[str] = "huggingface"
