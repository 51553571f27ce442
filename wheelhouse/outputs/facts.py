"""What commands print with `--json`: plain values whose keys stay. Sizes are bytes, null where no index tells one.

`KEYS` says what each key means; docs/reference.md is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from packaging.utils import NormalizedName

from wheelhouse.lock import Lock, LockedPackage
from wheelhouse.outputs.sizes import bundled, installed, total
from wheelhouse.outputs.tree import chain
from wheelhouse.target import Target

Facts = dict[str, object]

KEYS: Mapping[str, str] = {
    "lock: `locks`": "for each lock that was written: `target`, `path`, `packages` (count), `size`, `installed`"
    " (what they take on disk, null where that is not known before the download), `bundle` (its size), `held-back`"
    " (`name`, `version`, `newer`, `reason`) and `stand-in` (the channel that PyPI stands in for, or null)",
    "fetch: `folders`": "for each wheel folder: `target`, `path`, `wheels` (count, the installer's too) and `size`",
    "bundle, build: `bundles`": "for each bundle: `target`, `path`, `wheels` and `size`",
    "verify: `good`": "the paths that are what they should be",
    "tree: `locks`": "for each lock: `target`, `path`, `size`, `installed`, `roots` and `packages` (`name`, `version`,"
    " `file`, `size`, `installed`, `sha256`, `index`, `built`, `dependencies`); `built`: its wheel is made from a"
    " source distribution",
    "why: `name`, `locks`": "for each lock that has the project: `target`, `path`, `version`, `chain`, `required-by`"
    " (`by`, `requirement`; `by` is null for what was asked for, `(constraint)` for a constraint) and `held-back`"
    " (`newer`, `reason`)",
    "why NAME==VERSION: `name`, `version`, `locks`": "for each lock: `target`, `path`, `locked` (the version in the"
    " lock), `listed` (the index's versions that were meant), `refused` (`file`, `reason`), `excluded-by` (`by`,"
    " `version`, `requirement`), `needs` (`requirement`, `locked`: what it requires and the lock cannot give) and"
    " `note` (null, or what else keeps it away)",
    "diff: `old`, `new`": "`target`, `packages` (count) and `size`",
    "diff: `changes`": "`name`, `kind` (`added`, `removed`, `upgraded`, `downgraded`, `rebuilt`), `old` and `new`"
    " (`version`, `file`, `size`, `sha256`; null where a lock lacks the project)",
    "targets: `targets`": "for each label: `label`, `lock`, `os`, `arch`, `accelerator`, `python`, `patches` (the patch"
    " levels that count), `free-threaded`, `libc`, `macos`, `driver`, `gpu` and `tags`, best first",
    "targets: `parts`": "without a label: `part` and `values` of each part of one",
    "targets suggest: `machine`, `options`, `refused`, `pypi`": "the machine that was meant; for each channel that can"
    " work, best first, `channel`, `target`, `torch` (its versions, oldest first), `native` (the driver is as new as"
    " the build), `plain` (the newest is one of them) and `reason` (why the newest is not); `channel` and `reason` of"
    " the others; `torch`, `works` and `reason` of PyPI's own builds",
    "probe": "what the probe saw: its own JSON, also with `--read`; with `--write` the paths, `programs`",
    "mirror add": "`mirror`, `locks` (`<label>/<sha256>` of each), `files` (wheels that they name), `size`, `new` and"
    " `new-size` (those that were not there) and `pages` (count of those that changed)",
    "mirror remove": "`mirror`, `files` (names that came off a page) and `pages` (count of those that changed)",
    "mirror gc": "`mirror`, `removed` (whether they are), `files` (count of wheels), `size` and `keys` (of wheels,"
    " their metadata, and what a crash left)",
    "mirror verify": "`mirror`, `files` (count that was judged), `size` (bytes that were read), `problems` and"
    " `repaired`, a sentence each",
    "mirror list": "`mirror` and `projects` (`name`, `newest`, `files`, `size`, `targets`, `channels`, `simple`)",
    "mirror list PROJECT": "`mirror`, `name` and `files` (`file`, `version`, `sha256`, `size`, `requires-python`,"
    " `yanked`, `added`, `targets`, `locks`, `pages`)",
    "mirror list --locks": "`mirror` and `locks` (`lock`, `target`, `files`, `size`, `added`; null where it is not"
    " known)",
    "mirror diff": "`left` and `right`, what each alone has: `locks`, `files`, `size` and `entries` (`page`, `file`)",
    "mirror export": "`path`, `wheels` (count), `size`, `mirror` (its id), `since` (the other side's id, or null),"
    " `locks` and `files` (count of those that the locks name)",
    "mirror import": "`mirror`, and counts: `locks`, `files` (wheels that it names), `new` and `pages`",
    "cache info": "`folder`, and `count` and `size` of `wheels`, `unfinished` and `pages`",
}


def locked(lock: Lock, path: Path) -> Facts:
    """A lock that was written."""
    return {
        "target": lock.label,
        "path": str(path),
        "packages": len(lock.pins()),
        "size": total(lock),
        "installed": installed(lock),
        "bundle": bundled(lock),
        "held-back": [
            {
                "name": each.name,
                "version": str(pin.version) if (pin := lock.package(each.name)) is not None else None,
                "newer": str(each.newer),
                "reason": each.reason,
            }
            for each in lock.held_back
        ],
        "stand-in": lock.stand_in,
    }


def laid_out(label: str, path: Path, sizes: Mapping[str, int]) -> Facts:
    """A wheel folder or a bundle; `sizes` by the wheels' file names."""
    return {"target": label, "path": str(path), "wheels": len(sizes), "size": sum(sizes.values())}


