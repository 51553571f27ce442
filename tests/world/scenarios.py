"""Scenarios: a frozen index, what is wanted of it, and what must come of that, read from `tests/scenarios/*.toml`.

A file holds a world and its cases. Of `[projects.NAME]`, each key is a version and its value says what it offers:

- a list: the requirements of one `py3-none-any` wheel; or a table with any of
- `requires`; `wheels` (tags, or whole file names where they are odd; [] for none); `sdist` (true: there is one);
  `python` (the page's Requires-Python), `own-python` (the core metadata's); `yanked` (the reason); `uploaded` (when);
  `extras`; `broken` (why its core metadata cannot be read); `url` (the folder its files lie in).

`[[case]]` has `name`, `wanted` (requirements), and any of `target`, `constraints`, `preferred` (`NAME VERSION`), `pre`,
`exclude-newer`, `allow-older`, `standing-in`, `max-steps`; then what must come of it:

- `pins` (`NAME VERSION`, every one), with `held-back` (the lines that are told, [] by default), `silent` (those that
  only `why` tells) and `files` (of the pins), the last two where they matter;
- or `error`: the whole text, hints and all;
- with `error` also `at-once` (true: no solver was asked);
- and with either `unread`: projects or wheels whose core metadata nobody may ask for.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelhouse.digests import Digest
from wheelhouse.errors import WheelhouseError
from wheelhouse.indexes import Index, in_torch_family
from wheelhouse.metadata import CoreMetadata
from wheelhouse.resolve.candidates import Candidate, Listed
from wheelhouse.resolve.catalog import FixedCatalog
from wheelhouse.resolve.project import Project
from wheelhouse.resolve.refusals import BadMetadata
from wheelhouse.resolve.resolution import Resolution, resolve
from wheelhouse.resolve.view import View
from wheelhouse.resolve.wants import Want
from wheelhouse.simple.model import File
from wheelhouse.target import Target

FOLDER = Path(__file__).parent.parent / "scenarios"
INDEX = Index("https://index.test/simple")
LINUX = "linux-x86_64-py311"


class WatchedCatalog(FixedCatalog):
    """A catalog of values that writes down what it was asked for, and how long that would take.

    Time is counted in answers: what is asked for now is there one `moment` later, however much is asked for at once.
    """

    def __init__(self, projects: Sequence[Project], metadata: Mapping[str, CoreMetadata | BadMetadata]) -> None:
        super().__init__(projects, metadata)
        self.read: list[str] = []  # wheels whose core metadata was asked for, each once
        self.moment = 0
        self._there: dict[str, int] = {}  # when each answer is there

    def metadata(self, candidate: Candidate) -> CoreMetadata | BadMetadata:
        filename = candidate.file.filename
        if filename not in self._there:
            self.expect_metadata([candidate])
        self.moment = max(self.moment, self._there[filename])
        if filename not in self.read:
            self.read.append(filename)
        return super().metadata(candidate)

    def expect_metadata(self, candidates: Sequence[Candidate]) -> None:
        for candidate in candidates:
            self._there.setdefault(candidate.file.filename, self.moment + 1)

    @property
    def asked(self) -> list[str]:
        """The wheels whose core metadata was asked for, also those that nobody read in the end."""
        return list(self._there)


def file_of(filename: str, release: Mapping[str, Any]) -> File:
    """A file as a page would list it; its digest is that of its name."""
    uploaded = release.get("uploaded")
    return File(
        filename=filename,
        url=f"{release.get('url', 'https://files.test/')}{filename}",
        digest=Digest.of(filename.encode()),
        size=len(filename),
        requires_python=release.get("python"),
        yanked=release.get("yanked"),
        upload_time=uploaded if uploaded is None or uploaded.tzinfo else uploaded.replace(tzinfo=UTC),
    )


def catalog_of(
    projects: Mapping[str, Mapping[str, Any]],
    target: Target,
    *,
    exclude_newer: datetime | None = None,
    standing_in: bool = False,
) -> WatchedCatalog:
    """The catalog of a world as the target sees it. `projects` is as in a scenario file."""
    found, metadata = [], {}
    for spelled, releases in projects.items():
        name = canonicalize_name(spelled)
        files = []
        for version, told in releases.items():
            release: Mapping[str, Any] = {"requires": told} if isinstance(told, list) else told
            stem = f"{spelled.replace('-', '_')}-{version}"
            tags = release.get("wheels", ["py3-none-any"])
            filenames = [tag if tag.endswith(".whl") else f"{stem}-{tag}.whl" for tag in tags]
            for filename in filenames:
                files.append(file_of(filename, release))
                metadata[filename] = metadata_of(name, version, release)
            if release.get("sdist", False):
                files.append(file_of(f"{stem}.tar.gz", release))
        found.append(
            Project(
                name,
                [Listed(file, INDEX) for file in files],
                target,
                exclude_newer=exclude_newer,
                standing_in=standing_in and in_torch_family(name),
            )
        )
    return WatchedCatalog(found, metadata)


def metadata_of(name: NormalizedName, version: str, release: Mapping[str, Any]) -> CoreMetadata | BadMetadata:
    """What the wheels of a release say of themselves."""
    if "broken" in release:
        return BadMetadata(release["broken"])
    python = release.get("own-python", release.get("python"))
    return CoreMetadata(
        name=name,
        version=Version(version),
        requires=tuple(Requirement(text) for text in release.get("requires", ())),
        requires_python=None if python is None else SpecifierSet(python),
        extras=frozenset(canonicalize_name(extra) for extra in release.get("extras", ())),
    )


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One case of a scenario file."""

    name: str
    projects: Mapping[str, Mapping[str, Any]]
    case: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        return Target.parse(self.case.get("target", self.options.get("target", LINUX)))

    def play(self) -> Outcome:
        """Resolve it, over a catalog of its own."""
        target = self.target
        catalog = catalog_of(
            self.projects,
            target,
            exclude_newer=self.case.get("exclude-newer"),
            standing_in=self.case.get("standing-in", False),
        )
        view = view_of(
            catalog,
            target,
            constraints=self.case.get("constraints", ()),
            preferred=self.case.get("preferred", ()),
            pre=self.case.get("pre", False),
        )
        roots = wants(self.case["wanted"], target)
        steps = {"max_steps": self.case["max-steps"]} if "max-steps" in self.case else {}
        allowed = frozenset(canonicalize_name(name) for name in self.case.get("allow-older", ()) if name != ":all:")
        every = frozenset({":all:"} & set(self.case.get("allow-older", ())))
        try:
            found = resolve(view, roots, allow_older=allowed | every, **steps)
        except WheelhouseError as error:
            return Outcome(None, told(error), catalog, view, roots)
        return Outcome(found, None, catalog, view, roots)


