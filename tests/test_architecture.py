"""The law of imports (DESIGN.md §2) as data, and what each layer must not do.

A test fails with who imported whom. Deviations from DESIGN.md, decided later, stand beside their row.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "rtms_engine"

BELOW = {"errors", "cores", "model"}

LAW: dict[str, set[str]] = {
    "errors": {"model"},  # an error explains a number with the sentence that stands next to it
    "schema": {"model.secret"},  # how a typed section of the configuration is read: the sinks' own ones too
    "model": {"model"},
    "wire": {*BELOW, "wire"},
    "protocol": {*BELOW, "wire", "protocol"},  # the machines speak in messages
    # which addresses are public is one question, with one answer
    "transport": {*BELOW, "transport", "outbound.addresses"},
    "telemetry": {*BELOW, "telemetry"},
    "vault": {*BELOW, "vault"},  # the door to content on disk
    # webhooks out: of sinks, and of the engine itself
    "outbound": {*BELOW, "telemetry", "threads", "outbound", "vault"},
    "notifications": {*BELOW, "telemetry", "outbound", "notifications"},
    # recording: the registry names the built-in ones, and codecs and H.264 are the same for all
    "sinks": {*BELOW, "telemetry", "schema", "outbound", "serving", "sinks", "recording", "vault"},
    "recording": {*BELOW, "telemetry", "recording", "sinks.base", "sinks.delivery", "vault"},
    "export": {*BELOW, "recording", "export", "vault"},  # reads what `recording` wrote
    "coordination": {*BELOW, "threads", "coordination"},
    "threads": set(),
    "cores": set(),
    "serving": {*BELOW, "telemetry", "serving"},
    # sinks.base: the sink that ends a capture with its stream. Replaying, which needs `stream`, is the root's.
    "capture": {
        *BELOW,
        "wire",
        "transport.base",
        "transport.endpoint",
        "telemetry",
        "sinks.base",
        "capture",
        "vault",
    },
    "stream": {
        *BELOW,
        "wire",
        "protocol",
        "transport",
        "telemetry",
        "sinks.base",
        "sinks.delivery",
        "stream",
    },
    # it stands where the supervisor sees a worker, and runs the real ones behind that
    "processes": {
        *BELOW,
        "coordination.record",
        "sinks.base",
        "sinks.delivery",
        "sinks.registry",
        "stream.demux",
        "stream.sink_runner",
        "stream.watching",
        "stream.worker",
        "telemetry.story",
        "telemetry.wall",
        "processes",
    },
    "consent": {*BELOW, "outbound", "sinks.base", "stream.consent"},
    "webhook": {*BELOW, "webhook", "telemetry", "coordination.base", "wire.signature", "wire.server_urls"},
    "supervisor": {*BELOW, "telemetry", "coordination.base", "supervisor"},
    "zoom_api": {*BELOW, "telemetry", "zoom_api"},
    # it looks at what streams, the recorder and the supervisor show of themselves, and steers through `face`
    "api": {
        *BELOW,
        "telemetry",
        "serving",
        "api",
        "recording.codecs",
        "sinks",
        "stream.overview",
        "stream.sink_runner",
        "stream.worker",
        "webhook.parse",
        "coordination.shelf",  # where the stories of streams outlive the engine
    },
    "audit": {*BELOW, "audit"},
    "retention": {*BELOW, "audit", "sinks.base", "retention", "vault"},  # what a sink's store offers
    "simulator": {*BELOW, "wire", "simulator"},  # it must not share our mistakes
}
"""Which of our modules a package may import. What is not a row here is a composition root."""

MAY_IMPORT_ANYTHING = {
    "__init__",
    "__main__",
    "api",
    "config",
    "daemon",
    "engine",
    "keeping",
    "replay",
    "stream_factory",
    "testing",
}
"""The composition root in its parts; nobody below imports them."""

STDLIB_VALUES = {
    "abc",
    "bisect",
    "collections",
    "dataclasses",
    "enum",
    "functools",
    "itertools",
    "math",
    "re",
    "typing",
}

FOREIGN: dict[str, set[str]] = {
    "errors": {*STDLIB_VALUES, "errno"},
    "model": {*STDLIB_VALUES, "hashlib", "msgspec"},
    "wire": {*STDLIB_VALUES, "base64", "binascii", "hashlib", "hmac", "msgspec", "pybase64"},
    "protocol": {*STDLIB_VALUES, "msgspec"},
    "telemetry": {*STDLIB_VALUES, "contextlib", "msgspec", "prometheus_client", "structlog"},
    "transport": {
        *STDLIB_VALUES,
        "asyncio",
        "contextlib",
        "http",
        "importlib",  # whether picows is there
        "ipaddress",
        "logging",  # the one that picows is given, to keep it silent
        "msgspec",
        "pathlib",
        "picows",
        "socket",
        "ssl",
        "struct",
        "sys",
        "urllib",
        "websockets",
    },
    # threading, queue: `stream.threaded_sink` gives a blocking sink a thread of its own
    # time: `stream.sink_call` measures for how long a sink blocks the loop, whose own time stands still
    # contextvars: `stream.sink_runner` calls a sink without its task, but with what the task has set
    "stream": {
        *STDLIB_VALUES,
        "asyncio",
        "contextlib",
        "contextvars",
        "inspect",
        "msgspec",
        "queue",
        "structlog",
        "threading",
        "time",
    },
    # os, shutil, pathlib: `supervisor.resources` measures what is left of the disk
    "supervisor": {
        *STDLIB_VALUES,
        "asyncio",
        "contextlib",
        "msgspec",
        "structlog",
        "types",
        "os",
        "shutil",
        "pathlib",
    },
}
"""What else a package may import; packages without a row may import what they like."""

NEVER: dict[str, set[str]] = {
    "webhook": {"websockets", "ssl"},
    "coordination": {"aiohttp", "websockets", "ssl"},
    "zoom_api": {"websockets"},
    "capture": {"websockets", "aiohttp", "ssl"},
    "outbound": {"websockets"},
    "recording": {"websockets", "aiohttp"},
    "export": {"websockets", "aiohttp", "asyncio"},
    "sinks": {"websockets"},
}

BANNED_CALLS = {
    "asyncio.create_task": "a task is born in a group, with a name",
    "asyncio.ensure_future": "a task is born in a group, with a name",
    "time.time": "take the clock as an argument",
    "datetime.now": "take the clock as an argument",
    "datetime.datetime.now": "take the clock as an argument",
    "datetime.utcnow": "take the clock as an argument",
    "datetime.datetime.utcnow": "take the clock as an argument",
    "random.random": "take the randomness as an argument",
    "random.uniform": "take the randomness as an argument",
    "random.choice": "take the randomness as an argument",
    "random.randint": "take the randomness as an argument",
    "print": "structlog, or a console of rich",
    "open": "no files here",
}

MAY_CALL: dict[str, set[str]] = {
    "time.time": {"engine", "daemon", "simulator"},  # Zoom's clock is nobody else's
    "random.random": {"engine"},
    "print": {"daemon"},
    "open": {
        "config",
        "daemon",
        "sinks",
        "recording",
        "simulator",
        "schema",
        "engine",
        "coordination",
        "capture",
        "vault",
    },
    "datetime.now": {"daemon"},
    "datetime.datetime.now": {"daemon"},
}
"""Who may call it all the same: the composition root gives clock and randomness, the rim writes files."""


def modules():
    return sorted(path for path in ROOT.rglob("*.py"))


def name_of(path):
    """``stream.worker``; a package by its own name, ``rtms_engine`` itself as ``__init__``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def package_of(name):
    return name.partition(".")[0]


