"""Failures. The text is the engine's own sentence: where, what came, what is needed, what to do."""


class Error(RuntimeError):
    """Any failure of the engine; `status` is emoengine.h's EMO_... number."""

    status = 1


class InternalError(Error):
    """A defect of ours."""


class ArgumentError(Error, ValueError):
    """A value out of range, a wrong shape or dtype, an engine that is closed or was opened before a fork."""

    status = 2


class InputError(Error, ValueError):
    """A picture, a sound or an output file that cannot be used; the text names the file."""

    status = 3


class ModelError(Error):
    """A weight file that cannot be used."""

    status = 4


class DeviceError(Error):
    """A backend, a precision, a driver or a package that this machine lacks."""

    status = 5


class OutOfMemoryError(Error, MemoryError):
    """Too little memory."""

    status = 6


class BusyError(Error):
    """`max_queue` faces wait: try later."""

    status = 7


class CancelledError(Error):
    """Somebody called it off before it began."""

    status = 8


class DeadlineError(Error, TimeoutError):
    """`timeout` passed before the work began."""

    status = 9


_KINDS: tuple[type[Error], ...] = (
    InternalError,
    ArgumentError,
    InputError,
    ModelError,
    DeviceError,
    OutOfMemoryError,
    BusyError,
    CancelledError,
    DeadlineError,
)


def of(status: int) -> type[Error]:
    """The class for an EMO_... number."""
    return next((kind for kind in _KINDS if kind.status == status), InternalError)
