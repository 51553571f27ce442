"""fake_pypi: PyPI on the loopback with what PyTorch's stacks need, and a few of the things that go wrong there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from world import releases, stacks
from world.pages import Form
from world.server import FakeIndex
from world.wheels import WheelFile, build_sdist, build_wheel, pip_wheel


def fake_pypi(
    *,
    form: Form = "both",
    tls: bool = False,
    auth: tuple[str, str] | None = None,
    validator: Literal["strong", "weak", "none"] = "strong",
) -> FakeIndex:
    """PyPI with its world; enter it to start it. Each project is made when its page is first asked for."""
    index = FakeIndex(form=form, tls=tls, auth=auth, validator=validator)
    for project in releases.PURE:
        index.provide(project, partial(_pure, index, project))
    for project in releases.native_projects():
        index.provide(project, partial(_native, index, project))
    for project, versions in stacks.nvidia_versions().items():
        index.provide(project, partial(_nvidia, index, project, versions))
    for project, fill in _SPECIAL.items():
        index.provide(project, partial(fill, index))
    return index


def _pure(index: FakeIndex, project: str) -> None:
    for year, version in enumerate(releases.PURE[project]):
        index.add(releases.pure(project, version), upload_time=_when(year))
        requires, requires_python = releases.PURE[project][version]
        index.add(
            build_sdist(project, version, requires=requires, requires_python=requires_python), upload_time=_when(year)
        )
    if project == "mpmath":  # a pre-release above the last final one
        index.add(build_wheel("mpmath", "1.4.0a1", requires_python=">=3.8"), upload_time=_when(3))


def _native(index: FakeIndex, project: str) -> None:
    for year, version in enumerate(releases.native_versions(project)):
        for wheel in releases.native(project, version):
            index.add(wheel, upload_time=_when(year))
        index.add(build_sdist(project, version), upload_time=_when(year))


def _nvidia(index: FakeIndex, project: str, versions: list[str]) -> None:
    for version in versions:
        for wheel in stacks.nvidia_wheels(project, version):
            index.add(wheel)


def _torch(index: FakeIndex) -> None:
    """PyPI's own builds: no local version, one CUDA per version, told by nothing but the pins."""
    for torch, accelerator in stacks.ON_PYPI.items():
        for python in _pythons(torch):
            linux = f"{python}-{python}-{_manylinux(torch)}"
            index.add(stacks.torch_wheel(torch, accelerator, linux, local=False))
            for other in (f"{python}-{_arm(torch)}", f"{python}-win_amd64", "none-macosx_11_0_arm64"):
                wheel = stacks.torch_wheel(torch, "cpu", f"{python}-{other}", local=False)
                index.add(wheel)


def _beside_torch(index: FakeIndex, build: Callable[..., WheelFile]) -> None:
    for torch, accelerator in stacks.ON_PYPI.items():
        for python in _pythons(torch):
            for platform in (_manylinux(torch), _arm(torch), "macosx_11_0_arm64", "win_amd64"):
                on_linux = platform == _manylinux(torch)
                tag = f"{python}-{python}-{platform}"
                index.add(build(torch, accelerator if on_linux else "cpu", tag, local=False))


def _pythons(torch: str) -> tuple[str, ...]:
    return ("cp39", "cp310", "cp311") if torch == "2.1.2" else ("cp39", "cp310", "cp311", "cp312")


def _manylinux(torch: str) -> str:
    return "manylinux_2_28_x86_64" if torch >= "2.7" else "manylinux1_x86_64"


def _arm(torch: str) -> str:
    return "manylinux_2_28_aarch64" if torch >= "2.7" else "manylinux2014_aarch64"


def _triton(index: FakeIndex) -> None:
    for version in ("2.1.0", "3.0.0", "3.1.0", "3.2.0", "3.3.0", "3.3.1"):
        for wheel in stacks.triton_wheels(version):
            index.add(wheel)


def _pip(index: FakeIndex) -> None:
    """The pip beside the tests, which can install, and old ones by name for old Pythons, which cannot."""
    index.add(pip_wheel(), upload_time=_when(6))
    for year, (version, requires_python) in enumerate((("20.3.4", None), ("21.3.1", ">=3.6"), ("24.0", ">=3.7"))):
        if version == "20.3.4":
            requires_python = "!=3.0.*,!=3.1.*,!=3.2.*,!=3.3.*,!=3.4.*,>=2.7"
        index.add(build_wheel("pip", version, requires_python=requires_python), upload_time=_when(year))


def _deepspeed(index: FakeIndex) -> None:
    """Its only wheel is a development release of 2020."""
    index.add(build_wheel("deepspeed", "0.3.1.dev5", requires=("torch>=1.2", "tqdm")), upload_time=_when(-4))
    for year, version in enumerate(("0.3.1", "0.14.0", "0.16.4")):
        index.add(build_sdist("deepspeed", version, requires=("torch", "numpy", "tqdm")), upload_time=_when(year))