def tree(lock: Lock, path: Path) -> Facts:
    """Everything that a lock pins."""
    built = {each.name for each in lock.builds}
    return {
        "target": lock.label,
        "path": str(path),
        "size": total(lock),
        "installed": installed(lock),
        "roots": list(lock.roots),
        "packages": [
            {
                "name": pin.name,
                "version": str(pin.version),
                "file": pin.file.filename,
                "size": pin.file.size,
                "installed": pin.installed if isinstance(pin, LockedPackage) else None,
                "sha256": pin.file.digest.hex,
                "index": pin.index,
                "built": pin.name in built or not isinstance(pin, LockedPackage),
                "dependencies": list(pin.dependencies),
            }
            for pin in lock.pins()
        ],
    }


def why(lock: Lock, path: Path, name: NormalizedName) -> Facts | None:
    """Why a project is in a lock; None where it is not."""
    pin = lock.package(name)
    if pin is None:
        return None
    required_by = []
    for line in pin.required_by:
        who, _, what = line.partition(": ")
        required_by.append({"by": None if who == "(asked for)" else who, "requirement": what})
    held = [{"newer": str(each.newer), "reason": each.reason} for each in lock.held_back if each.name == name]
    return {
        "target": lock.label,
        "path": str(path),
        "version": str(pin.version),
        "chain": chain(lock, name),
        "required-by": required_by,
        "held-back": held[0] if held else None,
    }


def target(found: Target) -> Facts:
    """What a label stands for."""
    return {
        "label": found.label,
        "lock": found.lock_name,
        "os": found.os,
        "arch": found.arch,
        "accelerator": found.accelerator,
        "python": f"{found.python[0]}.{found.python[1]}",
        "patches": [each["python_full_version"] for each in found.environments],
        "free-threaded": found.free_threaded,
        "libc": None if found.libc is None else f"{found.libc.name} {found.libc.version[0]}.{found.libc.version[1]}",
        "macos": None if found.macos is None else f"{found.macos[0]}.{found.macos[1]}",
        "driver": found.driver,
        "gpu": found.gpu,
        "tags": [str(tag) for tag in found.tags],
    }
