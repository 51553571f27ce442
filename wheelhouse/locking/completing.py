"""What the pages left open of a resolution: digests and sizes, and what its wheels take installed."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from packaging.utils import NormalizedName

from wheelhouse.digests import Digest
from wheelhouse.edge.direct import OtherBytes
from wheelhouse.edge.index import shown
from wheelhouse.edge.session import Session
from wheelhouse.events import Warned
from wheelhouse.lock import LockedWheel
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.resolve.resolution import Resolution


def check_hashes(candidate: Candidate, digest: Digest, hashes: Mapping[NormalizedName, frozenset[Digest]]) -> None:
    """A file that nobody told the digest of, now that it is there. Raises `OtherBytes`."""
    if digest not in hashes.get(candidate.project, (digest,)):
        raise OtherBytes(candidate.file.filename, "its requirement names other hashes", actual=digest)


class Completed(Struct, frozen=True, kw_only=True):
    """By file URL: digests and sizes (bytes) that no page told, and what wheels take installed (bytes).

    `installed` holds what is known before the download, and nothing of the installer.
    """

    digests: Mapping[str, Digest]
    sizes: Mapping[str, int]
    installed: Mapping[str, int]


def complete(
    resolution: Resolution,
    installer: Candidate,
    session: Session,
    hashes: Mapping[NormalizedName, frozenset[Digest]],
) -> Completed:
    """What the pages left open: digests by download (said aloud), sizes by HEAD and contents by ranges, all at once."""
    candidates = [*(pin.candidate for pin in resolution.pins), installer]
    digests: dict[str, Digest] = {}
    sizes: dict[str, int] = {}
    for candidate in candidates:
        if candidate.file.digest is None and candidate.is_sdist:
            path, digests[candidate.file.url] = session.sdists.fetch(candidate.file.filename, candidate.file.url, None)
            sizes[candidate.file.url] = path.stat().st_size
        elif candidate.file.digest is None:
            if not candidate.index.find_links:
                session.listen(
                    Warned(
                        f"`{shown(candidate.index)}` gives no digest for `{candidate.file.filename}`; it is computed"
                    )
                )
            digests[candidate.file.url], sizes[candidate.file.url] = session.wheels.digest(candidate.file)
            check_hashes(candidate, digests[candidate.file.url], hashes)
    unsized = [candidate.file for candidate in candidates if candidate.file.url not in sizes]
    tasks = [(file, session.workers.submit(session.wheels.size, file)) for file in unsized]
    files = [pin.candidate.file for pin in resolution.pins if not pin.candidate.is_sdist]
    wheels = [
        LockedWheel(filename=file.filename, url=file.url, digest=file.digest or digests[file.url], size=file.size)
        for file in files
    ]
    contents = session.wheels.contents.every(wheels, session.workers)
    for file, task in tasks:
        size = session.shared.wait(task)
        if size is not None:
            sizes[file.url] = size
    installed = {wheel.url: contents[wheel.filename].on_disk for wheel in wheels if wheel.filename in contents}
    return Completed(digests=digests, sizes=sizes, installed=installed)
