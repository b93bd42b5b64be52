"""The exceptions users catch; each knows the exit code of the command line."""

from typing import ClassVar


class VaescopeError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code: ClassVar[int] = 2


class UsageError(VaescopeError, ValueError):
    """What was asked for cannot be done: a study file, an option, a name, a folder."""


class RepresentationError(VaescopeError, ValueError):
    """A representation has no answer to the question asked of it.

    Attributes:
        reason: why, as one of the codes the similarity store keeps: "shape_mismatch", "too_few", "non_finite",
            "zero_variance", "unsupported_type".
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type["RepresentationError"], tuple[str, str]]:
        return type(self), (str(self), self.reason)


class CorruptArtifact(VaescopeError):
    """A file is not what its manifest or checksum says it is."""

    exit_code: ClassVar[int] = 3


class ResourceError(VaescopeError):
    """The machine cannot do it: disk full, no permission, no memory."""

    exit_code: ClassVar[int] = 4


class Interrupted(KeyboardInterrupt):
    """A stop was asked for; what was done is kept and the same command continues."""

    exit_code: ClassVar[int] = 130
