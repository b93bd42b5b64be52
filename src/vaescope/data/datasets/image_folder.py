"""A folder of pictures."""

from typing import ClassVar, final

from vaescope.data.dataset import DATASETS
from vaescope.data.stored import Stored


@DATASETS.register
@final
class ImageFolder(Stored):
    """The pictures below a folder, or in a zip file, in the order of their names; decoded as they are needed.

    `load_dataset("image_folder", path=...)` lists them; what it takes besides is told in
    `vaescope.data.readers.image_folder`. Where they lie in sub-folders these are a factor.

    References:
        Pillow, which reads them. https://pillow.readthedocs.io/en/stable/handbook/image-file-formats.html
    """

    name: ClassVar[str] = "image_folder"
