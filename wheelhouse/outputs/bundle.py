"""The files of a bundle, or of one target's wheel folder: a lock laid out for a machine that has no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from msgspec import Struct

from wheelhouse.digests import Digest
from wheelhouse.errors import WheelhouseError
from wheelhouse.lock import Lock, LockedPackage, LockedWheel
from wheelhouse.outputs.readme import readme
from wheelhouse.target import Target

FORMAT = 1  # of MANIFEST.json; install.py reads it, see docs on the layout of a bundle
_PATCH_LEVELS = 100  # more than any minor version of CPython ever got


class Entry(Struct, frozen=True, kw_only=True):
    """One file of a layout: text that we write, or a wheel to be linked from the store; exactly one of the two."""

    path: str  # posix, relative to the folder
    content: bytes | None = None
    wheel: LockedWheel | None = None
    executable: bool = False

    def __post_init__(self) -> None:
        if (self.content is None) == (self.wheel is None):
            raise ValueError(f"`{self.path}` needs either content or a wheel")

    @property
    def digest(self) -> Digest:
        """The digest of the file's bytes."""
        if self.wheel is not None:
            return self.wheel.digest
        return Digest.of(self.content or b"")


class NoInstaller(WheelhouseError):
    """The lock names no pip, so that nothing could install the bundle."""

    hint = "run `wheelhouse lock` again: it locks the pip that the offline side runs"

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label

    def __str__(self) -> str:
        return f"the lock of `{self.label}` names no pip to install with"


def layout(
    lock: Lock,
    target: Target,
    *,
    lock_toml: str,
    unpacked: Mapping[str, int],
    needs: Mapping[str, object],
    scripts: Mapping[str, bytes],
    tool: str,
    wheel_folder: str,
) -> tuple[Entry, ...]:
    """Every file to lay out, sorted by path; the same for the same arguments.

    `lock_toml` is the text of `pylock.toml`, its paths relative to the folder; `unpacked` the unpacked bytes by wheel
    file name, as far as known; `needs` what the server itself must have, as JSON values; `scripts` the bytes of the
    programs of the offline side; `tool` this program and its version; `wheel_folder` is `wheels/` in a bundle and empty
    where the wheels lie beside the scripts. Raises `NoInstaller`.
    """
    installer = lock.installer or next((package for package in lock.packages if package.name == "pip"), None)
    if installer is None:
        raise NoInstaller(lock.label)
    manifest = {
        "format": FORMAT,
        "tool": tool,
        "targets": [_manifest(lock, target, installer, unpacked, wheel_folder) | {"needs": dict(needs)}],
    }
    texts = {
        "MANIFEST.json": json.dumps(manifest, indent=2, ensure_ascii=True) + "\n",
        "README.txt": readme(lock, target, pip=wheel_folder + installer.wheel.filename, wheel_folder=wheel_folder),
        "pylock.toml": lock_toml,
        "requirements.txt": requirements(lock.packages),
    }
    entries = [Entry(path=path, content=text.encode()) for path, text in texts.items()]
    entries += [Entry(path=path, content=code, executable=path.endswith(".sh")) for path, code in scripts.items()]
    entries += [Entry(path=wheel_folder + wheel.filename, wheel=wheel) for wheel in lock.wheels()]
    entries.append(Entry(path="SHA256SUMS", content=_sums(entries)))
    return tuple(sorted(entries, key=lambda entry: entry.path))


def requirements(packages: Sequence[LockedPackage]) -> str:
    """The pins with their digests, for `pip install --require-hashes`, one a line, sorted by name."""
    lines = sorted(
        (package.name, f"{package.name}=={package.version} --hash={package.wheel.digest}\n") for package in packages
    )
    return "".join(line for _, line in lines)


def _sums(entries: Sequence[Entry]) -> bytes:
    """In the format of `sha256sum`, sorted by path."""
    return "".join(
        f"{entry.digest.hex}  {entry.path}\n" for entry in sorted(entries, key=lambda entry: entry.path)
    ).encode()


def _manifest(
    lock: Lock, target: Target, installer: LockedPackage, unpacked: Mapping[str, int], wheel_folder: str
) -> dict[str, object]:
    """What install.py needs to know of one target. Sizes are in bytes, null where a wheel's is not known."""
    wanted = {package.wheel.filename for package in lock.packages}
    wheels = lock.wheels()
    return {
        "label": lock.label,
        "os": target.os,
        "arch": target.arch,
        "libc": None if target.libc is None else {"name": target.libc.name, "version": list(target.libc.version)},
        "macos": None if target.macos is None else list(target.macos),
        "accelerator": target.accelerator,
        "driver": target.driver,
        "gpu": target.gpu,
        "implementation": "cpython",
        "python": f"{target.python[0]}.{target.python[1]}",
        "free-threaded": target.free_threaded,
        "requires-python": str(lock.requires_python),
        "python-patches": [list(span) for span in _patches(lock, target)],
        "projects": sorted(lock.roots),
        "installer": wheel_folder + installer.wheel.filename,
        "requirements": "requirements.txt",
        "wheels": [
            {
                "path": wheel_folder + wheel.filename,
                "sha256": wheel.digest.hex,
                "size": wheel.size,
                "installed-size": unpacked.get(wheel.filename),
                "install": wheel.filename in wanted,  # the pip that installs is installed itself only where asked for
            }
            for wheel in wheels
        ],
        "download-size": _total([wheel.size for wheel in wheels]),
        "installed-size": _total([unpacked.get(wheel.filename) for wheel in wheels if wheel.filename in wanted]),
    }


def _patches(lock: Lock, target: Target) -> tuple[tuple[int, int | None], ...]:
    """The patch levels of the target's Python that the lock admits, as closed spans; the last one may have no end.

    So that a program of the standard library alone can judge `requires-python`, whatever operators it uses.
    """
    minor = f"{target.python[0]}.{target.python[1]}"
    spans: list[tuple[int, int | None]] = []
    admitted = [
        patch for patch in range(_PATCH_LEVELS) if lock.requires_python.contains(f"{minor}.{patch}", prereleases=True)
    ]
    for patch in admitted:
        if spans and spans[-1][1] == patch - 1:
            spans[-1] = (spans[-1][0], patch)
        else:
            spans.append((patch, patch))
    if spans and spans[-1][1] == _PATCH_LEVELS - 1:
        spans[-1] = (spans[-1][0], None)
    return tuple(spans)


def _total(sizes: Sequence[int | None]) -> int | None:
    """The sum, or None where one is unknown: a total that is too small would be believed."""
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
