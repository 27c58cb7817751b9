"""Pictures of what grows: a PNG for each pair of axes of a result."""

import importlib.util
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from .frame import Result, Series


def missing() -> str | None:
    """What to do before anything can be drawn."""
    if importlib.util.find_spec("matplotlib") is None:
        return "--plot needs matplotlib; pip install 'rtms-engine[benchmarks]'"
    return None


def draw(name: str, result: Result, directory: Path) -> Iterator[Path]:
    """Draw the series of a result into ``directory``; yields the files."""
    from matplotlib.figure import Figure

    directory.mkdir(parents=True, exist_ok=True)
    by_axes: dict[tuple[str, str], list[Series]] = defaultdict(list)
    for series in result.series:
        by_axes[series.x, series.y].append(series)
    for number, ((x, y), lines) in enumerate(by_axes.items(), 1):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.subplots()
        for series in lines:
            axes.plot(*zip(*series.points, strict=True), marker="o", label=series.name)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
        axes.set_title(name)
        path = directory / f"{name}-{number}.png"
        figure.savefig(path, dpi=120)
        yield path
