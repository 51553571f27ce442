"""The commands that make something: a configuration, locks, wheel folders, bundles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wheelhouse.cli import options
from wheelhouse.cli.configuring import config
from wheelhouse.cli.options import targets_of
from wheelhouse.cli.talk import console_of, show, show_json
from wheelhouse.errors import Failures, UsageError

if TYPE_CHECKING:
    from packaging.utils import NormalizedName

    from wheelhouse.edge.session import Session
    from wheelhouse.lock import Lock

Facts = dict[str, object]


@click.command()
@options.targets
@options.general
def init(**given: Any) -> None:
    """Write a commented `wheelhouse.toml` into the current folder, with the requirements file that is found there.

    With it, `wheelhouse build` needs no argument. A file that is there is left as it is.
    """
    from wheelhouse.config import example
    from wheelhouse.edge import config_files, requirement_files
    from wheelhouse.events import Said

    with console_of(given) as console:
        here = Path()
        if (there := config_files.find(here)) is not None:
            raise UsageError(f"`{there.config.source}` configures this folder already", hint="edit it, or move it away")
        labels = [target.label for target in targets_of(given["labels"])]
        try:
            names = [requirement_files.default(here).as_posix()]
        except UsageError:
            names = []
            console.listen(Said("no requirements file is here: write what you want into `requirements.in`"))
        if not labels:
            console.listen(Said("no target was named: name yours in place of the example's"))
        path = config_files.write(here, example(labels, names))
    show([path])


@click.command()
@options.requirements
@options.projects
@options.all_extras
@options.targets
@options.lock_dir
@options.resolution
@options.accept
@options.indexes
@options.network
@options.as_json
@config
@options.general
def lock(**given: Any) -> None:
    """Resolve requirements for each target and write a lock for it.

    Without a requirement or a file, those of `wheelhouse.toml` count, else `requirements.in`, `requirements.txt` or
    the project in `pyproject.toml` of the current folder.
    """
    from wheelhouse import workflow
    from wheelhouse.cli.inputs import checks_of, inputs_of
    from wheelhouse.edge.session import Session

    with console_of(given) as console:
        checks = checks_of(given, given["config"])
        inputs = inputs_of(given, console.listen, given["config"])
        with Session(inputs.settings, listen=console.listen) as session:
            tried = _tried(
                lambda: workflow.lock(inputs.wanted, inputs.targets, given["lock_dir"], session, checks=checks)
            )
    _report(given, tried, _locks)


@click.command()
@click.argument("locks", nargs=-1, type=options.FILE, metavar="[LOCK]...")
@options.machines
@options.projects
@options.lock_dir
@options.wheel_dir
@options.from_sdist
@options.jobs
@options.default_indexes
@options.network
@options.as_json
@config
@options.general
def fetch(locks: tuple[Path, ...], **given: Any) -> None:
    """Download and verify every wheel of the locks, into a folder per target that can be installed as it stands.

    Without a lock or target, every lock of the lock folder counts. No index is asked.

    A lock of another tool (`uv.lock`, or any `pylock.toml` of PEP 751) is taken for the targets that are named: what it
    pins is what counts, and an index is asked for the pip of the offline side alone.
    """
    from wheelhouse import workflow

    with _opened(locks, given) as (found, session):
        ready = [_adopted(each.lock, given, session) if each.adopted else each.lock for each in found]
        tried = _tried(
            lambda: workflow.fetch(
                ready, given["wheel_dir"], session, jobs=given["jobs"], from_sdist=_named(given["from_sdist"])
            )
        )
    _report(given, tried, lambda paths: _laid_out("folders", paths))


@click.command()
@click.argument("locks", nargs=-1, type=options.FILE, metavar="[LOCK]...")
@options.machines
@options.projects
@options.lock_dir
@options.wheel_dir
@options.output
@options.tar
@options.accept
@options.binaries
@options.as_json
@config
@options.general
def bundle(locks: tuple[Path, ...], **given: Any) -> None:
    """Lay out fetched wheels as a bundle that installs itself on a machine without a network.

    Without a lock or target, every lock of the lock folder counts. A lock of another tool is named as it was for
    `wheelhouse fetch`, with the same targets.
    """
    from wheelhouse import adopting, workflow
    from wheelhouse.cli.inputs import checks_of

    checks = checks_of(given, given["config"])
    with _opened(locks, given) as (found, session):
        ready = []
        for each in found:
            whole = adopting.fetched(each.lock, given["wheel_dir"]) if each.adopted else each.lock
            if whole is None:
                raise adopting.NotFetched(each.path, each.lock.label)
            ready.append(whole)
        tried = _tried(lambda: workflow.bundle(ready, given["output"], session, tar=given["tar"], checks=checks))
    _report(given, tried, lambda paths: _laid_out("bundles", paths))


@click.command()
@options.requirements
@options.projects
@options.all_extras
@options.targets
@options.lock_dir
@options.wheel_dir
@options.output
@options.tar
@options.jobs
@options.resolution
@options.accept
@options.binaries
@options.indexes
@options.network
@options.as_json
@config
@options.general
def build(**given: Any) -> None:
    """Lock, fetch and bundle in one go."""
    from wheelhouse import workflow
    from wheelhouse.cli.inputs import checks_of, inputs_of
    from wheelhouse.edge.session import Session

    with console_of(given) as console:
        checks = checks_of(given, given["config"])
        inputs = inputs_of(given, console.listen, given["config"])
        with Session(inputs.settings, listen=console.listen) as session:
            tried = _tried(
                lambda: workflow.build(
                    inputs.wanted,
                    inputs.targets,
                    session,
                    lock_dir=given["lock_dir"],
                    wheel_dir=given["wheel_dir"],
                    output=given["output"],
                    jobs=given["jobs"],
                    tar=given["tar"],
                    checks=checks,
                )
            )
    _report(given, tried, lambda paths: _laid_out("bundles", paths))


def _adopted(lock: Lock, given: dict[str, Any], session: Session) -> Lock:
    """Another tool's lock, ready to be fetched."""
    from wheelhouse import adopting
    from wheelhouse.cli.inputs import without_requirements
    from wheelhouse.events import ignore

    return adopting.completed(
        lock, given["wheel_dir"], session, lambda: without_requirements(given, ignore, given["config"])[0]
    )


