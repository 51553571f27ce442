"""What a binary wants of the server: a glibc, a libstdc++, and libraries that no wheel brings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from packaging.utils import NormalizedName

from wheelhouse.compat.binaries.closure import Closure, Owned, family_of, names_of
from wheelhouse.compat.binaries.model import Elf, Level
from wheelhouse.compat.binaries.symbols import is_known
from wheelhouse.compat.model import Finding, Severity
from wheelhouse.data import table


def glibc(closure: Closure) -> Iterator[Finding]:
    """`glibc`: version nodes over the target's. A wheel's tag is a promise, its binaries are the truth.

    The loader checks every version node that a library needs before it runs any of it (ld.so(8)), so an import fails.
    A plugin, which may never be loaded, is a note. libstdc++ is a warning: it is judged by the newest one known of a
    distribution with that glibc, and left alone where a wheel brings its own.
    """
    libc = closure.subject.target.libc
    if libc is None or libc.name != "glibc":
        return
    for required in (True, False):
        for project, worst in _worst(closure, lambda elf: elf.glibc, libc.version, required).items():
            pin, wanted, has = closure.subject.pins[project], _dotted(worst.elf.glibc), _dotted(libc.version)
            yield Finding(
                rule="glibc",
                severity=Severity.ERROR if required else Severity.NOTE,
                what=f"`{pin}` needs glibc {wanted}, and the target has {has}",
                why=f"`{worst.elf.name}` does not load: `version 'GLIBC_{wanted}' not found`",
                way_out=f"an older `{project}`, or a server with glibc {wanted} or newer: `--target …-glibc{wanted}`",
                projects=names_of((project,)),
            )
    if closure.brought("libstdc++.so.6"):
        return
    families: dict[str, Callable[[Elf], Level | None]] = {
        "GLIBCXX": lambda elf: elf.glibcxx,
        "CXXABI": lambda elf: elf.cxxabi,
    }
    for family, told in families.items():
        known = _newest(family, libc.version)
        if known is None:
            continue
        for project, worst in _worst(closure, told, known, required=True).items():
            level = f"{family}_{_dotted(told(worst.elf))}"
            yield Finding(
                rule="glibc",
                severity=Severity.WARNING,
                what=f"`{closure.subject.pins[project]}` needs `{level}`, and distributions with glibc"
                f" {_dotted(libc.version)} bring {family}_{_dotted(known)} at most",
                why=f"`{worst.elf.name}` does not load: `libstdc++.so.6: version '{level}' not found`",
                way_out=f"an older `{project}`, or a newer libstdc++ on the server",
                projects=names_of((project,)),
            )


def _worst(
    closure: Closure, level: Callable[[Elf], Level | None], limit: Level, required: bool
) -> dict[NormalizedName, Owned]:
    """Of each project the file that wants most over `limit`; plugins only of projects where nothing else does."""
    found: dict[NormalizedName, Owned] = {}
    done = set() if required else {each.project for each in closure.files if _over(each, level, limit, closure, True)}
    for each in closure.files:
        if each.project in done or not _over(each, level, limit, closure, required):
            continue
        so_far = found.get(each.project)
        if so_far is None or (level(each.elf) or ()) > (level(so_far.elf) or ()):
            found[each.project] = each
    return found


def _over(each: Owned, level: Callable[[Elf], Level | None], limit: Level, closure: Closure, required: bool) -> bool:
    return (level(each.elf) or ()) > limit and closure.is_required(each) == required


def _newest(family: str, libc: Level) -> Level | None:
    """The newest version of libstdc++'s interface that a distribution with at most this glibc brings."""
    levels = [_parsed(row[family]) for row in table("link.json")["libstdcxx"] if _parsed(row["glibc"]) <= libc]
    return max(levels, default=None)


def _parsed(text: str) -> Level:
    return tuple(int(part) for part in text.split("."))


def _dotted(level: Level | None) -> str:
    return ".".join(str(part) for part in level or ())