def _hydra_core(index: FakeIndex) -> None:
    index.add(build_wheel("hydra-core", "0.11.3", requires=("omegaconf<1.5,>=1.4",)), upload_time=_when(-4))
    for year, version in enumerate(("1.0.7", "1.3.2")):
        requires = ("omegaconf<2.4,>=2.2", "antlr4-python3-runtime==4.9.*", "packaging")
        index.add(build_sdist("hydra-core", version, requires=requires), upload_time=_when(year))


def _omegaconf(index: FakeIndex) -> None:
    """Newer wheels need a project that has only an sdist: walking back ends at an old one."""
    index.add(build_wheel("omegaconf", "1.4.1"), upload_time=_when(-4))
    index.add(build_wheel("omegaconf", "2.3.0", requires=("antlr4-python3-runtime==4.9.*",), requires_python=">=3.6"))


def _antlr(index: FakeIndex) -> None:
    index.add(build_sdist("antlr4-python3-runtime", "4.9.3"))


def _redis(index: FakeIndex) -> None:
    requires = ('async-timeout>=4.0.3; python_full_version < "3.11.3"',)
    index.add(build_wheel("redis", "5.2.1", requires=requires, requires_python=">=3.8"))
    index.add(build_wheel("redis", "8.1.0", requires=requires, requires_python=">=3.10"), upload_time=_when(2))


def _cryptography(index: FakeIndex) -> None:
    """Stable ABI: one wheel for every Python from 3.7 or 3.9 on."""
    requires = ('cffi>=1.12; platform_python_implementation != "PyPy"',)
    for tag in (
        "cp37-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp39-abi3-manylinux_2_28_x86_64",
        "cp39-abi3-manylinux_2_28_aarch64",
        "cp39-abi3-musllinux_1_2_x86_64",
        "cp39-abi3-macosx_10_9_universal2",
        "cp39-abi3-win_amd64",
        "pp310-pypy310_pp73-manylinux_2_28_x86_64",
    ):
        index.add(build_wheel("cryptography", "43.0.3", tag=tag, requires=requires, requires_python=">=3.7"))


def _attrs(index: FakeIndex) -> None:
    """Yanked with and without a reason; the newest of all is one of them."""
    index.add(build_wheel("attrs", "20.3.0", requires_python=">=2.7"), upload_time=_when(0))
    index.add(build_wheel("attrs", "21.1.0"), yanked="import bug in Python 3.9", upload_time=_when(1))
    index.add(build_wheel("attrs", "24.2.0", requires_python=">=3.7"), upload_time=_when(2))
    index.add(build_wheel("attrs", "99.0.0"), yanked=True, upload_time=_when(3))


def _oldtimer(index: FakeIndex) -> None:
    """A project with a long past: good wheels among files that no reader knows, and an unreadable Requires-Python."""
    index.add(build_wheel("oldtimer", "2.0", requires_python=">=3.8"))
    index.add(build_wheel("oldtimer", "2.1"), requires_python=">=3.8,<<4", upload_time=_when(1))
    index.add(("oldtimer-1.0.win32-py2.7.exe", b"MZ\x90\x00"))
    index.add(("oldtimer-1.0-py2.7.egg", b"PK\x05\x06" + bytes(18)))
    index.add(("oldtimer-0.9.tar.bz2", b"BZh9"), project="oldtimer")
    index.add(("oldtimer-0.8.zip", b"PK\x05\x06" + bytes(18)), project="oldtimer")
    index.add(("oldtimer-0.7-1.noarch.rpm", b"\xed\xab\xee\xdb"), project="oldtimer")
    index.add(("oldtimer-1.0.linux-x86_64.tar.gz", b"\x1f\x8b"), project="oldtimer")
    index.add(("oldtimer-not.a.version-py3-none-any.whl", b"PK"), project="oldtimer")
    index.add(("oldtimer-3.0-py3-none.whl", b"PK"), project="oldtimer")
    index.add(("oldtimer-4.0-cp310-cp310-linux_x86_64-cu12.whl", b"PK"), project="oldtimer")


_SPECIAL: dict[str, Callable[[FakeIndex], None]] = {
    "antlr4-python3-runtime": _antlr,
    "attrs": _attrs,
    "cryptography": _cryptography,
    "deepspeed": _deepspeed,
    "hydra-core": _hydra_core,
    "oldtimer": _oldtimer,
    "omegaconf": _omegaconf,
    "pip": _pip,
    "redis": _redis,
    "torch": _torch,
    "torchaudio": lambda index: _beside_torch(index, stacks.torchaudio_wheel),
    "torchvision": lambda index: _beside_torch(index, stacks.torchvision_wheel),
    "triton": _triton,
}


def _when(year: int) -> str:
    """The first of January, counted from 2022."""
    return f"{2022 + year}-01-01T00:00:00.000000Z"