def _named(projects: Sequence[str]) -> frozenset[NormalizedName]:
    """The projects of `--from-sdist`; what reads them is not imported where there are none."""
    if not projects:
        return frozenset()
    from wheelhouse.cli.inputs import by_name

    return by_name(projects)


Tried = tuple[Sequence[Path], Failures | None]


def _tried(run: Callable[[], Sequence[Path]]) -> Tried:
    """What was written, and what could not be."""
    from wheelhouse.workflow import NotAll

    try:
        return run(), None
    except NotAll as error:
        return error.written, Failures(error.errors)


def _report(given: dict[str, Any], tried: Tried, facts: Callable[[Sequence[Path]], Facts]) -> None:
    paths, failed = tried
    if given["json"]:
        show_json(facts(paths))
    else:
        show(paths)
    if failed is not None:
        raise failed


def _locks(paths: Sequence[Path]) -> Facts:
    from wheelhouse.edge.locks import read
    from wheelhouse.outputs.facts import locked

    return {"locks": [locked(read(path), path) for path in paths]}


def _laid_out(key: str, paths: Sequence[Path]) -> Facts:
    from wheelhouse.edge.sizes import wheels
    from wheelhouse.outputs.facts import laid_out

    return {key: [laid_out(path.name.removesuffix(".tar"), path, wheels(path)) for path in paths]}


@contextmanager
def _opened(locks: tuple[Path, ...], given: dict[str, Any]) -> Iterator[tuple[list[Any], Any]]:
    """The locks that count, and an open session."""
    from wheelhouse.cli.network import network_settings
    from wheelhouse.edge.locks import find
    from wheelhouse.edge.session import Session

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
        labels = [each.lock.label for each in found]
        for each in found:
            if each.adopted and labels.count(each.lock.label) > 1:
                hint = "name one of them, or targets that tell them apart"
                raise UsageError(f"several of these locks are for `{each.lock.label}`", hint=hint)
        with Session(network_settings(given, console.listen, configured), listen=console.listen) as session:
            yield list(found), session