@cache
def tree_of(path):
    return ast.parse(path.read_text("utf-8"), str(path))


@cache
def imports_of(path):
    """(our module, line) and (foreign package, line) of every import, also inside functions."""
    ours, foreign = [], []
    here = path.relative_to(ROOT.parent).with_suffix("").parts
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.Import(names=names):
                found = [alias.name for alias in names]
            case ast.ImportFrom(module=module, level=0):
                found = [module]
            case ast.ImportFrom(module=module, names=names, level=level):
                base = [*here[: len(here) - level], *(module.split(".") if module else [])]
                found = [".".join(base)] if module else [".".join([*base, alias.name]) for alias in names]
            case _:
                continue
        for name in found:
            if package_of(name) == ROOT.name:
                ours.append((name.partition(".")[2] or "__init__", node.lineno))
            else:
                foreign.append((package_of(name), node.lineno))
    return ours, foreign


def is_allowed(module, allowed):
    return any(module == one or module.startswith(f"{one}.") for one in allowed)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_point_down_and_inward(path):
    """Our own modules, by the law."""
    name = name_of(path)
    package = package_of(name)
    if package in MAY_IMPORT_ANYTHING:
        return
    assert package in LAW, f"{name}: which layer is that? Give it a row in LAW"
    bad = [
        f"{name}:{line} imports {module}"
        for module, line in imports_of(path)[0]
        if not is_allowed(module, LAW[package])
    ]
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_nobody_imports_the_roots(path):
    """Only the roots themselves, and who starts the program."""
    name = name_of(path)
    if package_of(name) in MAY_IMPORT_ANYTHING:
        return
    bad = [
        f"{name}:{line} imports {module}"
        for module, line in imports_of(path)[0]
        if package_of(module) in MAY_IMPORT_ANYTHING
    ]
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_foreign_imports(path):
    """The core knows no network, no clock, no log; Base64 lives in `wire` alone."""
    name = name_of(path)
    package = package_of(name)
    foreign = imports_of(path)[1]
    bad = [
        f"{name}:{line} imports {one}"
        for one, line in foreign
        if package in FOREIGN and one not in FOREIGN[package]
    ]
    bad += [f"{name}:{line} imports {one}" for one, line in foreign if one in NEVER.get(package, ())]
    assert not bad, "\n".join(bad)


