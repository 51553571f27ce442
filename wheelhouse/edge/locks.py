"""Lock files on disk: ours, and those of other tools."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from msgspec import Struct

from wheelhouse.edge import files
from wheelhouse.errors import UsageError, WheelhouseError
from wheelhouse.lock import Lock, dump, parse
from wheelhouse.target import Target


class Unreadable(WheelhouseError):
    """A file that was named cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"`{self.path}` cannot be read: {self.reason}"


class Opened(Struct, frozen=True):
    """A lock and its file. `adopted`: another tool wrote it, so that it names no pip."""

    path: Path
    lock: Lock
    adopted: bool = False


def read(path: Path) -> Lock:
    """The lock in a file. Raises `Unreadable` and `BadLock`."""
    return parse(_text(path), source=str(path), folder=path.absolute().parent)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Unreadable(path, reason.lower()) from error


def previous(folder: Path, target: Target) -> Lock | None:
    """The lock that an earlier run wrote for the target, if there is one. Raises as `read`."""
    path = folder / target.lock_name
    return read(path) if path.exists() else None


def write(lock: Lock, folder: Path, target: Target) -> Path:
    """Write the lock under its name; a file that says the same already is left as it is."""
    path = folder / target.lock_name
    content = dump(lock, folder=folder.absolute()).encode()
    try:
        if not path.is_file() or path.read_bytes() != content:
            files.write_atomically(path, content)
    except OSError as error:
        raise files.CannotWrite(path, (error.strerror or str(error)).lower()) from error
    return path


def find(
    paths: Sequence[Path],
    folder: Path,
    targets: Sequence[Target],
    *,
    machines: Sequence[Target] = (),
    extras: Collection[str] = (),
    groups: Collection[str] = (),
) -> tuple[Opened, ...]:
    """The locks that were named, of these the targets' where some are named; else those of the targets, else every
    lock in the folder; by file name.

    A lock that another tool wrote is taken for each of the targets, else of `machines`, with these extras and groups of
    its project. Raises `UsageError` where there is no lock, no machine to take one for, or none for a target; what
    `read` raises, and what `adopt` raises.
    """
    if not paths:
        every = sorted(folder.glob("pylock.*.toml"))
        paths = [folder / target.lock_name for target in targets] if targets else every
        missing = [path for path in paths if not path.is_file()]
        if missing or not paths:
            what = f"there is no lock `{missing[0]}`" if missing else f"there is no lock in `{folder}`"
            raise UsageError(what, hint="run `wheelhouse lock` first, or name the lock")
        return tuple(Opened(path, read(path)) for path in paths)
    found = [each for path in paths for each in _open(path, targets or machines, extras, groups)]
    if not targets:
        return tuple(found)
    labels = {each.lock.label for each in found}
    for target in targets:
        if target.label not in labels:
            shown = ", ".join(f"`{each}`" for each in sorted(labels))
            raise UsageError(f"none of these locks is for `{target.label}`", hint=f"they are for {shown}")
    return tuple(each for each in found if Target.parse(each.lock.label) in targets)


def _open(
    path: Path, targets: Sequence[Target], extras: Collection[str], groups: Collection[str]
) -> tuple[Opened, ...]:
    text = _text(path)
    if _is_ours(text):
        if extras or groups:
            what = f"`{path}` is a lock of wheelhouse: extras and groups were chosen when it was written"
            raise UsageError(what, hint="leave out `--extra` and `--group`")
        return (Opened(path, read(path)),)
    if not targets:
        raise UsageError(
            f"`{path}` is a lock that another tool wrote, and no target is named",
            hint=f"say which machine it is for: `wheelhouse fetch {path} --target linux-x86_64-cu121-py310`",
        )
    from wheelhouse.lock.foreign import adopt  # it loads much that our own locks do not need

    return tuple(
        Opened(
            path,
            adopt(text, source=str(path), folder=path.absolute().parent, target=target, extras=extras, groups=groups),
            adopted=True,
        )
        for target in targets
    )


def _is_ours(text: str) -> bool:
    """Whether wheelhouse wrote the lock. What is no TOML, or no lock at all, counts as ours: it is refused as that."""
    if "[tool.wheelhouse]" in text:
        return True
    import tomllib  # for locks that are not ours

    try:
        table = tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return True
    tool = table.get("tool")
    ours = tool.get("wheelhouse") if isinstance(tool, dict) else None
    if isinstance(ours, dict) and "target" in ours:
        return True
    return not {"lock-version", "version", "metadata"} & table.keys()  # PEP 751, uv, and others to be told what to do


def laid_out(folder: Path) -> Lock | None:
    """The lock that an earlier `fetch` put into a wheel folder; None where there is none that can be read."""
    try:
        return read(folder / "pylock.toml")
    except WheelhouseError:
        return None
