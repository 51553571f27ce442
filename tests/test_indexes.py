"""Routes: which index answers for which project, and what torch's own metadata proves."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from world.scenarios import told

from wheelhouse.indexes import (
    PYTORCH_URL,
    ForeignChannel,
    Index,
    Indexes,
    Route,
    channel_of,
    in_torch_family,
    is_labelled,
    pinned_torch,
    proven_accelerator,
    without_channels,
)

DEFAULT = Index("https://index.test/simple")
COMPANY = Index("https://company.test/simple/")
TEAM = Index("https://team.test/simple")
FOLDER = Index("file:///wheels/", find_links=True)
CU121 = Index(f"{PYTORCH_URL}/cu121")
EVERY = Indexes(default=DEFAULT, extra=(COMPANY, TEAM), find_links=(FOLDER,), channel=CU121)

FAMILY = [
    "torch", "torchvision", "torchaudio", "torchtext", "torchdata", "torchao", "torchcodec", "torchrec",
    "fbgemm-gpu", "fbgemm-gpu-genai", "torch-tensorrt", "xformers", "pytorch-triton", "pytorch-triton-rocm",
    "pytorch-triton-xpu", "triton-rocm", "triton-xpu",
]  # fmt: skip
OTHERS = [
    "requests", "numpy", "typing-extensions", "torchmetrics", "torch-geometric", "pytorch-lightning", "triton",
    "nvidia-cublas-cu12", "torchtriton", "xformers-extra", "nvidia",
]  # fmt: skip


def route(project: str, indexes: Indexes = EVERY) -> Route | None:
    return indexes.route(canonicalize_name(project))


def requires(*texts: str) -> tuple[Requirement, ...]:
    return tuple(Requirement(text) for text in texts)


@pytest.mark.parametrize("project", FAMILY)
def test_the_family_comes_from_the_channel_and_only_none_any_wheels_from_the_default_index(project: str) -> None:
    assert in_torch_family(canonicalize_name(project))
    assert route(project) == Route((CU121, DEFAULT), "channel")


@pytest.mark.parametrize("project", OTHERS)
def test_nothing_else_belongs_to_the_family(project: str) -> None:
    assert not in_torch_family(canonicalize_name(project))


@pytest.mark.parametrize("project", ["requests", "numpy", "typing-extensions", "torchtriton", "pytorch-lightning"])
def test_all_else_never_comes_from_the_channel(project: str) -> None:
    assert route(project) == Route((FOLDER, COMPANY, TEAM, DEFAULT), "first")


@pytest.mark.parametrize("project", ["triton", "nvidia-cublas-cu12", "nvidia-cublas"])
def test_triton_and_nvidia_come_from_the_channel_for_versions_that_nobody_else_lists(project: str) -> None:
    assert route(project) == Route((FOLDER, COMPANY, TEAM, DEFAULT, CU121), "beside-default")


def test_without_an_accelerator_nobody_answers_for_the_family() -> None:
    plain = Indexes(default=DEFAULT)
    assert route("torch", plain) is None
    assert route("triton", plain) == Route((DEFAULT,), "first")
    assert route("numpy", plain) == Route((DEFAULT,), "first")


def test_while_the_default_index_stands_in_the_channel_is_not_asked_for_anything() -> None:
    standing_in = Indexes(default=DEFAULT, extra=(COMPANY,), channel=CU121, standing_in=True)
    assert route("torch", standing_in) == Route((DEFAULT,), "stand-in")
    assert route("triton", standing_in) == Route((COMPANY, DEFAULT), "first")
    assert route("nvidia-nccl-cu12", standing_in) == Route((COMPANY, DEFAULT), "first")


def test_without_a_default_index_only_what_was_given_is_asked() -> None:
    offline = Indexes(default=None, find_links=(FOLDER,), channel=CU121)
    assert route("numpy", offline) == Route((FOLDER,), "first")
    assert route("torch", offline) == Route((CU121,), "channel")


@pytest.mark.parametrize(
    ("index", "page"),
    [
        (DEFAULT, "https://index.test/simple/foo-bar/"),
        (COMPANY, "https://company.test/simple/foo-bar/"),
        (FOLDER, "file:///wheels/"),
        (EVERY.all_channels, f"{PYTORCH_URL}/foo-bar/"),
    ],
)
def test_where_an_index_lists_a_project(index: Index, page: str) -> None:
    assert index.page_url(canonicalize_name("Foo_Bar")) == page


@pytest.mark.parametrize(
    ("project", "labelled"), [("torch", True), ("torchvision", True), ("xformers", False), ("torchao", False)]
)
def test_whose_wheels_carry_the_channel_as_their_local_version(project: str, labelled: bool) -> None:
    assert is_labelled(canonicalize_name(project)) is labelled


MIRROR = "https://mirror.test/pytorch/whl"


@pytest.mark.parametrize(
    ("url", "channel"),
    [
        ("https://download.pytorch.org/whl/cu121", "cu121"),
        ("https://download.pytorch.org/whl/cu121/", "cu121"),
        ("http://download.pytorch.org/whl/cu121", "cu121"),
        ("https://DOWNLOAD.pytorch.org/whl/cpu", "cpu"),
        ("https://download.pytorch.org:443/whl/cpu", "cpu"),
        ("https://user:secret@download.pytorch.org/whl/rocm6.0", "rocm6.0"),
        ("https://download.pytorch.org/whl", ""),
        ("https://download.pytorch.org/whl/", ""),
        ("https://download.pytorch.org/whl/nightly/cu121", "nightly/cu121"),
        ("https://mirror.test/pytorch/whl/cu118/", "cu118"),
        ("https://mirror.test/pytorch/whl", ""),
        ("https://download.pytorch.org/whlcu121", None),
        ("https://download.pytorch.org/", None),
        ("https://download.pytorch.org:8443/whl/cu121", None),
        ("https://mirror.test/simple", None),
        ("https://other.test/whl/cu121", None),
    ],
)
def test_which_channel_an_index_url_names(url: str, channel: str | None) -> None:
    assert channel_of(url, MIRROR) == channel


def test_the_targets_own_channel_is_dropped_with_a_note_and_other_indexes_stay_in_order() -> None:
    given = ("https://b.test/simple", f"{PYTORCH_URL}/cu121/", "https://a.test/simple", f"{MIRROR}/cu121")
    assert without_channels(given, accelerator="cu121", label="linux-x86_64-cu121-py310", pytorch_url=MIRROR) == (
        ("https://b.test/simple", "https://a.test/simple"),
        (
            f"the index `{PYTORCH_URL}/cu121/` is the target's own channel and is used for PyTorch's projects only",
            f"the index `{MIRROR}/cu121` is the target's own channel and is used for PyTorch's projects only",
        ),
    )


@pytest.mark.parametrize(
    ("url", "accelerator", "label", "message"),
    [
        (
            f"{PYTORCH_URL}/cu118",
            "cu121",
            "linux-x86_64-cu121-py310",
            f"the index `{PYTORCH_URL}/cu118` is PyTorch's channel `cu118`, but the target `linux-x86_64-cu121-py310`"
            " takes its own\nhint: drop that index option; the target's accelerator chooses the channel",
        ),
        (
            f"{PYTORCH_URL}/cu121",
            None,
            "linux-x86_64-py310",
            f"the index `{PYTORCH_URL}/cu121` is PyTorch's channel `cu121`, but the target `linux-x86_64-py310` names"
            " no accelerator\nhint: say which build the target takes, such as `cpu` or `cu121`, and drop that index"
            " option",
        ),
        (
            PYTORCH_URL,
            "cu121",
            "linux-x86_64-cu121-py310",
            f"the index `{PYTORCH_URL}` is PyTorch's, with all channels together, but the target"
            " `linux-x86_64-cu121-py310` takes its own\n"
            "hint: drop that index option; the target's accelerator chooses the channel",
        ),
    ],
)
def test_another_channel_is_an_error_that_names_both(
    url: str, accelerator: str | None, label: str, message: str
) -> None:
    with pytest.raises(ForeignChannel) as error:
        without_channels((url,), accelerator=accelerator, label=label, pytorch_url=PYTORCH_URL)
    assert (told(error.value), error.value.exit_code) == (message, 2)


@pytest.mark.parametrize(
    ("metadata", "accelerator"),
    [
        (["filelock", "nvidia-cuda-runtime-cu12==12.1.105", "triton==2.1.0"], "cu121"),
        (["nvidia-cuda-runtime-cu12==12.4.127"], "cu124"),
        (["Nvidia_Cuda.Runtime-cu12 (==12.6.77)"], "cu126"),
        (["nvidia-cuda-runtime-cu11==11.7.99"], "cu117"),
        (["cuda-toolkit[cublas,cudart,cufft]==13.0.2"], "cu130"),
        (["cuda-toolkit==12.8.*"], "cu128"),
        (["nvidia-cuda-runtime==13.0.48"], "cu130"),
        (["nvidia-cuda-runtime-cu12>=12.1"], None),
        (["nvidia-cuda-runtime-cu12"], None),
        (["nvidia-cublas-cu12==12.1.3.1"], None),
        (["cuda-toolkit==13"], None),
        (["filelock", "sympy"], None),
        ([], None),
    ],
)
def test_what_torchs_requirements_prove(metadata: list[str], accelerator: str | None) -> None:
    assert proven_accelerator(requires(*metadata)) == accelerator


@pytest.mark.parametrize(
    ("metadata", "torch"),
    [
        (["numpy", "torch==2.1.2"], "2.1.2"),
        (["Torch==2.1.2+cu121"], "2.1.2+cu121"),
        (["torch>=2.0,==2.1.2"], "2.1.2"),
        (["torch==2.1.*"], None),
        (["torch>=2.1"], None),
        (["torchvision==0.16.2"], None),
        ([], None),
    ],
)
def test_which_torch_a_project_of_the_family_is_built_for(metadata: list[str], torch: str | None) -> None:
    assert pinned_torch(requires(*metadata)) == (None if torch is None else Version(torch))
