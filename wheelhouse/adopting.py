"""A lock that another tool wrote, made whole: the sizes that it does not tell, and the pip of the offline side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from wheelhouse.edge import locks
from wheelhouse.edge.session import Session
from wheelhouse.errors import WheelhouseError
from wheelhouse.lock import Lock, LockedPackage
from wheelhouse.locking import PIP, Wanted, installer_for
from wheelhouse.simple import File
from wheelhouse.target import Target


class NotFetched(WheelhouseError):
    """A lock that another tool wrote is to be bundled before it was fetched."""

    def __init__(self, path: Path, label: str) -> None:
        super().__init__(path, label)
        self.path, self.label = path, label
        self.hint = f"`wheelhouse fetch {path} --target {label}`"

    def __str__(self) -> str:
        return f"`{self.path}` is not fetched for `{self.label}`"


def completed(lock: Lock, wheel_dir: Path, session: Session, wanted: Callable[[], Wanted]) -> Lock:
    """The adopted lock, ready to be fetched.

    What an earlier fetch of the same lock found is kept; else servers are asked for sizes, and the indexes of `wanted`
    for the pip, unless the lock pins one. Raises what `installer_for` raises.
    """
    before = fetched(lock, wheel_dir)
    if before is not None:
        return before
    installer = None if lock.package(PIP) else installer_for(wanted(), Target.parse(lock.label), session)
    return replace(_sized(lock, session), installer=installer)


def fetched(lock: Lock, wheel_dir: Path) -> Lock | None:
    """The adopted lock as an earlier fetch completed it; None where none did."""
    before = locks.laid_out(wheel_dir / lock.label)
    if before is None or before.inputs != lock.inputs:
        return None
    sizes = {wheel.digest: wheel.size for wheel in before.wheels()}
    packages = tuple(_with_size(each, each.wheel.size or sizes.get(each.wheel.digest)) for each in lock.packages)
    return replace(lock, packages=packages, installer=before.installer)


def _sized(lock: Lock, session: Session) -> Lock:
    """With the sizes that servers tell, all asked at once."""
    tasks = {
        each.name: session.workers.submit(session.wheels.size, File(filename=each.wheel.filename, url=each.wheel.url))
        for each in lock.packages
        if each.wheel.size is None
    }
    sizes = {name: session.shared.wait(task) for name, task in tasks.items()}
    return replace(lock, packages=tuple(_with_size(each, sizes.get(each.name)) for each in lock.packages))


def _with_size(package: LockedPackage, size: int | None) -> LockedPackage:
    if package.wheel.size is not None or size is None:
        return package
    return replace(package, wheel=replace(package.wheel, size=size))
