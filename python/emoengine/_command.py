"""The command `emoengine`: the same as a build's, but Pillow reads its pictures, and there are no videos or figures."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from . import _codec
from ._lib import command


def main() -> NoReturn:
    """Runs the command line on this process's arguments and exits."""
    for number in (signal.SIGINT, signal.SIGPIPE):  # Python's ways are not the command's
        signal.signal(number, signal.SIG_DFL)
    _codec.bring()
    sys.exit(command.main(["emoengine", *sys.argv[1:]]))
