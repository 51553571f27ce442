"""The configuration of the folder that we run in: `wheelhouse.toml`, else `[tool.wheelhouse]` of pyproject.toml."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from wheelhouse import config
from wheelhouse.config import BadConfig, Config
from wheelhouse.edge import files
from wheelhouse.edge.locks import Unreadable
from wheelhouse.errors import UsageError

NAME, PROJECT = "wheelhouse.toml", "pyproject.toml"
_TABLE = ("tool", "wheelhouse")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Found(Struct, frozen=True):
    """A configuration and the folder that its paths start from."""

    config: Config
    folder: Path

    def path(self, text: str) -> Path:
        """A path of the configuration, from where we run."""
        return self.folder / text


def find(folder: Path, environ: Mapping[str, str] = os.environ) -> Found | None:
    """The configuration of a folder; None where it has none. `wheelhouse.toml` wins over pyproject.toml.

    Raises `BadConfig` and `Unreadable`.
    """
    for name in (NAME, PROJECT):
        if (folder / name).is_file():
            found = _read(folder / name, environ)
            if found is not None:
                return found
    return None


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Found:
    """The configuration in a file that was named. Raises as `find`; `UsageError` for a pyproject.toml without it."""
    found = _read(path, environ)
    if found is None:
        raise UsageError(f"`{path}` has no `[tool.wheelhouse]`", hint="write that table, or a `wheelhouse.toml`")
    return found


def write(folder: Path, text: str) -> Path:
    """Write `wheelhouse.toml`. Raises `UsageError` where there is one, which is left as it is, and `CannotWrite`."""
    path = folder / NAME
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"`{path}` is there already", hint="edit it, or move it away") from None
    except OSError as error:
        raise files.CannotWrite(path, (error.strerror or str(error)).lower()) from error
    return path


def _read(path: Path, environ: Mapping[str, str]) -> Found | None:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Unreadable(path, reason.lower()) from error
    if path.name == PROJECT and "wheelhouse" not in text:
        return None  # it may even be no TOML: that is for those who need it
    parsed = config.parse(text, str(path), table=_TABLE if path.name == PROJECT else ())
    return None if parsed is None else Found(_placed(_expanded(parsed, environ), path.parent), path.parent)


def _placed(parsed: Config, folder: Path) -> Config:
    """The files of probes among the targets (`auto:probe.json`) from where we run."""

    def placed(label: str) -> str:
        before, auto, name = label.partition("auto:")
        return f"auto:{folder / name.strip()}" if auto and name.strip() and not before.strip() else label

    return replace(parsed, targets=tuple(placed(label) for label in parsed.targets))


def _expanded(parsed: Config, environ: Mapping[str, str]) -> Config:
    """`${NAME}` in URLs taken from the environment, so that no password need stand in the file."""

    def expand(text: str, key: str) -> str:
        def value(match: re.Match[str]) -> str:
            found = environ.get(match[1])
            if not found:
                hint = f"type `export {match[1]}=…` before"
                raise BadConfig(parsed.source, key, f"names `{match[1]}`, which is not set", hint=hint)
            return found

        return _VARIABLE.sub(value, text)

    return replace(
        parsed,
        index_url=None if parsed.index_url is None else expand(parsed.index_url, "index-url"),
        pytorch_url=None if parsed.pytorch_url is None else expand(parsed.pytorch_url, "pytorch-url"),
        indexes=tuple(
            replace(each, url=expand(each.url, f"indexes[{at}].url")) for at, each in enumerate(parsed.indexes)
        ),
    )
