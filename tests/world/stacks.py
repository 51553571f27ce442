"""PyTorch's family as values: what each build pins, and its wheels, made when they are asked for.

The pins are those of real wheels (Linux x86_64), gathered from lock files and PyPI's metadata, a few inferred from the
nearest attested build; the code in the wheels knows nothing but its version.
"""

from __future__ import annotations

from functools import cache

from world.wheels import WheelFile, build_wheel

LINUX = 'platform_system == "Linux" and platform_machine == "x86_64"'
VISION = {"2.1.2": "0.16.2", "2.4.1": "0.19.1", "2.5.1": "0.20.1", "2.6.0": "0.21.0", "2.7.1": "0.22.1"}
TRITON = {"2.1.2": "2.1.0", "2.4.1": "3.0.0", "2.5.1": "3.1.0", "2.6.0": "3.2.0", "2.7.1": "3.3.1"}

# Which builds the channels have here, and which one PyPI carries under the same version (2.7.1: CUDA 12.6).
BUILDS = (
    ("2.1.2", ("cu118", "cu121", "cpu")),
    ("2.4.1", ("cu118", "cu121", "cu124", "cpu")),
    ("2.5.1", ("cu118", "cu121", "cu124", "cpu")),
    ("2.6.0", ("cu118", "cu124", "cu126", "cpu")),
    ("2.7.1", ("cu118", "cu126", "cu128", "cpu")),
)
ON_PYPI = {"2.1.2": "cu121", "2.4.1": "cu121", "2.5.1": "cu124", "2.6.0": "cu124", "2.7.1": "cu126"}

_ORDER = ("cublas", "cuda-cupti", "cuda-nvrtc", "cuda-runtime", "cufft", "curand", "cusolver", "cusparse", "nvtx")
_TOOLKITS = {
    "11.8": "11.11.3.6 11.8.87 11.8.89 11.8.89 10.9.0.58 10.3.0.86 11.4.1.48 11.7.5.86 11.8.86",
    "12.1": "12.1.3.1 12.1.105 12.1.105 12.1.105 11.0.2.54 10.3.2.106 11.4.5.107 12.1.0.106 12.1.105",
    "12.4.0": "12.4.2.65 12.4.99 12.4.99 12.4.99 11.2.0.44 10.3.5.119 11.6.0.99 12.3.0.142 12.4.99",
    "12.4": "12.4.5.8 12.4.127 12.4.127 12.4.127 11.2.1.3 10.3.5.147 11.6.1.9 12.3.1.170 12.4.127",
    "12.6": "12.6.4.1 12.6.80 12.6.77 12.6.77 11.3.0.4 10.3.7.77 11.7.1.2 12.5.4.2 12.6.77",
    "12.8": "12.8.3.14 12.8.57 12.8.61 12.8.57 11.3.3.41 10.3.9.55 11.7.2.55 12.5.7.53 12.8.55",
}
_NVIDIA = {  # (accelerator, torch): the toolkit, and the libraries that go their own way
    ("cu118", "2.4.1"): ("11.8", "cudnn==9.1.0.70 nccl==2.20.5"),
    ("cu118", "2.5.1"): ("11.8", "cudnn==9.1.0.70 nccl==2.21.5"),
    ("cu118", "2.6.0"): ("11.8", "cudnn==9.1.0.70 nccl==2.21.5"),
    ("cu118", "2.7.1"): ("11.8", "cudnn==9.1.0.70 nccl==2.21.5"),
    ("cu121", "2.1.2"): ("12.1", "cudnn==8.9.2.26 nccl==2.18.1"),  # PyPI's wheel; the channel's carries its libraries
    ("cu121", "2.4.1"): ("12.1", "cudnn==9.1.0.70 nccl==2.20.5"),
    ("cu121", "2.5.1"): ("12.1", "cudnn==9.1.0.70 nccl==2.21.5"),
    ("cu124", "2.4.1"): ("12.4.0", "cudnn==9.1.0.70 nccl==2.20.5 nvjitlink==12.4.99"),
    ("cu124", "2.5.1"): ("12.4", "cudnn==9.1.0.70 nccl==2.21.5 nvjitlink==12.4.127"),
    ("cu124", "2.6.0"): ("12.4", "cudnn==9.1.0.70 cusparselt==0.6.2 nccl==2.21.5 nvjitlink==12.4.127"),
    ("cu126", "2.6.0"): ("12.6", "cudnn==9.5.1.17 cusparselt==0.6.3 nccl==2.21.5 nvjitlink==12.6.85"),
    ("cu126", "2.7.1"): ("12.6", "cudnn==9.5.1.17 cufile==1.11.1.6 cusparselt==0.6.3 nccl==2.26.2 nvjitlink==12.6.85"),
    ("cu128", "2.7.1"): ("12.8", "cudnn==9.7.1.26 cufile==1.13.0.11 cusparselt==0.6.3 nccl==2.26.2 nvjitlink==12.8.61"),
}


