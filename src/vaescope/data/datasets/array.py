"""Any array of images in a file."""

from typing import ClassVar, final

from vaescope.data.dataset import DATASETS
from vaescope.data.stored import Stored


@DATASETS.register
@final
class Array(Stored):
    """The images of an .npy, .npz, HDF5 or Zarr array of the user's own, read as they are needed.

    `load_dataset("array", path=...)` opens the file; what it takes besides is told in `vaescope.data.readers.array`.

    References:
        NumPy's file formats. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
        HDF5. https://support.hdfgroup.org/documentation/hdf5/latest/
        Zarr, version 3. https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html
    """

    name: ClassVar[str] = "array"
