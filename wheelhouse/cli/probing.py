"""The commands that know servers: the probe, what a target label means, and what can work on a machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from wheelhouse.cli import options
from wheelhouse.cli.options import targets_of
from wheelhouse.cli.talk import console_of, show, show_json
from wheelhouse.errors import UsageError

_CARRY = """carry `{}` to the server and run `python3 probe.py` there; without a Python `sh probe.sh`
then type its last line behind `--target` here
or add `--output probe.json` there, bring that file back, and type `--target auto:probe.json`"""


@click.command()
@click.option(
    "--write",
    "folder",
    type=options.FOLDER,
    metavar="DIR",
    help="Write probe.py and probe.sh into this folder, to carry to the server.",
)
@click.option(
    "--read", "came_back", type=options.FILE, metavar="FILE", help="Show what the JSON of a server's probe says."
)
@click.option("--output", "output_file", type=options.FILE, metavar="FILE", help="Write the JSON into this file too.")
@click.option(
    "--dir",
    "measured",
    multiple=True,
    metavar="DIR",
    help="Measure the free space of this folder too. May be given several times.",
)
@options.as_json
@options.general
def probe(**given: Any) -> None:
    """Show what a machine is as far as wheels are concerned: this one, or a server that was probed.

    What counts is the server: write the probe with `--write`, carry it there, run it, and bring back its JSON for
    `--target auto:FILE`, or nothing but its last line, which is a target label with check digits.
    """
    from wheelhouse.edge import probing
    from wheelhouse.events import Said

    folder, came_back = given["folder"], given["came_back"]
    if folder is not None and came_back is not None:
        raise UsageError("`--write` and `--read` exclude each other", hint="leave out one of them")
    if (folder or came_back) and (given["output_file"] or given["measured"]):
        raise UsageError("`--output` and `--dir` are for a probe of this machine", hint="leave them out")
    with console_of(given) as console:
        if folder is not None:
            written = probing.write(folder)
            console.listen(Said(_CARRY.format(folder)))
            if given["json"]:
                show_json({"programs": [str(path) for path in written]})
            else:
                show(written)
        elif came_back is not None:
            _show_read(came_back, as_json=given["json"])
        else:
            asked = ["--json"] if given["json"] else []
            asked += ["--output", str(given["output_file"])] if given["output_file"] else []
            asked += [word for path in given["measured"] for word in ("--dir", path)]
            click.echo(probing.run(asked), nl=False)


def _show_read(path: Path, *, as_json: bool) -> None:
    from wheelhouse.compat.server import parse
    from wheelhouse.edge import probing
    from wheelhouse.outputs.server import page

    text = probing.text(path)
    server = parse(text, str(path))
    if as_json:
        show_json(json.loads(text.removeprefix("\ufeff")))
    else:
        show(page(server))


class _Targets(click.Group):
    """`wheelhouse targets [LABEL]...`, and commands below it: a word that is no command is a label."""

    allow_extra_args = False
    allow_interspersed_args = True

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        word = next((each for each in args if not each.startswith("-")), None)
        if word is not None and word in self.commands:
            args.remove(word)
            return self.commands[word].make_context(f"{info_name} {word}", args, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return click.Command.parse_args(self, ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return click.Command.collect_usage_pieces(self, ctx)


@click.group(cls=_Targets, invoke_without_command=True)
@click.argument("labels", nargs=-1, metavar="[LABEL]...")
@options.as_json
def targets(labels: tuple[str, ...], **given: Any) -> None:
    """Show what a target label means; without one, the parts of a label.

    `auto:FILE` stands for the label that a server's probe proposes, `auto:` for that of this machine.
    """
    from wheelhouse.outputs import facts
    from wheelhouse.outputs.targets import PARTS, explained, parts

    found = targets_of(labels)
    if not given["json"]:
        show((line for target in found for line in explained(target)) if labels else parts())
    elif labels:
        show_json({"targets": [facts.target(target) for target in found]})
    else:
        show_json({"parts": [{"part": part, "values": values} for part, values in PARTS.items()]})


@targets.command("suggest")
@click.argument("label", required=False)
@click.option("--driver", metavar="VERSION", help="The NVIDIA driver, as `nvidia-smi` says it, such as `515.65`.")
@click.option("--gpu", metavar="MODEL", help="The GPU, such as `a100`, `rtx4090` or `sm80`.")
@click.option("--python", metavar="PYTHON", help="The Python, such as `py310`.")
@click.option("--glibc", "--libc", "libc", metavar="VERSION", help="The C library, such as `2.28`, or `rhel8.9`.")
@options.as_json
def suggest(label: str | None, **given: Any) -> None:
    """Show which channels and versions of PyTorch can work on a machine, best first, and why the others cannot.

    The machine is a label, a server that was probed (`auto:probe.json`), this one (`auto:`), or what the options say;
    options beside a label or a probe count first: so a newer driver can be tried.
    """
    from wheelhouse.cli.machines import machine_of
    from wheelhouse.compat import suggest as suggesting

    found = suggesting.suggest(machine_of(label, {name: given[name] for name in ("driver", "gpu", "python", "libc")}))
    if given["json"]:
        show_json(suggesting.facts(found))
        return
    show(suggesting.lines(found))
    if found.machine.label is None:
        show(["", "name its Python for a whole label, such as `--python py310`"])
