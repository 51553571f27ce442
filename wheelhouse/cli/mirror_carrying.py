"""The commands that carry a mirror across the wall: what a side has, what it lacks, what came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wheelhouse.cli import options
from wheelhouse.cli.mirror_options import endpoint
from wheelhouse.cli.talk import console_of, show, show_json


@click.command()
@click.argument("place", metavar="MIRROR")
@endpoint
@options.general
def state(place: str, **given: Any) -> None:
    """Print what a mirror has, as the one small file that the other side needs for `mirror export --since`."""
    from wheelhouse import mirror_workflow

    with console_of(given):
        found = mirror_workflow.state(place, endpoint=given["endpoint"])
    click.echo(found.text(), nl=False)


@click.command()
@click.argument("place", metavar="MIRROR")
@click.option("--since", type=options.FILE, metavar="STATE", help="What the other side has, as its `mirror state` says;"
              " else everything is written.")  # fmt: skip
@click.option("--output", type=options.FILE, required=True, metavar="PATH", help="A new folder, or a file that ends"
              " with `.tar`.")  # fmt: skip
@endpoint
@options.as_json
@options.general
def export(place: str, since: Path | None, output: Path, **given: Any) -> None:
    """Write what another mirror lacks, with the digest of every file, to a folder or one tar file."""
    from wheelhouse import mirror_workflow
    from wheelhouse.edge.files import readable
    from wheelhouse.events import Said
    from wheelhouse.mirroring.export import facts

    with console_of(given) as console:
        found = mirror_workflow.export(place, since, output, endpoint=given["endpoint"])
        locks, wheels = len(found.manifest.locks), mirror_workflow.counted(found.files, "wheel")
        told = f"{wheels} ({readable(found.size)}) of {mirror_workflow.counted(locks, 'lock')} in `{output}`"
        console.listen(Said(told if locks else f"the other side lacks nothing: {told}"))
    if given["json"]:
        show_json({"path": str(output), "wheels": found.files, "size": found.size, **facts(found.manifest)})
    else:
        show([output])


@click.command("import")
@click.argument("path", type=options.FILE, metavar="EXPORT")
@click.option("--to", "place", required=True, metavar="MIRROR", help="A folder, or `s3://bucket/prefix`.")
@click.option("--from-any", is_flag=True, help="Take it from a mirror that this one has taken nothing of so far.")
@endpoint
@options.as_json
@options.general
def take(path: Path, place: str, from_any: bool, **given: Any) -> None:
    """Verify every byte of an export, then publish it; of a damaged one nothing is taken.

    The same export twice changes nothing. A mirror that is not there yet is made.
    """
    from wheelhouse import mirror_workflow
    from wheelhouse.events import Said

    with console_of(given) as console:
        found = mirror_workflow.take(path, place, console.listen, from_any=from_any, endpoint=given["endpoint"])
        count = mirror_workflow.counted
        told = f"{count(found.files, 'wheel')} of {count(found.locks, 'lock')} in `{place}`: {found.new} new"
        console.listen(Said(f"{told}, {count(found.pages, 'page')} changed"))
    if given["json"]:
        show_json({"mirror": place, "locks": found.locks, "files": found.files, "new": found.new, "pages": found.pages})
    else:
        show([place])
