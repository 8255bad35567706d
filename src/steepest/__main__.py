"""``python -m steepest`` and ``steepest``: the command line, also when it is interrupted while it is being loaded."""

import sys


def main() -> int:
    """Run the command line and return its exit status."""
    try:
        from steepest.cli import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
