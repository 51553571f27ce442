"""What lies in PyTorch's channels: a few versions of the family, and everything odd that was seen beside them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from world import releases, stacks
from world.pytorch import FakePyTorch
from world.wheels import WheelFile, build_sdist, build_wheel

_COPIES: dict[str, tuple[str, ...]] = {
    "certifi": ("2022.12.7",),
    "charset-normalizer": ("2.1.1",),
    "filelock": ("3.9.0", "3.13.1"),
    "fsspec": ("2023.4.0", "2024.6.1"),
    "idna": ("3.4",),
    "jinja2": ("3.1.2", "3.1.4", "3.1.6"),
    "markupsafe": ("2.1.5", "3.0.2"),
    "mpmath": ("1.3.0",),
    "networkx": ("3.0", "3.2.1", "3.3", "3.4.2"),
    "numpy": ("1.26.3", "2.1.2"),
    "packaging": ("22.0", "24.1"),
    "pillow": ("10.2.0", "11.0.0"),
    "requests": ("2.28.1",),
    "setuptools": ("70.2.0",),
    "sympy": ("1.12", "1.13.1", "1.13.3"),
    "tqdm": ("4.66.5",),
    "typing-extensions": ("4.8.0", "4.9.0", "4.12.2"),
    "urllib3": ("1.26.13",),
}


def contents() -> dict[str, Callable[[FakePyTorch], None]]:
    """What puts each project's files into an index."""
    return {
        "torch": _torch,
        "torchvision": partial(_beside_torch, build=stacks.torchvision_wheel),
        "torchaudio": partial(_beside_torch, build=stacks.torchaudio_wheel),
        "triton": _triton,
        "xformers": _xformers,
        **{project: partial(_nvidia, project=project) for project in stacks.nvidia_versions()},
        **{project: partial(_copies, project=project) for project in _COPIES},
    }


def _tags(torch: str, accelerator: str) -> list[str]:
    """The builds of one version: Python 3.9 to 3.12 here, `linux_x86_64` up to 2.6.0 but for cu126."""
    wide = torch >= "2.7" or (torch, accelerator) == ("2.6.0", "cu126")
    pythons = ("cp39", "cp310", "cp311") if torch == "2.1.2" else ("cp39", "cp310", "cp311", "cp312")
    platforms = ("manylinux_2_28_x86_64" if wide else "linux_x86_64", "win_amd64")
    return [f"{python}-{python}-{platform}" for python in pythons for platform in platforms]


def _torch(index: FakePyTorch) -> None:
    for torch, accelerators in stacks.BUILDS:
        for accelerator in accelerators:
            large = torch == "2.1.2"
            for tag in _tags(torch, accelerator):
                wheel = stacks.torch_wheel(torch, accelerator, tag, local=True, pins="linux" in tag, large=large)
                # cu128: no digest, as happened to whole releases after 2.6
                index.add(wheel, channel=accelerator, metadata=torch >= "2.6", digest=accelerator != "cu128")
        for python in ("cp310", "cp311"):  # without a local version: macOS and, up to 2.5.1, aarch64
            # The macOS wheel of 2.6.0 lists the pins of cu124, behind Linux markers.
            mac = stacks.torch_wheel(
                torch, "cu124" if torch == "2.6.0" else "cpu", f"{python}-none-macosx_11_0_arm64", local=False
            )
            index.add(mac, channel="cpu", metadata=torch >= "2.6")
            if torch < "2.6":
                arm = f"{python}-{python}-manylinux_2_17_aarch64.manylinux2014_aarch64"
                index.add(stacks.torch_wheel(torch, "cpu", arm, local=False), channel="cpu")
    for label in ("cu12", "null"):  # wheel variants: in life under /whl/variant, here where every reader meets them
        odd = build_wheel("torch", "2.6.0", filename=f"torch-2.6.0-cp310-cp310-linux_x86_64-{label}.whl")
        index.add(odd, channel="cu124")
    index.add(("torch-2.6.0-variants.json", b'{"variants": {}}'), channel="cu124")
    dotted = build_wheel("torch", "2.6.0+cpu.cxx11.abi", tag="cp310-cp310-linux_x86_64", requires=("filelock",))
    index.add(dotted, channel="cpu-cxx11-abi")