@dataclass(frozen=True)
class Outcome:
    """What came of a scenario: a resolution or the text of an error."""

    resolution: Resolution | None
    error: str | None
    catalog: WatchedCatalog
    view: View
    roots: Sequence[Want]

    @property
    def pins(self) -> list[str] | None:
        return None if self.resolution is None else [str(pin.candidate) for pin in self.resolution.pins]


def view_of(
    catalog: FixedCatalog,
    target: Target,
    *,
    constraints: Sequence[str] = (),
    preferred: Sequence[str] = (),
    pre: bool = False,
) -> View:
    """A view with constraints written as requirements and preferences as `NAME VERSION`."""
    held: dict[NormalizedName, SpecifierSet] = {}
    for text in constraints:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        held[name] = held.get(name, SpecifierSet()) & requirement.specifier
    first = dict(each.split() for each in preferred)
    return View(
        catalog,
        target,
        constraints=held,
        preferred={canonicalize_name(name): Version(version) for name, version in first.items()},
        pre=pre,
    )


def wants(requirements: Sequence[str], target: Target) -> list[Want]:
    """The requirements whose markers hold on the target."""
    parsed = [Requirement(text) for text in requirements]
    return [Want.of(each) for each in parsed if target.admits(each.marker)]


def told(error: WheelhouseError) -> str:
    """What a person sees of an error."""
    return "\n".join([str(error), *(f"hint: {line}" for line in error.hint.splitlines())])


def scenarios() -> Iterator[Scenario]:
    """Every case of every file, in the order of names and lines."""
    for path in sorted(FOLDER.glob("*.toml")):
        world = tomllib.loads(path.read_text(encoding="utf-8"))
        for case in world["case"]:
            yield Scenario(name=f"{path.stem}: {case['name']}", projects=world["projects"], case=case, options=world)
