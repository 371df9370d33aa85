"""Errors a user can cause. Every message says what was wrong, what was expected and the remedy."""

from __future__ import annotations

from enum import Enum


class DeaotError(Exception):
    """Base of every error that this package raises on purpose."""


class ImageError(DeaotError, ValueError):
    """An image that cannot be tracked (wrong shape, dtype or size)."""


class MaskErrorCode(str, Enum):
    """Why a target mask was refused; the names are those of ``TrackerStatus``."""

    BAD_SIZE = "BAD_SIZE"
    BAD_ENCODING = "BAD_ENCODING"
    EMPTY = "EMPTY"
    TOO_MANY_OBJECTS = "TOO_MANY_OBJECTS"
    FRAME_NOT_FOUND = "FRAME_NOT_FOUND"
    BAD_ID = "BAD_ID"


class MaskError(DeaotError, ValueError):
    """A target mask, or an object id, that was refused. No track is changed by it."""

    def __init__(self, code: MaskErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class CheckpointError(DeaotError, ValueError):
    """A weights file that is missing, damaged or made for another network."""


class VariantError(DeaotError, ValueError):
    """A network variant that does not exist."""


class ConfigError(DeaotError, ValueError):
    """A configuration file or value that cannot be used."""


class DatasetError(DeaotError, ValueError):
    """A data set whose folders or files are missing, damaged or contradict each other."""


class DeviceError(DeaotError, RuntimeError):
    """A device, backend or precision that this machine cannot give."""


class ExportError(DeaotError, RuntimeError):
    """A graph that cannot be made here, or that is not what it should be."""


class NotFiniteError(DeaotError, ArithmeticError):
    """The network gave NaN or Inf."""


class NotStartedError(DeaotError, RuntimeError):
    """A call that needs a running session before ``start`` was called."""