def _beside_torch(index: FakePyTorch, build: Callable[..., WheelFile]) -> None:
    for torch, accelerators in stacks.BUILDS:
        for accelerator in accelerators:
            for tag in _tags(torch, accelerator):
                index.add(build(torch, accelerator, tag, local=True), channel=accelerator, metadata=torch >= "2.6")
        for python in ("cp310", "cp311"):
            mac = build(torch, "cpu", f"{python}-{python}-macosx_11_0_arm64", local=False)
            index.add(mac, channel="cpu", metadata=torch >= "2.6")
            for channel in sorted({"cpu", *accelerators} & {"cpu", "cu124", "cu126"}):
                # One name, other bytes in each channel: aarch64 wheels without a local version.
                arm = build(torch, channel, f"{python}-{python}-linux_aarch64", local=False)
                index.add(arm, channel=channel, metadata=torch >= "2.6")


def _triton(index: FakePyTorch) -> None:
    for version in ("2.0.0", "2.1.0", "3.0.0", "3.1.0", "3.2.0", "3.3.0", "3.3.1"):
        # 3.3.0 carries other bytes here than on PyPI under the same names; 3.3.1 and all before 3.3 agree
        for wheel in stacks.triton_wheels(version, flavour="built for the index" if version == "3.3.0" else ""):
            index.add(wheel)


def _xformers(index: FakePyTorch) -> None:
    for version, torch, channel, platform in (
        ("0.0.23.post1+cu118", "2.1.2", "cu118", "manylinux2014_x86_64"),
        ("0.0.23.post1", "2.1.2", "cu121", "manylinux2014_x86_64"),
        ("0.0.29.post1", "2.5.1", "cu121", "manylinux_2_28_x86_64"),
        ("0.0.29.post1", "2.5.1", "cu124", "manylinux_2_28_x86_64"),
        ("0.0.29.post3", "2.6.0", "cu124", "manylinux_2_28_x86_64"),
    ):
        for python in ("cp310", "cp311"):
            wheel = build_wheel(
                "xformers", version, tag=f"{python}-{python}-{platform}", requires=("numpy", f"torch=={torch}"),
                requires_python=">=3.8", modules={"xformers/__init__.py": f'__version__ = "{version}"  # {channel}\n'},
            )  # fmt: skip
            index.add(wheel, channel=channel, digest="+" in version)  # mostly without: an upload path of their own


def _nvidia(index: FakePyTorch, project: str) -> None:
    """What the channels pin lies in them up to cu124; from cu126 on it lies directly under `/whl/`."""
    placed: set[tuple[str, str]] = set()
    for torch, accelerators in stacks.BUILDS:
        for accelerator in accelerators:
            channel = accelerator if accelerator in ("cu118", "cu121", "cu124") else ""
            for name, version in stacks.nvidia_pins(accelerator, torch):
                if name == project and (channel, version) not in placed:
                    placed.add((channel, version))
                    for wheel in stacks.nvidia_wheels(name, version):
                        index.add(wheel, channel=channel)
    if project == "nvidia-nvjitlink-cu12":
        index.add(stacks.nvidia_wheels(project, "12.1.105")[0], channel="cu121")
        index.add(stacks.nvidia_wheels(project, "12.9.86")[0])
    if project == "nvidia-nccl-cu12":
        index.add(stacks.nvidia_wheels(project, "2.19.3")[0], channel="cu121", digest=False)
    if project == "nvidia-cusparselt-cu12":  # in life under test/ and nightly/, here where every reader meets it
        wheel = stacks.nvidia_wheels(project, "0.6.3")[0]
        index.add((wheel.filename.replace(".whl", " (1).whl"), wheel.content), channel="cu124")


def _copies(index: FakePyTorch, project: str) -> None:
    for version in _COPIES[project]:
        wheels = (releases.pure(project, version),) if project in releases.PURE else releases.native(project, version)
        for wheel in wheels:
            if "musllinux" in wheel.filename:
                continue
            if (project, version) == (
                "markupsafe",
                "3.0.2",
            ) and "cp313-cp313-manylinux_2_17_x86_64" not in wheel.filename:
                continue  # the index had only that one
            by_hand = project == "networkx" and version in ("3.3", "3.4.2")
            index.add(wheel, requires_python=">=3.10" if by_hand else None)
    if project == "markupsafe":
        index.add(build_sdist("MarkupSafe", "2.1.5", requires_python=">=3.7"))
