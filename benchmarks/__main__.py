"""``python -m benchmarks [NAME …] [--size SIZE] [--json FILE] [--plot DIRECTORY]``."""

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import plots
from .frame import REGISTRY, SHORT_SET, SIZES, Result, benchmark, line


def main() -> None:
    """Run some benchmarks, and print a table of their ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = ", ".join(REGISTRY)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {names}; none: {', '.join(SHORT_SET)}")
    parser.add_argument("--size", choices=SIZES, default="short")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append one line for each")
    parser.add_argument("--plot", type=Path, metavar="DIRECTORY", help="a PNG for what grows with something")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in REGISTRY]:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {names}")
    if options.plot and (missing := plots.missing()):
        parser.error(missing)
    console = Console()
    results = {}
    for name in options.names or SHORT_SET:
        console.print(f"[bold]{name}[/bold]: {benchmark(name).QUESTION}")
        results[name] = result = benchmark(name).measure(options.size)
        found = json.dumps(line(name, options.size, result))
        if options.json:
            with options.json.open("a", encoding="utf-8") as file:
                print(found, file=file)
        console.print(_table(result))
        if options.plot:
            for picture in plots.draw(name, result, options.plot):
                console.print(f"{picture}")


def _table(result: Result) -> Table:
    table = Table("", "ratio", box=None)
    for key, value in result.ratio.items():
        table.add_row(key, f"{value:.2f}")
    for key, value in result.figures.items():
        table.add_row(f"[dim]{key}", f"[dim]{value}")
    return table


if __name__ == "__main__":
    main()
