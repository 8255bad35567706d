"""``python -m steepest`` and ``steepest``: the command line, also if it is interrupted while it loads."""

import sys

from steepest.collector import collect_rarely, leave_to_the_system
from steepest.interrupts import exit_in_imports
from steepest.waiting import wait_passively


def main() -> int:
    """Run the command line and return its exit status."""
    exit_in_imports()
    collect_rarely()
    wait_passively()
    try:
        from steepest.cli import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    finally:
        leave_to_the_system()


if __name__ == "__main__":
    sys.exit(main())
