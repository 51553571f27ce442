"""The commands that give a mirror to clients: the embedded server, nginx's configuration, users."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import click

from wheelhouse.cli import options
from wheelhouse.cli.mirror_options import endpoint
from wheelhouse.cli.talk import console_of
from wheelhouse.errors import UsageError

_place = click.argument("place", metavar="MIRROR")
_users = click.option(
    "--basic-auth-file",
    "users",
    type=options.FILE,
    metavar="FILE",
    help="Ask for a user name and a password of this file (`htpasswd -B`, `wheelhouse mirror password`).",
)


@click.command()
@_place
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="The address to listen on; 0.0.0.0: every one.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="The port; 0: one that is free."
)
@click.option("--cert", type=options.FILE, metavar="FILE", help="Serve TLS with this certificate (PEM).")
@click.option(
    "--key", type=options.FILE, metavar="FILE", help="The certificate's private key, where it has its own file."
)
@_users
@click.option(
    "--access-log", type=options.FILE, metavar="FILE", help="Write the access log there; without it, to stderr."
)
@click.option(
    "--grace", type=click.IntRange(0, 3600), default=10, show_default=True, metavar="SECONDS",
    help="How long a stop waits for downloads under way.",
)  # fmt: skip
@click.option(
    "--patience", type=click.IntRange(1, 3600), default=60, show_default=True, metavar="SECONDS",
    help="A lowest rate: who sends no whole request, or takes less than about 150 kB of a download, in this time is cut"
    " off. 60 means 2.5 kB a second.",
)  # fmt: skip
@endpoint
@options.general
def serve(**given: Any) -> None:
    """Serve a mirror to pip, uv and browsers, until Ctrl-C or SIGTERM.

    The embedded server: pages in JSON and HTML, ranges, gzip, TLS, a health check at `/healthz`. It only reads.
    """
    from wheelhouse.edge.mirror.places import opened
    from wheelhouse.edge.mirror.s3 import Missing
    from wheelhouse.edge.mirror.tree import identity
    from wheelhouse.events import Said, Warned

    if given["key"] is not None and given["cert"] is None:
        raise UsageError("`--key` is of a certificate, and there is none", hint="name it by `--cert`")
    try:
        from wheelhouse.edge.mirror.serving import passwords
        from wheelhouse.edge.mirror.serving.server import MirrorServer, Settings
        from wheelhouse.edge.mirror.serving.source import source_of
    except ImportError:
        raise Missing("`wheelhouse mirror serve`") from None
    storage = opened(given["place"], endpoint=given["endpoint"])
    identity(storage)
    gate = None if given["users"] is None else passwords.read(given["users"])
    with console_of(given) as console, ExitStack() as stack:
        server = MirrorServer(
            source_of(storage),
            Settings(**{name: given[name] for name in ("host", "port", "cert", "key", "grace", "patience")}),
            gate=gate,
            access_log=_log(given["access_log"], quiet=given["quiet"], stack=stack),
            tell=lambda sentence: console.listen(Warned(sentence)),
        )
        if gate is not None and given["cert"] is None and not server.is_local:
            console.listen(Warned("passwords cross the network readable: give `--cert` and `--key`"))
        console.listen(Said(f"`{storage.name}` is served at {server.url}"))
        server.run()
        console.listen(Said("stopped"))


def _log(path: Path | None, *, quiet: bool, stack: ExitStack) -> IO[str] | None:
    if path is not None:
        return stack.enter_context(path.open("a", encoding="ascii"))
    return None if quiet else sys.stderr


@click.command("nginx-conf")
@_place
@click.option("--listen", default="127.0.0.1:8080", show_default=True, metavar="ADDRESS:PORT", help="Where to listen.")
@click.option("--server-name", default="_", metavar="NAME", help="The host name that clients use.")
@click.option("--tls", type=options.FILE, nargs=2, metavar="CERT KEY", help="Serve TLS with this certificate and key.")
@_users
def nginx_conf(place: str, listen: str, server_name: str, tls: tuple[Path, Path] | None, users: Path | None) -> None:
    """Print a configuration of nginx that serves a mirror in a folder.

    Write it into a file of `conf.d`: it belongs into nginx's `http` block. The files are read by nginx's own user.
    """
    from wheelhouse.edge.mirror.places import opened
    from wheelhouse.edge.mirror.storage import Directory
    from wheelhouse.edge.mirror.tree import identity
    from wheelhouse.mirroring.nginx import Site, configuration

    storage = opened(place)
    if not isinstance(storage, Directory):
        raise UsageError(
            f"nginx reads folders, and `{place}` is a bucket",
            hint="`wheelhouse mirror serve` serves it, or a front end of the object store",
        )
    identity(storage)
    cert, key = (None, None) if tls is None else (str(path.absolute()) for path in tls)
    site = Site(
        root=str(storage.root.absolute()),
        listen=listen,
        server_name=server_name,
        cert=cert,
        key=key,
        users=None if users is None else str(users.absolute()),
    )
    click.echo(configuration(site), nl=False)


@click.command()
@click.argument("name", metavar="NAME")
def password(name: str) -> None:
    """Ask for a user's password, and print the line for `--basic-auth-file`.

    Append it to the file: `wheelhouse mirror password anna >> users`. nginx reads the same file.
    """
    from wheelhouse.edge.mirror.s3 import Missing

    try:
        from wheelhouse.edge.mirror.serving import passwords
    except ImportError:
        raise Missing("`wheelhouse mirror password`") from None
    told = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    try:
        click.echo(passwords.line(name, told))
    except ValueError as error:
        raise UsageError(str(error)) from None
