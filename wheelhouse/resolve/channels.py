"""Which of PyTorch's channels offer what the target's own channel lacks."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName

from wheelhouse.resolve.candidates import ACCELERATOR, Listed
from wheelhouse.resolve.project import Project
from wheelhouse.resolve.refusals import WrongBuild
from wheelhouse.target import Target


def channels_offering(
    project: NormalizedName, listed: Iterable[Listed], specifier: SpecifierSet, target: Target
) -> tuple[str, ...]:
    """The channels, sorted, that have a wheel of the project in the set that fits the target but for its build.

    `listed` are the files of the page that shows all channels together. A wheel's channel is its local version
    (`2.1.2+cu118`), or the folder it lies in.
    """
    found = set()
    view = Project(project, listed, target)
    for version, offer in view.offers():
        if not specifier.contains(version, prereleases=True):
            continue
        fitting = {refusal.filename for refusal in offer.refusals if isinstance(refusal.reason, WrongBuild)}
        for each in view.listed(version):
            if each.file.filename in fitting:
                channel = version.local or urlsplit(each.file.url).path.rsplit("/", 2)[-2]
                if ACCELERATOR.fullmatch(channel) and channel != target.accelerator:
                    found.add(channel)
    return tuple(sorted(found))
