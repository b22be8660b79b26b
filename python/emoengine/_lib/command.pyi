"""The emoengine command line."""

from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """
    Runs the command line on arguments, of which the first is the program's name. Gives the exit code.
    """
