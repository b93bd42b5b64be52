"""Small files in the formats in which the datasets were published, and what is in them; and fields to lie in."""

import gzip
import io
import struct
import tarfile
import zipfile

import numpy as np
from scipy.io import savemat

from vaescope.data.official import OFFICIAL
from vaescope.progress import Progress

SPLITS = ("training", "testing")


class Recorder(Progress):
    """Keeps what it is told; stops the work after so many checks."""

    def __init__(self, stop_after=None, stop=KeyboardInterrupt):
        self.stages, self.done, self.checks, self.stop_after, self.stop = [], [], 0, stop_after, stop

    def stage(self, name, total):
        self.stages.append((name, total))
        self.done.append(0)

    def advance(self, count=1, note=""):
        self.done[-1] += count

    def check(self):
        self.checks += 1
        if self.stop_after is not None and self.checks > self.stop_after:
            raise self.stop


class Imagined:
    """Pixels of any number of images that nobody stored: each one has its index in it."""

    def __init__(self, shape):
        self.shape, self.dtype = shape, np.dtype(np.uint8)

    def take(self, indices):
        images = np.zeros((len(indices), *self.shape[1:]), np.uint8)
        for image, index in zip(images, indices, strict=True):
            image.reshape(-1)[:4] = list(int(index).to_bytes(4, "little"))
        return images

    @staticmethod
    def index_of(image):
        """From a channel-first float image back to its index; the four bytes lie along channels, then columns."""
        flat = np.rint(image.transpose(1, 2, 0).reshape(-1)[:4] * 255).astype(int)
        return int.from_bytes(bytes(flat.tolist()), "little")


def grid(sizes):
    """All combinations in order, the last factor changing fastest, one by one."""
    rows = [()]
    for size in sizes:
        rows = [(*row, value) for row in rows for value in range(size)]
    return np.array(rows)


# smallNORB


def matrix(array, magic=None, dimensions=None, sizes=None):
    """A matrix in smallNORB's format; what its header says can be given."""
    kinds = {"uint8": 0x1E3D4C55, "int32": 0x1E3D4C54}
    magic = kinds[array.dtype.name] if magic is None else magic
    sizes = list(array.shape) if sizes is None else list(sizes)
    dimensions = array.ndim if dimensions is None else dimensions
    sizes += [1] * (3 - len(sizes))
    return struct.pack(f"<II{len(sizes)}i", magic, dimensions, *sizes) + array.tobytes()


