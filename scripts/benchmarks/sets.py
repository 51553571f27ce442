"""What is locked: sets of requirements and the machines they are for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """One target, in the words of every tool."""

    python: str  # "3.10"
    arch: str = "x86_64"
    glibc: str = "2.28"

    def label(self, accelerator: str) -> str:
        return f"linux-{self.arch}-{accelerator}-py{self.python.replace('.', '')}-glibc{self.glibc}"

    @property
    def manylinux(self) -> str:
        return f"manylinux_{self.glibc.replace('.', '_')}"


@dataclass(frozen=True, kw_only=True)
class Set:
    """Requirements; `newest` is the last day whose uploads count (`2023-10-01`, UTC)."""

    name: str
    requirements: tuple[str, ...]
    machine: Machine
    six: tuple[Machine, ...]
    accelerator: str = "cpu"
    newest: str | None = None
    options: tuple[str, ...] = ()  # of wheelhouse alone
    required: bool = True  # its figures have bounds (docs/performance.md)
    impossible: bool = False  # nothing meets the requirements: how soon that is said is measured


def _six(*pythons: str) -> tuple[Machine, ...]:
    return tuple(Machine(python, arch) for python in pythons for arch in ("x86_64", "aarch64"))


def _two_levels(*pythons: str) -> tuple[Machine, ...]:
    """For what has no wheels for aarch64, or no CUDA there, as torch on PyPI."""
    return tuple(Machine(python, glibc=glibc) for python in pythons for glibc in ("2.28", "2.35"))


_WEB = """
fastapi uvicorn[standard] sqlalchemy alembic celery[redis] pydantic-settings httpx[http2] gunicorn jinja2
python-jose[cryptography]
"""
_SEED = "torch==2.1.2 torchvision==0.16.2 torchaudio==2.1.2 easyocr keybert numpy<2"
_WHISPER = """
torch==2.1.2 torchaudio==2.1.2 faster-whisper ctranslate2<4.5 transformers<5 onnxruntime-gpu<1.19 numpy<2
"""
_DANDI = "click>=7.0 click-loglevel~=0.2 dandi>=0.24.0 psutil~=5.9 pyyaml selenium"

ALL = (
    Set(
        name="trio",
        requirements=("trio", "pytest"),
        machine=Machine("3.11"),
        six=_six("3.10", "3.11", "3.12"),
    ),
    Set(
        name="web",
        requirements=tuple(_WEB.split()),
        machine=Machine("3.11"),
        six=_six("3.10", "3.11", "3.12"),
    ),
    Set(
        name="seed001w",
        requirements=tuple(_SEED.split()),
        machine=Machine("3.10"),
        six=_two_levels("3.9", "3.10", "3.11"),
        accelerator="cu121",
    ),
    Set(
        name="whisper_old",
        requirements=tuple(_WHISPER.split()),
        machine=Machine("3.10"),
        six=_two_levels("3.9", "3.10", "3.11"),
        accelerator="cu121",
        # onnxruntime and onnxruntime-gpu in one environment: wheelhouse alone says no to it
        options=("--accept", "collision"),
    ),
    # From the trackers of pip and uv, where each was reported as slow or wrong
    Set(
        name="hard-dandi",
        requirements=tuple(_DANDI.split()),
        machine=Machine("3.9"),
        six=_two_levels("3.9", "3.10", "3.11"),  # no wheel of psutil fits aarch64
        newest="2023-10-01",
    ),
    Set(
        name="hard-aws",
        requirements=("pandas[aws]", "boto3>=1"),
        machine=Machine("3.11"),
        six=_six("3.9", "3.10", "3.11"),
        newest="2023-10-10",
    ),
    Set(
        name="hard-mlflow",
        requirements=("numpy==1.21.5", "spacy<4.0.0,>=3.0.0", "mlflow<3.0.0,>=2.13.0"),
        machine=Machine("3.10"),
        six=_six("3.8", "3.9", "3.10"),
        newest="2024-10-22",
    ),
    Set(
        name="hard-weaviate",
        requirements=("google-cloud-bigquery>=3.27", "weaviate-client>=4.9.3"),
        machine=Machine("3.11"),
        six=_six("3.10", "3.11", "3.12"),
        newest="2025-05-08",
    ),
    Set(
        name="hard-trustllm",
        requirements=("trustllm",),
        machine=Machine("3.12"),
        six=_two_levels("3.10", "3.11", "3.12"),
        accelerator="cu128",  # what PyPI's torch of that day was built for
        newest="2025-11-16",
    ),
    Set(
        name="hard-numba",
        requirements=("numpy>=2.1,<2.2", "numba<=0.60,>0.1"),
        machine=Machine("3.10"),
        six=_six("3.10", "3.11", "3.12"),
        newest="2024-08-28",
        impossible=True,  # among wheels: an old numba that admits every numpy exists as a source distribution only
    ),
    Set(
        name="hard-napari",
        requirements=("aicsimageio==4.9.1", "napari-aicsimageio==0.7.2", "napari==0.4.18"),
        machine=Machine("3.9"),
        six=_six("3.9", "3.10", "3.11"),
        newest="2023-08-07",
        impossible=True,
    ),
    Set(
        name="hard-starlette",
        requirements=("starlette<=0.36.0", "fastapi<=0.115.2"),
        machine=Machine("3.11"),
        six=_six("3.10", "3.11", "3.12"),
        newest="2024-02-17",
    ),
    Set(
        name="hard-boto",
        requirements=("urllib3<1.25.4", "boto3"),
        machine=Machine("3.11"),
        six=_six("3.10", "3.11", "3.12"),
    ),
)
BY_NAME = {each.name: each for each in ALL}