def cuda_of(accelerator: str) -> str | None:
    """`cu121` is `12.1`, as `torch.version.cuda` says it; `cpu` is None."""
    return None if accelerator == "cpu" else f"{accelerator[2:-1]}.{accelerator[-1]}"


def nvidia_pins(accelerator: str, torch: str) -> tuple[tuple[str, str], ...]:
    """The NVIDIA projects and versions that this build pins on Linux x86_64."""
    if (accelerator, torch) not in _NVIDIA:
        return ()
    toolkit, others = _NVIDIA[accelerator, torch]
    versions = dict(zip(_ORDER, _TOOLKITS[toolkit].split(), strict=True))
    versions |= dict(pin.split("==") for pin in others.split())
    return tuple((f"nvidia-{library}-{accelerator[:4]}", versions[library]) for library in sorted(versions))


def torch_requires(torch: str, accelerator: str, *, python: str, large: bool) -> tuple[str, ...]:
    """Requires-Dist of the Linux x86_64 wheel. `large` builds (2.1.2 on the channels) hold CUDA and pin only triton."""
    base = ["filelock", "fsspec", "jinja2", "networkx"]
    if torch >= "2.5":
        base.append('setuptools; python_version >= "3.12"')
        base.append("sympy>=1.13.3" if torch >= "2.7" else 'sympy==1.13.1; python_version >= "3.9"')
    else:
        base += ["setuptools", "sympy"] if (torch, python) == ("2.4.1", "cp312") else ["sympy"]
    base.append("typing-extensions" + (">=4.10.0" if torch >= "2.6" else ">=4.8.0" if torch >= "2.2" else ""))
    if accelerator != "cpu":
        if not large:
            base += [f"{name}=={version}; {LINUX}" for name, version in nvidia_pins(accelerator, torch)]
        upto = ' and python_version < "3.13"' if torch in ("2.4.1", "2.5.1") else ""
        where = 'platform_system == "Linux"' if (accelerator, torch) == ("cu128", "2.7.1") else LINUX
        base.append(f"triton=={TRITON[torch]}; {where}{upto}")
    return (*base, 'opt-einsum>=3.3; extra == "opt-einsum"')


_NO_CUDA = """def is_available():
    return False

def init():
    raise RuntimeError("Found no NVIDIA driver on your system.")
"""


def torch_wheel(
    torch: str, accelerator: str, tag: str, *, local: bool, pins: bool = True, large: bool = False
) -> WheelFile:
    """One wheel of torch.

    `local` writes `+cu121` into its version, as the channels do and PyPI does not; without `pins` it asks for nothing
    of CUDA, as Windows wheels do.
    """
    python = tag.split("-")[0]
    requires = torch_requires(torch, accelerator if pins else "cpu", python=python, large=large)
    cuda = cuda_of(accelerator)
    return build_wheel(
        "torch",
        f"{torch}+{accelerator}" if local else torch,
        tag=tag,
        requires=requires,
        requires_python=">=3.9.0" if torch >= "2.6" else ">=3.8.0",
        extras=("opt-einsum",),
        modules={
            "functorch/__init__.py": "",
            "torch/__init__.py": f'from torch import cuda, version\n__version__ = "{torch}+{accelerator}"\n',
            "torch/cuda.py": _NO_CUDA,
            "torch/version.py": f'__version__ = "{torch}+{accelerator}"\ncuda = {cuda!r}\n',
        },
    )


def torchvision_wheel(torch: str, accelerator: str, tag: str, *, local: bool) -> WheelFile:
    """It pins the public version of torch, whatever build it is of."""
    version = VISION[torch]
    requires = ["numpy", *(["requests"] if torch == "2.1.2" else []), f"torch=={torch}", "pillow!=8.3.*,>=5.3.0"]
    return build_wheel(
        "torchvision",
        f"{version}+{accelerator}" if local else version,
        tag=tag,
        requires=(*requires, 'scipy; extra == "scipy"'),
        requires_python=">=3.9" if torch >= "2.6" else ">=3.8",
        extras=("scipy",),
        modules={"torchvision/__init__.py": f'__version__ = "{version}+{accelerator}"\n'},
    )


def torchaudio_wheel(torch: str, accelerator: str, tag: str, *, local: bool) -> WheelFile:
    """No Requires-Python, as in life."""
    return build_wheel(
        "torchaudio",
        f"{torch}+{accelerator}" if local else torch,
        tag=tag,
        requires=(f"torch=={torch}",),
        modules={"torchaudio/__init__.py": f'__version__ = "{torch}+{accelerator}"\n'},
    )


