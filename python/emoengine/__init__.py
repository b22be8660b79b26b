"""Makes a photographed face wear the emotion of a voice.

    engine = emoengine.Engine()
    result = engine.run("photo.jpg", "voice.wav")
    emoengine.write_picture("out.png", result.image)

Log lines of the engine go to logging.getLogger("emoengine").
"""

from ._arrays import Face
from ._engine import (
    Animation,
    Emotion,
    Engine,
    Reading,
    Result,
    Voice,
    read_picture,
    read_sound,
    write_picture,
)
from ._lib import core as _core
from ._tables import AuTable
from .errors import (
    ArgumentError,
    BusyError,
    CancelledError,
    DeadlineError,
    DeviceError,
    Error,
    InputError,
    InternalError,
    ModelError,
    OutOfMemoryError,
)

__version__ = _core.version()
__all__ = [
    "Animation",
    "ArgumentError",
    "AuTable",
    "BusyError",
    "CancelledError",
    "DeadlineError",
    "DeviceError",
    "Emotion",
    "Engine",
    "Error",
    "Face",
    "InputError",
    "InternalError",
    "ModelError",
    "OutOfMemoryError",
    "Reading",
    "Result",
    "Voice",
    "read_picture",
    "read_sound",
    "write_picture",
]
