"""Index URLs as they were typed or written: the credentials come out of them, and folders become URLs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from wheelhouse.errors import UsageError
from wheelhouse.indexes import Index
from wheelhouse.urls import origin, split_credentials


class Addresses:
    """Makes indexes of texts, and gathers the credentials that these hold, by origin."""

    def __init__(self) -> None:
        self.credentials: dict[str, tuple[str, str]] = {}

    def index_url(self, text: str, folder: Path = Path()) -> str:
        """An index's URL without credentials; a folder (from `folder` on) becomes one. Raises `UsageError`."""
        plain, pair = _index_url(text, folder)
        if pair is not None:
            self.credentials[origin(plain)] = pair
        return plain

    def find_links(self, text: str, folder: Path = Path()) -> Index:
        """A folder or page of links. Raises `UsageError`."""
        if "://" in text:
            return Index(self.index_url(text), find_links=True)
        try:
            path = folder / Path(text).expanduser()
        except RuntimeError:  # `~name`, and nobody has that name
            path = folder / text
        if not path.exists():
            raise UsageError(f"the find-links folder `{text}` does not exist", hint="correct `--find-links`")
        return Index(path.absolute().as_uri(), find_links=True)


def _index_url(text: str, folder: Path) -> tuple[str, tuple[str, str] | None]:
    try:
        scheme = urlsplit(text).scheme
        if scheme in ("http", "https") and urlsplit(text).hostname and urlsplit(text).port != 0:
            return split_credentials(text)
    except ValueError:
        scheme = ""
    if scheme == "file":
        return text, None
    if (folder / text).is_dir():
        return (folder / text).absolute().as_uri(), None
    without_password = text.rpartition("@")[2]
    raise UsageError(f"`{without_password}` is no index URL", hint="an index is `https://HOST/simple`, or a folder")