def imported_names(path):
    """What a name at the root of a call can be: a module or a class; an argument called ``random`` is neither."""
    statements = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {(alias.asname or alias.name).partition(".")[0] for node in statements for alias in node.names}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_calls_that_are_banned(path):
    """With what to do instead."""
    roots = imported_names(path) | {"print", "open"}
    name = name_of(path)
    bad = []
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if (
            called.partition(".")[0] in roots
            and called in BANNED_CALLS
            and package_of(name) not in MAY_CALL.get(called, ())
        ):
            bad.append(f"{name}:{node.lineno} calls {called}: {BANNED_CALLS[called]}")
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_nothing_random_at_import(path):
    """A module draws no numbers and reads no clock when it is imported."""
    bad = []
    for statement in tree_of(path).body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Lambda):
                continue
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(
                ("random.", "time.", "os.environ", "os.getenv")
            ):
                bad.append(f"{name_of(path)}:{node.lineno} calls {ast.unparse(node.func)}")
    assert not bad, "\n".join(bad)


ONE_THREAD = {
    "api.operation": "the event loop's",
    "daemon.client": "the command's own",
}
"""Where types that come from elsewhere are decoded, and why no second thread can be at it."""


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_decoders_are_made_at_import(path):
    """`msgspec` prepares a struct when it is first decoded; two threads that do so at once crash the process."""
    late = [
        call.lineno
        for function in ast.walk(tree_of(path))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("msgspec.")
        for kind in [
            *(word.value for word in call.keywords if word.arg == "type"),
            *(call.args if ast.unparse(call.func).endswith("Decoder") else ()),
        ]
        if "dict[str, Any]" not in ast.unparse(kind) and ast.unparse(kind) != "tuple[str, msgspec.Raw]"
    ]
    assert not late or name_of(path) in ONE_THREAD, f"{name_of(path)}: lines {late}"


def test_there_is_no_cycle():
    """Module by module; the message is the way round."""
    known = {name_of(path) for path in modules()}
    graph = {}
    for path in modules():
        ours = [module for module, _ in imports_of(path)[0]]
        graph[name_of(path)] = {
            module if module in known else module.rpartition(".")[0] for module in ours
        } & known
    done, way = set(), []

    def walk(module):
        assert module not in way, " → ".join([*way[way.index(module) :], module])
        if module in done:
            return
        way.append(module)
        for one in sorted(graph[module] - {module}):
            walk(one)
        way.pop()
        done.add(module)

    for module in graph:
        walk(module)


def test_every_row_of_the_law_exists():
    """A renamed package must not leave its row behind."""
    packages = {package_of(name_of(path)) for path in modules()}
    assert set(LAW) <= packages
    assert set(FOREIGN) <= set(LAW)


def test_the_plan_of_the_house_names_every_room():
    """And the ways through it lead through modules that exist."""
    plan = ast.get_docstring(tree_of(ROOT / "__init__.py"))
    _, table, below = plan.split("======================  " + "=" * 76, 2)
    rows = [line[:24] for line in table.splitlines()]
    named = {word for row in rows for word in re.findall(r"`(\w+)`", row)}
    names = {name_of(path) for path in modules()}
    assert named == {package_of(name) for name in names} - {"__init__", "__main__"}
    assert set(re.findall(r"`([a-z_]+\.[a-z_]+)`", below)) <= names
