"""A probed server for people to read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from rich.filesize import decimal

from wheelhouse.compat.server import Gpu, SeenPython, Server, Space

WIDTH = 80  # columns; the page of the probe itself has as many
_NAME = 14


def page(server: Server) -> Iterator[str]:
    """What counts of a server, a line each, within 80 columns where paths allow it."""
    yield server.label or "no target: this machine is none that wheels can be locked for"
    for name, text in _facts(server):
        yield from textwrap.wrap(
            text,
            WIDTH,
            initial_indent=f"  {name:<{_NAME}} ",
            subsequent_indent=" " * (_NAME + 3),
            break_long_words=False,
            break_on_hyphens=False,
        )


def _facts(server: Server) -> Iterator[tuple[str, str]]:
    machine = " on ".join(each for each in (server.kernel, server.arch) if each)
    yield "system", ", ".join(each for each in (server.distribution or server.os, machine) if each) or "not known"
    inside = server.container or ""
    if server.ngc:
        inside += f"{', ' if inside else ''}NGC {server.ngc}, which brings its own torch"
    if inside:
        yield "container", inside
    if server.libc is not None:
        name, (major, minor) = server.libc
        yield "C library", f"{name} {major}.{minor}"
    else:
        yield "C library", "not known"
    for at, python in enumerate(server.pythons):
        yield "" if at else "Python", _python(python)
    if not server.pythons:
        yield "Python", "none was found"
    yield "driver", _driver(server)
    for at, gpu in enumerate(server.gpus):
        yield "" if at else "GPU", _gpu(gpu)
    if not server.gpus:
        yield "GPU", "none was found"
    for at, (path, version) in enumerate((*server.toolkits, *server.cudnn)):
        yield "" if at else "CUDA there", f"{path} ({version or 'version not known'})"
    for at, (library, path, by) in enumerate(server.shadows):
        yield "" if at else "found first", f"{library} in {path}, by {by}"
    for name, things in (("libraries", server.libraries), ("programs", server.programs)):
        if missing := _missing(things):
            yield name, f"missing: {missing}"
    for at, place in enumerate(server.space):
        yield "" if at else "space", _space(place)
    if server.selinux:
        yield "SELinux", server.selinux
    for at, (name, value) in enumerate(sorted(server.environment.items())):
        yield "" if at else "environment", f"{name}={value}"
    for at, problem in enumerate(server.problems):
        yield "" if at else "problems", problem


def _python(python: SeenPython) -> str:
    version = "{}.{}.{}".format(*python.version)
    able = [python.abi or python.implementation]
    able.append("venv" if python.venv and python.ensurepip else "venv without pip" if python.venv else "no venv")
    able.append(f"pip {python.pip}" if python.pip else "no pip")
    if python.headers is not None:
        able.append("headers" if python.headers else "no headers")
    return f"{version} {python.path} ({', '.join(able)})"


def _driver(server: Server) -> str:
    if server.driver is None:
        return "none of NVIDIA was found"
    return server.driver + (f", CUDA {server.driver_cuda}" if server.driver_cuda else "")


def _gpu(gpu: Gpu) -> str:
    told = [gpu.name]
    if gpu.capability is not None:
        told.append("sm{}{}".format(*gpu.capability))
    if gpu.memory is not None:
        told.append(decimal(gpu.memory))
    return ", ".join(told)


def _missing(things: Mapping[str, str | None]) -> str:
    """What is not there; of several releases of one library (`libmpi.so.12`, `libmpi.so.40`) one is enough."""
    families: dict[str, list[str]] = {}
    for name in things:
        families.setdefault(name.partition(".so")[0], []).append(name)
    gone = [
        family if len(names) > 1 else names[0]
        for family, names in families.items()
        if all(things[name] is None for name in names)
    ]
    return " ".join(gone)


def _space(place: Space) -> str:
    free = "not known" if place.free is None else f"{decimal(place.free)} free"
    of = "" if place.total is None else f" of {decimal(place.total)}"
    limits = [
        text
        for text, holds in (
            ("noexec: nothing there may be run", place.noexec),
            ("read-only", place.read_only),
            ("not writable", place.writable is False),
        )
        if holds
    ]
    return ", ".join([f"{place.path or place.what}: {free}{of}", *limits])