def norb_tables(sizes, seed=0):
    """Classes of the training and testing examples, shuffled as in the official files: instances are split."""
    rng = np.random.default_rng(seed)
    training = rng.permutation(sizes[1])[: sizes[1] // 2]
    table = rng.permutation(grid(sizes))
    first = np.isin(table[:, 1], training)
    return table[first].astype(np.int32), table[~first].astype(np.int32)


def norb_name(split, kind):
    digits = {"training": "46789", "testing": "01235"}[split]
    return f"smallnorb-5x{digits}x9x18x6x2x96x96-{split}-{kind}.mat.gz"


def write_norb_classes(folder, tables):
    """The cat and info files; azimuths are stored as 0, 2, 4, …"""
    for split, table in zip(SPLITS, tables, strict=True):
        info = table[:, 1:].copy()
        info[:, 2] *= 2
        for kind, array in (("cat", table[:, 0].copy()), ("info", info)):
            (folder / norb_name(split, kind)).write_bytes(gzip.compress(matrix(array)))


def write_smallnorb(folder, sizes, seed=0):
    """All six files. Returns their paths in the catalogue's order, stereo pairs and classes in file order."""
    rng = np.random.default_rng(seed)
    tables = norb_tables(sizes, seed)
    write_norb_classes(folder, tables)
    pairs = []
    for split, table in zip(SPLITS, tables, strict=True):
        coarse = rng.integers(0, 256, (len(table), 2, 12, 12), np.uint8)
        pairs.append(coarse.repeat(8, axis=2).repeat(8, axis=3))
        (folder / norb_name(split, "dat")).write_bytes(gzip.compress(matrix(pairs[-1]), 1))
    return [folder / file.name for file in OFFICIAL["smallnorb"]], np.concatenate(pairs), np.concatenate(tables)


# Cars3D


def car(seed, sizes):
    """One car's views, (height, width, channel, azimuth, elevation) as stored."""
    elevations, azimuths, _ = sizes
    coarse = np.random.default_rng(seed).integers(0, 256, (16, 16, 3, azimuths, elevations), np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)


def mat(image, **options):
    """A MATLAB 5 file with the variables of the official ones."""
    file = io.BytesIO()
    savemat(file, {"im": image, "mask": np.zeros((4, 4), np.uint8)}, **{"do_compression": True, **options})
    return file.getvalue()


def member(name, content=b"", **fields):
    """A member of an archive: its header, whose fields can be given, and what follows it."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def tar(path, members, zipped=True):
    """An archive written header by header, so that sizes may lie."""
    file = io.BytesIO()
    for info, content in members:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.write(content + b"\0" * (-len(content) % 512))
    file.write(b"\0" * 10_240)
    path.write_bytes(gzip.compress(file.getvalue(), 1) if zipped else file.getvalue())
    return path


def car_members(sizes, numbers=None):
    """The members of the official archive, cars numbered with gaps and not in order."""
    numbers = [3 * k + 1 for k in range(sizes[-1])] if numbers is None else numbers
    cars = [member(f"data/cars/car_{n:03d}_mesh.mat", mat(car(n, sizes))) for n in numbers]
    return [
        member("data/", type=tarfile.DIRTYPE),
        member("data/cars/", type=tarfile.DIRTYPE),
        member("data/cars/list.txt", "\n".join(f"car_{n:03d}_mesh" for n in numbers).encode()),
        *cars[::-1],
        member("data/sprites/sprites_001.mat", b"not a car"),
        member("data/cars/._car_001_mesh.mat", b"left by a Mac"),
    ]


# 3D Shapes


def shapes_values(sizes):
    """Values as in the official labels: hues from 0 up, scales around 1, shapes counted, degrees around 0."""
    ranges = [(0, 0.9), (0, 0.9), (0, 0.9), (0.75, 1.25), (0, sizes[4] - 1), (-30, 30)]
    return tuple(tuple(np.linspace(*ends, size).tolist()) for ends, size in zip(ranges, sizes, strict=True))


def shapes_arrays(sizes, seed=0):
    """Images and labels."""
    rows = grid(sizes)
    labels = np.array([[v[k] for v, k in zip(shapes_values(sizes), row, strict=True)] for row in rows])
    coarse = np.random.default_rng(seed).integers(0, 256, (len(rows), 8, 8, 3), np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2), labels


# MPI3D


def npy(array, allow_pickle=False):
    """What np.save writes."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=allow_pickle)
    return file.getvalue()


def npz(path, members, compression=zipfile.ZIP_DEFLATED):
    """What np.savez_compressed, or np.savez, writes."""
    with zipfile.ZipFile(path, "w", compression, compresslevel=1) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


# MNIST


def idx(array, magic=None, sizes=None):
    """An array of bytes in MNIST's format; what its header says can be given."""
    magic = bytes([0, 0, 8, array.ndim]) if magic is None else magic
    sizes = array.shape if sizes is None else sizes
    return magic + struct.pack(f">{len(sizes)}I", *sizes) + array.tobytes()


def write_mnist(folder, images, labels, training):
    """The four files, the first `training` examples in those for training. Returns their paths."""
    for split, part in (("train", slice(None, training)), ("t10k", slice(training, None))):
        for kind, array, axes in (("images", images, 3), ("labels", labels, 1)):
            content = idx(np.ascontiguousarray(array[part]))
            (folder / f"{split}-{kind}-idx{axes}-ubyte.gz").write_bytes(gzip.compress(content, 1))
    return [folder / file.name for file in OFFICIAL["mnist"]]
