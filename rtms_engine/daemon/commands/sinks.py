"""``rtms-engine sinks``: which sinks are installed, and what can be chosen for each."""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

import click
import msgspec

from ... import schema
from ...errors import ConfigError
from ...sinks import registry
from ...sinks.base import SinkSpec
from ...sinks.delivery import Delivery


@click.command()
@click.argument("names", nargs=-1, metavar="[TYPE]...")
def sinks(names: tuple[str, ...]) -> None:
    """Show the sinks that are installed, with their keys, types and defaults.

    TYPE is what stands behind "type" in [[sinks]]: the name of one that is installed, or
    package.module:Class. One that cannot be loaded is shown with its error.
    """
    installed = {point.name for point in entry_points(group=registry.GROUP)}
    broken = False
    for name in names or sorted({*registry.BUILT_IN, *installed}):
        origin = "built in" if name in registry.BUILT_IN else "entry point" if name in installed else "class"
        try:
            spec = registry.find(name)
        except ConfigError as error:
            broken = True
            click.secho(f"{name}  ({origin})", bold=True)
            click.secho(f"  cannot be used: {error}\n", fg="red")
        else:
            _show(name, origin, spec)
    click.echo('Every [[sinks]] also has "name", "kinds" and "delivery"; of the last, the keys are:\n')
    _show_keys(Delivery)
    if broken and names:
        raise click.exceptions.Exit(1)


def _show(name: str, origin: str, spec: SinkSpec) -> None:
    click.secho(f"{name}  ({origin})", bold=True)
    click.echo(f"  media: {', '.join(sorted(spec.kinds)) or 'none'}{'; as soon as possible' * spec.live}")
    if spec.blocking:
        click.echo("  works in a thread of its own")
    changed = _changed(spec.delivery)
    if changed:
        click.echo(f"  delivery: {changed}")
    click.echo()
    _show_keys(spec.config_type)


def _changed(delivery: Delivery) -> str:
    """Where a sink's delivery differs from the usual."""
    usual, its = msgspec.to_builtins(Delivery()), msgspec.to_builtins(delivery)
    return ", ".join(f"{key} = {_spelled(value)}" for key, value in its.items() if value != usual[key])


def _show_keys(kind: type[msgspec.Struct]) -> None:
    docs = dict(_docs(kind))
    for field in msgspec.structs.fields(kind):
        default = "required" if field.required else f"default: {_spelled(_default(field))}"
        click.echo(f"  {field.encode_name}  {schema.allowed(field.type)} ({default})")
        if text := docs.get(field.name):
            click.echo(textwrap.indent(textwrap.fill(text, 96), "      "))
    click.echo()


def _default(field: Any) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _spelled(value: Any) -> str:
    """As in TOML, as far as it has a word for it."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case msgspec.Struct():
            return _spelled(msgspec.structs.asdict(value))
        case dict():
            return "{ " + ", ".join(f"{key} = {_spelled(one)}" for key, one in value.items()) + " }"
        case list() | tuple() | frozenset() | set():
            return "[" + ", ".join(map(_spelled, value)) + "]"
        case int() | float():
            return str(value)
    return f'"{value}"'


def _docs(kind: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    """The text below each field, from the source; none where there is no source."""
    for one in reversed(kind.__mro__):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(one)))
        except (OSError, TypeError, SyntaxError):
            continue
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, text in itertools.pairwise(body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                    yield name, " ".join(words.split())
