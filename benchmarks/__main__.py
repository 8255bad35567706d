"""``python -m benchmarks [NAME …]``: run the named measurements, or all of them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HELPERS = {"__init__", "__main__", "machine", "make_crimes", "pandas_fill"}


def names() -> list[str]:
    """Return the measurements: every file here that is not a helper."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in HELPERS)


def main(arguments: list[str]) -> int:
    """Run one measurement with its options, or all with none; return the worst exit status."""
    known = names()
    if arguments and arguments[0] not in known:
        print(f"unknown benchmark {arguments[0]!r}\nHint: one of {', '.join(known)}.", file=sys.stderr)
        return 2
    chosen, options = ([arguments[0]], arguments[1:]) if arguments else (known, [])
    worst = 0
    for name in chosen:
        print(f"\n## {name}", flush=True)
        worst = max(worst, importlib.import_module(f"benchmarks.{name}").main(options))
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