def missing_libraries(closure: Closure) -> Iterator[Finding]:
    """`desktop-library`, `binary`: libraries that an import needs and that neither a wheel nor every Linux brings.

    A probe's word counts: what it saw is no finding, what it saw missing is an error. CUDA's libraries count only for
    CUDA targets. While some wheel's binaries are not known, only the libraries of a desktop are judged.
    """
    desktop = frozenset(row["library"] for row in table("link.json")["desktop"])
    server = closure.subject.server
    seen = server.libraries if server is not None else {}
    found: dict[tuple[NormalizedName, str, Severity], dict[str, Owned]] = {}
    for most, each, library in _lacking(closure):
        if seen.get(library) is None and (closure.complete or library in desktop):
            sure = Severity.ERROR if library in seen else Severity.WARNING
            rule = "desktop-library" if library in desktop else "binary"
            found.setdefault((each.project, rule, sure if most else Severity.NOTE), {})[library] = each
    for (project, rule, severity), users in sorted(found.items(), key=lambda item: item[0]):
        build = _desktop if rule == "desktop-library" else _unknown
        yield build(closure, project, users, severity)


def _lacking(closure: Closure) -> Iterator[tuple[bool, Owned, str]]:
    """Each library that is missing, who needs it, and whether most of a project's modules cannot do without.

    What a few of many modules need is a part that its project can do without (numba's omppool and tbbpool).
    """
    counts: dict[tuple[NormalizedName, str, str], int] = {}
    users: dict[tuple[NormalizedName, str, str], Owned] = {}
    most: set[tuple[NormalizedName, str, str]] = set()
    for entries in closure.entries().values():
        counts.clear()
        for entry in entries:
            for each in closure.reach(entry):
                for library in each.elf.needed:
                    if not is_known(closure, library) and not _is_for_gpus(closure, library):
                        key = (each.project, each.elf.path, library)
                        users[key] = each
                        counts[key] = counts.get(key, 0) + 1
        most.update(key for key, count in counts.items() if 2 * count >= len(entries))
    for key, each in sorted(users.items(), key=lambda item: item[0]):
        yield key in most, each, key[2]


def _is_for_gpus(closure: Closure, library: str) -> bool:
    return family_of(library) is not None and not (closure.subject.target.accelerator or "").startswith("cu")


def _desktop(closure: Closure, project: NormalizedName, users: dict[str, Owned], severity: Severity) -> Finding:
    rows = [row for row in table("link.json")["desktop"] if row["library"] in users]
    rhel, debian = (" ".join(dict.fromkeys(row[kind] for row in rows)) for kind in ("rhel", "debian"))
    packages = f"on the server `dnf install {rhel}`, or `apt-get install {debian}`"
    other = table("link.json")["headless"].get(project)
    libraries = [row["library"] for row in rows]
    return Finding(
        rule="desktop-library",
        severity=severity,
        what=f"`{closure.subject.pins[project]}` needs {_listed(libraries)}, which no wheel brings",
        why=f"a small server may lack them: `{libraries[0]}: cannot open shared object file`",
        way_out=f"`{other}` instead of `{project}`\n{packages}" if other else packages,
        projects=names_of((project,)),
    )


def _unknown(closure: Closure, project: NormalizedName, users: dict[str, Owned], severity: Severity) -> Finding:
    libraries = sorted(users)
    worst = users[libraries[0]].elf
    if libraries[0].startswith("libpython"):
        way_out = "a Python that was built with `--enable-shared`, or a version of the project that does not need it"
    else:
        way_out = "have the libraries installed on the server, or add the project that brings them"
    return Finding(
        rule="binary",
        severity=severity,
        what=f"`{closure.subject.pins[project]}` needs {_listed(libraries)}, which no wheel of the set brings",
        why=f"`{worst.name}` does not load: `{libraries[0]}: cannot open shared object file`",
        way_out=way_out,
        projects=names_of((project,)),
    )


def _listed(libraries: list[str]) -> str:
    names = ", ".join(f"`{library}`" for library in libraries[:3])
    return f"{names} and {len(libraries) - 3} more" if len(libraries) > 3 else names
