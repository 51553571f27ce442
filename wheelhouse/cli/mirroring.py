"""`wheelhouse mirror`: one package index for a whole closed network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wheelhouse.cli import mirror_carrying, mirror_serving, options
from wheelhouse.cli.configuring import config
from wheelhouse.cli.mirror_options import endpoint
from wheelhouse.cli.options import targets_of
from wheelhouse.cli.talk import console_of, show, show_json
from wheelhouse.errors import Failures, UsageError


@click.group()
def mirror() -> None:
    """Turn locks into a package index for a closed network: publish, look after, serve, carry across."""


@mirror.command()
@click.argument("locks", nargs=-1, type=options.FILE, metavar="[LOCK]...")
@click.option("--to", "place", required=True, metavar="MIRROR", help="A folder, or `s3://bucket/prefix`.")
@options.machines
@options.projects
@options.lock_dir
@options.wheel_dir
@endpoint
@options.as_json
@config
@options.general
def add(locks: tuple[Path, ...], **given: Any) -> None:
    """Publish the wheels of locks, which `wheelhouse fetch` has brought; without a lock: of every lock that is here.

    No index is asked. A mirror that is not there yet is made.
    """
    from wheelhouse import adopting, mirror_workflow
    from wheelhouse.edge.locks import find
    from wheelhouse.edge.session import Session, Settings
    from wheelhouse.mirroring.names import lock_key

    configured = given["config"]
    with console_of(given) as console:
        found = find(
            locks,
            given["lock_dir"],
            targets_of(given["labels"]),
            machines=targets_of(configured.config.targets) if configured is not None else (),
            extras=given["extras"],
            groups=given["groups"],
        )
        whole = []
        for each in found:
            lock = adopting.fetched(each.lock, given["wheel_dir"]) if each.adopted else each.lock
            if lock is None:
                raise adopting.NotFetched(each.path, each.lock.label)
            whole.append(lock)
        with Session(Settings(cache_dir=given["cache_dir"], offline=True), listen=console.listen) as session:
            added = mirror_workflow.add(whole, given["place"], session, endpoint=given["endpoint"])
    if given["json"]:
        facts = {"files": added.files, "size": added.size, "new": added.new, "new-size": added.new_size}
        show_json({"mirror": given["place"], "locks": list(added.locks), **facts, "pages": added.pages})
    else:
        show(lock_key(lock) for lock in added.locks)


@mirror.command()
@click.argument("lock", required=False)
@click.option("--project", metavar="NAME[==VERSION]", help="Take a project, or one version of it, off every page.")
@click.option("--from", "place", required=True, metavar="MIRROR", help="A folder, or `s3://bucket/prefix`.")
@endpoint
@options.as_json
@options.general
def remove(lock: str | None, project: str | None, **given: Any) -> None:
    """Take back a published lock, with what only it has, or take a project off every page.

    LOCK is a lock file, or `LABEL/SHA256` as `mirror list --locks` shows it; a few characters of the digest will do.
    Wheels stay until `mirror gc` removes them.
    """
    from wheelhouse import mirror_workflow
    from wheelhouse.edge.session import Session, Settings

    if (lock is None) == (project is None):
        raise UsageError("name a lock, or a project, and not both", hint="`wheelhouse mirror remove --help`")
    place = given["place"]
    with console_of(given) as console:
        if project is not None:
            changes = mirror_workflow.remove_project(project, place, console.listen, endpoint=given["endpoint"])
        else:
            with Session(Settings(cache_dir=given["cache_dir"], offline=True), listen=console.listen) as session:
                meant = mirror_workflow.reference(lock or "", place, session, endpoint=given["endpoint"])
            changes = mirror_workflow.remove_lock(meant, place, console.listen, endpoint=given["endpoint"])
    if given["json"]:
        show_json({"mirror": place, "files": sorted(changes.went), "pages": changes.pages})
    else:
        show(sorted(changes.went))


@mirror.command()
@click.argument("place", metavar="MIRROR")
@click.option("--yes", is_flag=True, help="Remove them.")
@endpoint
@options.as_json
@options.general
def gc(place: str, yes: bool, **given: Any) -> None:
    """Show the files that no page and no published lock names any more; with `--yes`, remove them."""
    from wheelhouse import mirror_workflow
    from wheelhouse.edge.files import readable
    from wheelhouse.events import Said

    with console_of(given) as console:
        found = mirror_workflow.gc(place, console.listen, yes=yes, endpoint=given["endpoint"])
        done = "removed" if yes else "to remove with `--yes`"
        told = f"{mirror_workflow.counted(found.files, 'file')}, {readable(found.size)}: {done}"
        console.listen(Said(told if found.keys else "nothing to remove"))
    if given["json"]:
        shown = {"files": found.files, "size": found.size, "keys": list(found.keys)}
        show_json({"mirror": place, "removed": yes, **shown})
    else:
        show(found.keys)


@mirror.command()
@click.argument("place", metavar="MIRROR")
@click.option("--repair", is_flag=True, help="Make whole what can be: derived pages, pages that published locks tell,"
              " wheels that the store has.")  # fmt: skip
@click.option("--quick", is_flag=True, help="Judge files by their size, in place of reading them.")
@endpoint
@options.as_json
@options.general
def verify(place: str, repair: bool, quick: bool, **given: Any) -> None:
    """Read every byte of a mirror against its digest, and compare every page with what it is made of."""
    from wheelhouse import mirror_workflow
    from wheelhouse.edge.mirror.maintain import Unsound
    from wheelhouse.edge.places import store_folder
    from wheelhouse.edge.store import Store

    with console_of(given) as console:
        store = Store(store_folder(given["cache_dir"]))
        found = mirror_workflow.verify(
            place, store, console.listen, repair=repair, quick=quick, endpoint=given["endpoint"]
        )
    if given["json"]:
        shown = {"problems": list(found.problems), "repaired": list(found.repaired)}
        show_json({"mirror": place, "files": found.files, "size": found.size, **shown})
    else:
        show(f"repaired: {each}" for each in found.repaired)
        if not found.problems:
            show([f"{place}: good"])
    if found.problems:
        raise Failures([Unsound(problem, repair) for problem in found.problems])


@mirror.command("list")
@click.argument("place", metavar="MIRROR")
@click.argument("project", required=False)
@click.option("--locks", is_flag=True, help="Show the published locks.")
@endpoint
@options.as_json
@options.general
def list_(place: str, project: str | None, locks: bool, **given: Any) -> None:
    """Show the projects of a mirror: newest version, count and size of files, targets, channels.

    With a project: each of its files, and the pages that have it.
    """
    from wheelhouse import mirror_workflow

    if project is not None and locks:
        raise UsageError("name a project, or `--locks`, and not both", hint="`wheelhouse mirror list --help`")
    with console_of(given):
        found = mirror_workflow.listing(place, project, locks=locks, endpoint=given["endpoint"])
    if given["json"]:
        show_json({"mirror": place, **found.facts})
    else:
        show(found.lines)


@mirror.command()
@click.argument("left", metavar="MIRROR_OR_STATE")
@click.argument("right", metavar="MIRROR_OR_STATE")
@endpoint
@options.as_json
@options.general
def diff(left: str, right: str, **given: Any) -> None:
    """Show what each of two mirrors alone has: `-` the first, `+` the second. Either may be the state of a mirror."""
    from wheelhouse import mirror_workflow

    with console_of(given):
        found = mirror_workflow.diff(left, right, endpoint=given["endpoint"])
    if given["json"]:
        show_json(found.facts())
    else:
        show(found.lines())


_MORE = (
    *(mirror_carrying.state, mirror_carrying.export, mirror_carrying.take),
    *(mirror_serving.serve, mirror_serving.nginx_conf, mirror_serving.password),
)
for _command in _MORE:
    mirror.add_command(_command)
