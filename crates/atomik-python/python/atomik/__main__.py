"""`python -m atomik`: the command line."""

import sys

from . import _atomik


def main() -> None:
    """Runs the command of this process's arguments, and ends with its status."""
    import signal

    # The command stops at Ctrl-C as the program does, not with Python's traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_atomik.run_cli(["atomik", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
