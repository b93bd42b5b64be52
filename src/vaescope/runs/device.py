"""Where training computes: the device that was asked for, how it is set, and how tensors get there."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor

from vaescope.errors import UsageError

LOOK_EVERY = 10  # steps a device other than the CPU computes before its losses are fetched, which makes it wait


def chosen(device: str) -> str:
    """The device a name stands for: "auto" is the first CUDA device, or the CPU where there is none.

    Args:
        device: "auto", "cpu", "cuda", "cuda:1" and so on, or "mps".

    Raises:
        UsageError: there is no such device here; the message says which there are.
    """
    there = available()
    if device == "auto":
        return "cuda" if "cuda" in there else "cpu"
    if re.fullmatch(r"cuda:\d+", device):
        device = f"cuda:{int(device.removeprefix('cuda:'))}"
    if device not in there:
        fix = "Use auto to take a GPU where there is one."
        if device.startswith("cuda") and "cuda" not in there:
            fix = (
                "No NVIDIA driver was found by this build of PyTorch."
                if torch.version.cuda
                else f"This build of PyTorch ({torch.__version__}) is without CUDA: see https://pytorch.org/get-started."
            )
        raise UsageError(f"device: expected auto or one of {', '.join(there)}, got {device!r}. {fix}")
    return device


def available() -> tuple[str, ...]:
    """The names of the devices of this machine."""
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return (
        "cpu",
        *(["cuda"] if cuda else []),
        *(f"cuda:{k}" for k in range(cuda)),
        *(["mps"] if torch.backends.mps.is_available() else []),
    )


def settle(device: torch.device, precision: str) -> None:
    """Set CUDA to give float32 all its digits and the same ones each time; mixed precision may take TF32.

    These settings are the process's. Nothing is set for other devices.
    """
    if device.type == "cuda":
        _set(tf32=precision == "mixed", deterministic=True, benchmark=False)


def _set(tf32: bool, deterministic: bool, benchmark: bool) -> None:
    cudnn = cast(Any, torch.backends.cudnn)
    torch.backends.cuda.matmul.allow_tf32 = cudnn.allow_tf32 = tf32
    cudnn.deterministic, cudnn.benchmark = deterministic, benchmark


@contextmanager
def settings_kept() -> Iterator[None]:
    """Give torch back afterwards the settings of CUDA it has now."""
    cuda, cudnn = torch.backends.cuda.matmul, cast(Any, torch.backends.cudnn)
    matmul, before = cuda.allow_tf32, (cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark)
    try:
        yield
    finally:
        cuda.allow_tf32 = matmul
        cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = before


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on the device; to CUDA without waiting for it, from memory that cannot be swapped out."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def steps_between_looks(device: torch.device) -> int:
    """How many steps to take before asking whether the losses are numbers: on the CPU asking costs nothing."""
    return 1 if device.type == "cpu" else LOOK_EVERY


def free_bytes(device: torch.device) -> int:
    """Memory that could be had on a CUDA device now; 0 for others, whose memory is the machine's."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
