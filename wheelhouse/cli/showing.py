"""The commands that show something: locks, what is in them and why, targets, the cache, and whether all is well."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from wheelhouse.cli import options
from wheelhouse.cli.configuring import config
from wheelhouse.cli.options import targets_of
from wheelhouse.cli.talk import console_of, show, show_json
from wheelhouse.errors import Failures, UsageError


@click.command()
@click.argument("paths", nargs=-1, type=options.FILE, metavar="[PATH]...")
@options.lock_dir
@options.wheel_dir
@options.output
@options.as_json
@config
@options.general
def verify(paths: tuple[Path, ...], **given: Any) -> None:
    """Read every byte of locks' wheels, wheel folders and bundles against its digest.

    Without a path: every wheel folder and bundle that is here.
    """
    from wheelhouse import workflow
    from wheelhouse.edge.places import store_folder
    from wheelhouse.edge.store import Store

    failed: Failures | None = None
    with console_of(given):
        store = Store(store_folder(given["cache_dir"]))
        try:
            good: Sequence[Path] = workflow.verify(
                paths or workflow.everything(given["wheel_dir"], given["output"]), store
            )
        except workflow.NotAll as error:
            good, failed = error.written, Failures(error.errors)
    if given["json"]:
        show_json({"good": [str(path) for path in good]})
    else:
        show(f"{path}: good" for path in good)
    if failed is not None:
        raise failed


@click.command()
@click.argument("locks", nargs=-1, type=options.FILE, metavar="[LOCK]...")
@options.chosen
@options.projects
@options.lock_dir
@options.as_json
@config
@options.general
def tree(locks: tuple[Path, ...], **given: Any) -> None:
    """Show what needs what in a lock, and how large each wheel is."""
    from wheelhouse.outputs import facts
    from wheelhouse.outputs.sizes import counted
    from wheelhouse.outputs.tree import tree as lines

    found = _find(locks, given)
    if given["json"]:
        show_json({"locks": [facts.tree(each.lock, each.path) for each in found]})
        return
    for each in found:
        if len(found) > 1:
            click.echo(f"{each.lock.label}:")
        show(lines(each.lock))
        click.echo(counted(each.lock))


@click.command()
@click.argument("name")
@click.argument("locks", nargs=-1, type=options.FILE, metavar="[LOCK]...")
@click.option("--not", "version", metavar="VERSION", help="Show why this version is not in the lock.")
@options.chosen
@options.projects
@options.lock_dir
@options.filters
@options.indexes
@options.network
@options.as_json
@config
@options.general
def why(name: str, locks: tuple[Path, ...], **given: Any) -> None:
    """Show why a project is in a lock: the chain from what was asked for, and everyone who requires it.

    With a version (`wheelhouse why numpy==2.1.0`, or `--not 2.1.0`) show why that one is not: which rule refuses its
    files, or which requirement of the lock excludes it. This asks the indexes, by the same options as `lock`.
    """
    from packaging.utils import canonicalize_name

    from wheelhouse.outputs import facts
    from wheelhouse.outputs.tree import why as lines

    wanted, version = _name_and_version(name, given["version"])
    found = _find(locks, given)
    if version is not None:
        _why_not(found, canonicalize_name(wanted), version, given)
        return
    project = canonicalize_name(wanted)
    having = [each for each in found if each.lock.package(project) is not None]
    if not having:
        raise UsageError(f"no lock has a project named `{wanted}`", hint="`wheelhouse tree` shows what there is")
    if given["json"]:
        show_json({"name": project, "locks": [facts.why(each.lock, each.path, project) for each in having]})
        return
    for each in having:
        if len(found) > 1:
            click.echo(f"{each.lock.label}:")
        show(lines(each.lock, project))


def _name_and_version(text: str, version: str | None) -> tuple[str, Any]:
    """The project, and the version that is asked about, if any. Raises `UsageError`."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.version import InvalidVersion, Version

    name, separator, written = text.partition("==")
    if separator and version is not None:
        raise UsageError("two versions are named", hint=f"leave out `--not {version}`, or the `=={written}`")
    try:
        if Requirement(name.strip()).name != name.strip():
            raise InvalidRequirement(name)
    except InvalidRequirement:
        hint = "`wheelhouse why numpy`, or for one version `wheelhouse why numpy==2.1.0`"
        raise UsageError(f"`{text}` is no project's name", hint=hint) from None
    meant = version if version is not None else written if separator else None
    try:
        return name.strip(), None if meant is None else Version(meant)
    except InvalidVersion:
        raise UsageError(f"`{meant}` is no version", hint=f"`wheelhouse why {name.strip()}==2.1.0`") from None


