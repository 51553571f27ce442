"""What a bundle needs of the server itself: the `needs` of MANIFEST.json, judged there by `install.sh --check`."""

from __future__ import annotations

from collections.abc import Collection

from wheelhouse.compat import others, system
from wheelhouse.compat.builds import TorchBuild, proven_cuda, torch_build
from wheelhouse.compat.cuda import Cuda, Driver, capability, floor, is_data_center, spoken
from wheelhouse.compat.model import Need, Subject


def needs(subject: Subject, accepted: Collection[str] = ()) -> dict[str, object]:
    """JSON values, the same for the same arguments; `accepted` are the rules whose errors are only warnings.

    `cuda`: the CUDA (`12.1`) that the set's wheels were built with, null where nothing of it runs on an NVIDIA GPU;
    `driver`: the oldest NVIDIA driver on which that starts; `compat-driver`: the oldest one for which NVIDIA's forward
    compatibility package may make up, on data-center GPUs; `capabilities`: the compute capabilities that torch has
    compiled code for, empty where that is not known; `ptx`: the one from which on a GPU may compile torch's code
    itself; `torch`: its version. `needs`: libraries and programs, one of `names` is enough, by what needs them.
    """
    torch = torch_build(subject)
    cuda = _cuda(subject, torch)
    lowest = None if cuda is None else floor(cuda, subject.target.os)
    known = torch is not None and cuda is not None and torch.build is not None and not torch.build.expected
    return {
        "cuda": None if cuda is None else str(cuda),
        "driver": _text(lowest),
        "compat-driver": _text(_compat(subject, cuda)),
        "capabilities": [spoken(each) for each in sorted(torch.capabilities)] if torch and known else [],
        "ptx": spoken(torch.ptx) if torch and known and torch.ptx else None,
        "torch": None if torch is None else str(torch.version),
        "needs": _unique([_need(each) for each in system.needs(subject)]),
        "accepted": sorted(accepted),
    }


def _cuda(subject: Subject, torch: TorchBuild | None) -> Cuda | None:
    """Torch's, else that of the pinned runtime, else that of wheels which bring CUDA code of their own.

    None but for a `cuNNN` target: what is only true of GPU use counts there alone.
    """
    asked = Cuda.of_channel(subject.target.accelerator)
    if asked is None:
        return None
    if torch is not None:
        return torch.cuda
    proven = proven_cuda(subject)
    majors = [wheel.cuda for _, wheel in others.pinned(subject)]
    if proven is not None or not majors:
        return proven
    return asked if asked.major == max(majors) else Cuda(max(majors), 0)


def _compat(subject: Subject, cuda: Cuda | None) -> Driver | None:
    """The floor of the CUDA major before: "the CUDA Forward Compatibility package" runs a newer toolkit's applications
    on an older base driver of the majors before (NVIDIA, CUDA Compatibility), on Linux and data-center GPUs only.
    """
    target = subject.target
    value = capability(target.gpu)
    if cuda is None or target.os != "linux" or (value is not None and is_data_center("", value) is False):
        return None
    return floor(Cuda(cuda.major - 1, 0), target.os)


def _text(driver: Driver | None) -> str | None:
    return None if driver is None else str(driver)


def _need(need: Need) -> dict[str, object]:
    return {
        "kind": need.kind,
        "names": list(need.names),
        "rule": need.rule,
        "severity": str(need.severity),
        "needed-by": need.needed_by,
        "why": need.why,
        "way-out": need.way_out,
    }


def _unique(needs: list[dict[str, object]]) -> list[dict[str, object]]:
    """Each once, in their order: two rows of the table may ask for the same."""
    return [each for at, each in enumerate(needs) if each not in needs[:at]]
