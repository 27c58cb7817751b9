"""README, dashboard and alerts name metrics that there are."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from rtms_engine.api.metrics import Totals, exposition
from rtms_engine.telemetry.histogram import Histogram

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/rtms-engine.json").read_text("utf-8"))
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text("utf-8"))["groups"][0]["rules"]
EXPRESSIONS = [
    *(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]),
    *(rule["expr"] for rule in ALERTS),
]
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",)}
FUNCTIONS = {
    "sum",
    "min",
    "max",
    "by",
    "le",
    "rate",
    "increase",
    "histogram_quantile",
    "or",
    "vector",
    "predict_linear",
}
FOREIGN = {"up"}
"""Made by Prometheus itself."""


class Nothing:
    """An engine in which nothing has happened."""

    version = "1"
    live_streams = webhook_results = loop_lags = free_disk = staticmethod(dict[Any, Any])
    ended_totals = staticmethod(Totals)
    restarts = intake_depth = staticmethod(lambda: 0)
    webhook_latency = staticmethod(lambda: Histogram((1.0,)))


@cache
def families() -> dict[str, str]:
    """The name of every family that a scrape has, and its type."""
    text = exposition(Nothing())().decode()
    return {one.name: one.type for one in text_string_to_metric_families(text)}


@cache
def series() -> set[str]:
    """Every name that an expression may use."""
    return {name + suffix for name, kind in families().items() for suffix in SUFFIXES.get(kind, ("",))}


def names_in(expression: str) -> set[str]:
    """The metrics in an expression of PromQL: what is no label, text, range, number or function."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', " ", expression)
    bare = re.sub(r"\{[^}]*\}|\bby \([^)]*\)", " ", bare)
    return set(re.findall(r"\b[a-z_][a-z0-9_]*\b", bare)) - FUNCTIONS


def labels_in(expression: str) -> set[str]:
    return {
        label.strip() for found in re.findall(r"\bby \(([^)]*)\)", expression) for label in found.split(",")
    } | set(re.findall(r"[{,]\s*([a-z_]+)\s*(?:=|!)", expression))


def test_what_is_found_in_an_expression() -> None:
    expression = 'sum by (le, leg) (rate(rtms_join_seconds_bucket{job="x"}[5m])) > 1e9 or vector(0)'
    assert names_in(expression) == {"rtms_join_seconds_bucket"}
    assert labels_in(expression) == {"le", "leg", "job"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_exists(expression: str) -> None:
    names = names_in(expression)
    assert names
    assert names <= series() | FOREIGN


LABELS = {
    "state",
    "reason",
    "kind",
    "leg",
    "cause",
    "scenario",
    "of",
    "sink",
    "result",
    "process",
    "directory",
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_label_exists(expression: str) -> None:
    assert labels_in(expression) <= LABELS | {"le", "job"}


def test_every_expression_is_balanced() -> None:
    for expression in EXPRESSIONS:
        for pair in ("()", "[]", "{}"):
            assert expression.count(pair[0]) == expression.count(pair[1]), expression


def test_the_readme_lists_every_metric_and_no_other() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    table = "\n".join(re.findall(r"^\| `rtms_.*$", text, re.MULTILINE))
    first_cells = " ".join(line.split(" | ")[0] for line in table.splitlines())
    named = set(re.findall(r"`(rtms_[a-z_]+)`", first_cells))
    shown = {
        name + {"counter": "_total", "info": "_info"}.get(kind, "")
        for name, kind in families().items()
        if name.startswith("rtms_")
    }
    assert named == shown


def test_every_rtms_metric_is_watched() -> None:
    """Whatever the engine measures, the dashboard or an alert uses."""
    used = {name for expression in EXPRESSIONS for name in names_in(expression)}
    unwatched = {
        name
        for name, kind in families().items()
        if name.startswith("rtms_") and not used & {name + s for s in SUFFIXES.get(kind, ("",))}
    }
    assert unwatched <= {"rtms_engine_info", "rtms_keep_alives_answered"}


def test_every_alert_says_what_to_do() -> None:
    names = [rule["alert"] for rule in ALERTS]
    assert len(set(names)) == len(names) >= 12
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["remedy"].endswith(".")
        assert re.fullmatch(r"\d+[mh]", rule["for"])
        shown = re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])
        assert set(shown) <= labels_in(rule["expr"]) | {"directory"}


def test_the_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