def _why_not(found: Sequence[Any], name: Any, version: Any, given: dict[str, Any]) -> None:
    from wheelhouse.cli.inputs import without_requirements
    from wheelhouse.edge.session import Session
    from wheelhouse.locking import view_for
    from wheelhouse.outputs.why_not import why_not
    from wheelhouse.target import Target

    answers = []
    with console_of(given) as console:
        wanted, settings = without_requirements(given, console.listen, given["config"])
        with Session(settings, listen=console.listen) as session:
            for each in found:
                standing_in = each.lock.stand_in is not None or wanted.torch_index == "pypi"
                view = view_for(wanted, Target.parse(each.lock.label), session, standing_in=standing_in)
                answers.append((each, why_not(view, each.lock, name, version)))
    if given["json"]:
        told = [{"target": each.lock.label, "path": str(each.path), **answer.facts()} for each, answer in answers]
        show_json({"name": name, "version": str(version), "locks": told})
        return
    for each, answer in answers:
        if len(answers) > 1:
            click.echo(f"{each.lock.label}:")
        show(answer.lines())


@click.command()
@click.argument("old", type=options.FILE)
@click.argument("new", type=options.FILE)
@click.option("--target", "label", metavar="LABEL", help="The machine to take a lock of another tool for.")
@options.as_json
@options.general
def diff(old: Path, new: Path, **given: Any) -> None:
    """Show what changed from one lock to another: versions, sizes, what came and what went."""
    from wheelhouse.edge.locks import find
    from wheelhouse.outputs.diff import facts, lines

    machines = targets_of([given["label"]] if given["label"] else [])
    (before,), (after,) = (find([path], Path(), (), machines=machines) for path in (old, new))
    if given["json"]:
        show_json(facts(before.lock, after.lock))
    else:
        show(lines(before.lock, after.lock))


def _find(locks: tuple[Path, ...], given: dict[str, Any]) -> Sequence[Any]:
    """The locks that count."""
    from wheelhouse.edge.locks import find

    configured = given["config"]
    return find(
        locks,
        given["lock_dir"],
        targets_of(given["labels"]),
        machines=targets_of(configured.config.targets) if configured is not None else (),
        extras=given["extras"],
        groups=given["groups"],
    )


@click.group()
def cache() -> None:
    """Show or empty the folder of pages, metadata and wheels that are kept between runs."""


@cache.command("info")
@options.as_json
@options.general
def cache_info(**given: Any) -> None:
    """Show where the cache is and what it holds."""
    from wheelhouse.edge import caching

    if given["json"]:
        show_json(caching.facts(given["cache_dir"]))
    else:
        show(caching.info(given["cache_dir"]))


@cache.command("prune")
@options.lock_dir
@click.option("--all", "everything", is_flag=True, help="Remove the wheels that locks name, too.")
@config
@options.general
def cache_prune(everything: bool, **given: Any) -> None:
    """Remove pages, metadata, unfinished downloads, and wheels that no lock of the lock folder names."""
    from wheelhouse.edge import caching

    show(caching.prune(given["cache_dir"], None if everything else given["lock_dir"]))