def triton_wheels(version: str, *, flavour: str = "") -> tuple[WheelFile, ...]:
    """The wheels of one release; `flavour` changes their bytes but not their names: index and PyPI differ for 3.3.0."""
    build = {"2.0.0": "1", "2.1.0": "0", "3.0.0": "1"}.get(version)
    manylinux = "manylinux_2_17_x86_64.manylinux2014_x86_64"
    if version < "3.1" and build is not None:
        manylinux = "manylinux2014_x86_64.manylinux_2_17_x86_64"
    if version >= "3.3":
        manylinux = "manylinux_2_27_x86_64.manylinux_2_28_x86_64"
    requires = {"2.0.0": ["cmake", "filelock", "lit", "torch"], "3.2.0": []}.get(version, ["filelock"])
    if version >= "3.3":
        requires = ["setuptools>=40.8.0"]
    text = f'__version__ = "{version}"\n' + (f"# {flavour}\n" if flavour else "")
    return tuple(
        build_wheel(
            "triton", version, tag=f"{python}-{python}-{manylinux}", build=build, requires=requires,
            modules={"triton/__init__.py": text},
        )
        for python in ("cp310", "cp311", "cp312")
    )  # fmt: skip


@cache
def nvidia_wheels(project: str, version: str) -> tuple[WheelFile, ...]:
    """The same bytes on the channels and on PyPI, as compared for 120 files. All of them write `nvidia/__init__.py`."""
    library = project.removeprefix("nvidia-").rpartition("-")[0]
    family = project[-4:]
    needs = {
        "cudnn": ["cublas"],
        "cufft": ["nvjitlink"],
        "cusolver": ["cublas", "nvjitlink", "cusparse"],
        "cusparse": ["nvjitlink"],
    }.get(library, [])
    if family == "cu11":  # no nvjitlink before CUDA 12
        needs = ["cublas"] if library in ("cudnn", "cusolver") else []
    module = library.replace("-", "_")
    modules = {"nvidia/__init__.py": "", f"nvidia/{module}/__init__.py": f'__version__ = "{version}"\n'}
    return tuple(
        build_wheel(
            project, version, tag=f"py3-none-{platform}", requires=[f"nvidia-{need}-{family}" for need in needs],
            requires_python=">=3", modules=modules,
        )
        for platform in _nvidia_platforms(library, version)
    )  # fmt: skip


def nvidia_versions() -> dict[str, list[str]]:
    """Every version that any build pins, by project; and newer nvjitlink, which nothing but torch holds back.

    That is the trap behind `undefined symbol: __nvJitLinkAddData_12_1`: cu121 builds pin cuSPARSE, not nvJitLink.
    """
    found: dict[str, set[str]] = {"nvidia-nvjitlink-cu12": {"12.1.105", "12.8.93", "12.9.86"}}
    for accelerator, torch in _NVIDIA:
        for project, version in nvidia_pins(accelerator, torch):
            found.setdefault(project, set()).add(version)
    return {project: sorted(versions) for project, versions in sorted(found.items())}


_BOTH_2014 = ("manylinux2014_x86_64.manylinux_2_17_x86_64", "manylinux2014_aarch64.manylinux_2_17_aarch64")
_PLATFORMS = {
    "11.8": ("manylinux1_x86_64",),
    "12.1": ("manylinux1_x86_64",),
    "12.4.0": ("manylinux2014_x86_64", "manylinux2014_aarch64", "win_amd64"),
    "12.4": ("manylinux2014_x86_64", "manylinux2014_aarch64", "win_amd64"),
    "12.6": _BOTH_2014,
    "12.8": ("manylinux_2_27_x86_64", "manylinux_2_27_aarch64"),
}
_OWN_PLATFORMS = {
    ("cudnn", "8.9.2.26"): ("manylinux1_x86_64",),
    ("cudnn", "9.1.0.70"): ("manylinux2014_x86_64",),
    ("cudnn", "9.7.1.26"): ("manylinux_2_27_x86_64", "manylinux_2_27_aarch64"),
    ("cusparselt", "0.6.2"): ("manylinux2014_x86_64",),
    ("cusparselt", "0.6.3"): ("manylinux2014_x86_64", "manylinux2014_aarch64"),
    ("nccl", "2.18.1"): ("manylinux1_x86_64",),
    ("nccl", "2.19.3"): ("manylinux1_x86_64",),
    ("nccl", "2.20.5"): ("manylinux2014_x86_64",),
    ("nccl", "2.21.5"): ("manylinux2014_x86_64",),
    ("nvjitlink", "12.1.105"): ("manylinux1_x86_64", "win_amd64"),
    ("nvjitlink", "12.4.99"): _PLATFORMS["12.4"],
    ("nvjitlink", "12.4.127"): _PLATFORMS["12.4"],
}


def _nvidia_platforms(library: str, version: str) -> tuple[str, ...]:
    """Of a toolkit's part what its toolkit has, else what is written down, else what most have today."""
    for toolkit, versions in _TOOLKITS.items():
        if (library, version) in zip(_ORDER, versions.split(), strict=True):
            return _PLATFORMS[toolkit]
    return _OWN_PLATFORMS.get((library, version), _BOTH_2014)
