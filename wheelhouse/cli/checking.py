"""The command that says what will not work on the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wheelhouse.cli import options
from wheelhouse.cli.configuring import config
from wheelhouse.cli.options import targets_of
from wheelhouse.cli.talk import console_of, show, show_json


@click.command()
@click.argument("locks", nargs=-1, type=options.FILE, metavar="[LOCK]...")
@options.chosen
@options.projects
@options.lock_dir
@options.accept
@click.option("--server", type=options.FILE, metavar="FILE", help="What a probe saw on the server, as JSON.")
@click.option("--binaries", is_flag=True, help="Read the libraries inside the fetched wheels too.")
@options.as_json
@config
@options.general
def check(locks: tuple[Path, ...], **given: Any) -> int:
    """Show what will not work on the server: driver, GPU, CUDA, cuDNN, C library, what the server must bring.

    Without a lock or target, every lock of the lock folder counts. Errors stop `lock` and `bundle`; a rule that is
    accepted by name stops nothing. Exit code 1 where an error is found that nobody accepted.
    """
    from msgspec.structs import replace

    from wheelhouse import workflow
    from wheelhouse.cli.inputs import checks_of
    from wheelhouse.edge import probing
    from wheelhouse.edge.locks import find
    from wheelhouse.edge.session import Session, Settings
    from wheelhouse.outputs.checks import facts, page
    from wheelhouse.outputs.sizes import carried

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
        checks = checks_of(given, configured)
        if given["server"] is not None:
            server = probing.read(given["server"])
            checks = replace(checks, servers={each.lock.label: server for each in found})
        with Session(Settings(cache_dir=given["cache_dir"], offline=True), listen=console.listen) as session:
            verdicts = workflow.check([each.lock for each in found], checks, session)
    if given["json"]:
        told = [
            {"target": each.lock.label, "path": str(each.path), "findings": facts(verdict)}
            for each, verdict in zip(found, verdicts, strict=True)
        ]
        show_json({"locks": told})
    else:
        for at, (each, verdict) in enumerate(zip(found, verdicts, strict=True)):
            show(([""] if at else []) + list(page(verdict, carried(each.lock))))
    return 1 if any(verdict.errors for verdict in verdicts) else 0
