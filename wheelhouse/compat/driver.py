"""Rule `driver`: the NVIDIA driver of the target, or of the probed server, against the CUDA of the set's wheels."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import NormalizedName

from wheelhouse.compat import others
from wheelhouse.compat.builds import Code, TorchBuild, proven_cuda, torch_build
from wheelhouse.compat.cuda import (
    Cuda,
    Driver,
    How,
    Running,
    architecture,
    driver_cuda,
    floor,
    is_data_center,
    isa,
    oldest_reader,
    runs,
    spoken,
)
from wheelhouse.compat.machine import Machine, gpu_spoken
from wheelhouse.compat.model import Finding, Severity, Subject

RULE = "driver"
_TORCH = (NormalizedName("torch"),)
PTX_ERROR = "the first work on the GPU says `the provided PTX was compiled with an unsupported toolchain`"


def findings(subject: Subject) -> Iterator[Finding]:
    """What the driver cannot run of the set; nothing but for a `cuNNN` target."""
    if Cuda.of_channel(subject.target.accelerator) is None:
        return
    machine, torch = Machine.of(subject), torch_build(subject)
    cuda = torch.cuda if torch is not None else proven_cuda(subject)
    if machine.driverless and (cuda is not None or any(others.pinned(subject))):
        yield _unseen(machine)
    if machine.driver is None:
        return
    yield from _generations(machine, machine.driver)
    running = None if cuda is None else runs(cuda, machine.driver, machine.os)
    if running is not None:
        yield from _runtime(subject, machine, torch, running)
    stopped = running is not None and running.how is How.NO
    if torch is not None and not stopped:
        yield from _ptx(machine, machine.driver, torch)
    yield from _others(subject, machine, machine.driver, told=running.cuda.major if running and stopped else None)


def _unseen(machine: Machine) -> Finding:
    return Finding(
        rule=RULE,
        severity=Severity.WARNING,
        what=f"no NVIDIA driver was seen on {machine.place}, and the target takes builds for CUDA",
        why="without a driver everything runs on the CPU: `torch.cuda.is_available()` is False",
        way_out="probe where the GPU can be seen: a container needs `--gpus all`, a cluster one of its GPU nodes\n"
        f"`--target {machine.with_accelerator('cpu')}` if there is no GPU",
    )


def _runtime(subject: Subject, machine: Machine, torch: TorchBuild | None, running: Running) -> Iterator[Finding]:
    """The build's CUDA against the driver: below its major's floor it does not start at all."""
    name = f"`{torch}`" if torch is not None else f"the set's CUDA {running.cuda} runtime"
    projects = _TORCH if torch is not None else ()
    if running.how is How.NO:
        yield Finding(
            rule=RULE,
            severity=Severity.ERROR,
            what=f"{name} needs driver {running.floor} or newer, and {machine.place} has {machine.driver}",
            why=f"CUDA {running.cuda.major} does not start on it: `torch.cuda.is_available()` is False"
            if torch is not None
            else f"CUDA {running.cuda.major} does not start on it: `CUDA driver version is insufficient`",
            way_out="\n".join(_ways_out(machine, torch, running)),
            projects=projects,
        )
    elif running.how is How.MINOR:
        yield Finding(
            rule=RULE,
            severity=Severity.NOTE,
            what=f"{name} is built for CUDA {running.cuda}, and driver {machine.driver} has {running.newest}: it runs"
            " by NVIDIA's minor-version compatibility",
            why="all that is compiled for the GPU works; PTX that a package writes with CUDA"
            f" {running.cuda} and leaves to the driver does not",
            way_out=f"nothing need be done; driver {_branch_of(running.cuda)} or newer lifts the limit",
            projects=projects,
        )


def _ways_out(machine: Machine, torch: TorchBuild | None, running: Running) -> Iterator[str]:
    if torch is not None:
        from wheelhouse.compat import suggest  # where something is wrong only

        yield from suggest.ways_out(machine, torch)
    yield f"have the driver updated to {running.floor} or newer"
    compat = f"cuda-compat-{running.cuda.major}-{running.cuda.minor}"
    if machine.os == "linux":
        for gpu in machine.gpus:
            if is_data_center(gpu.name, gpu.capability):
                yield (
                    f"on data-center GPUs such as this one NVIDIA's package `{compat}` makes up for an old driver:"
                    f" take it along and add `--accept {RULE}`"
                )
                return


def _branch_of(cuda: Cuda) -> str:
    read = isa(cuda)
    oldest = None if read is None else oldest_reader(read)
    return "of a newer branch" if oldest is None else str(oldest)


def _ptx(machine: Machine, driver: Driver, torch: TorchBuild) -> Iterator[Finding]:
    """A GPU without compiled code, whose PTX the driver is too old to read (cudaErrorUnsupportedPtxVersion, 222)."""
    newest = driver_cuda(driver)
    known = [gpu for gpu in machine.gpus if gpu.capability is not None]
    codes = [torch.code_for(gpu.capability) for gpu in known if gpu.capability is not None]
    if torch.cuda is None or newest is None or not known or any(code is not Code.PTX for code in codes):
        return
    written, read = isa(torch.cuda), isa(newest)
    if written is None or read is None or read >= written:
        return
    oldest = oldest_reader(written)
    yield Finding(
        rule=RULE,
        severity=Severity.ERROR,
        what=f"`{torch}` has only PTX {spoken(written)} for {gpu_spoken(known[0])}, and driver {driver} reads PTX"
        f" {spoken(read)} at most",
        why=PTX_ERROR,
        way_out=f"have the driver updated to {oldest} or newer" if oldest is not None else "have the driver updated",
        projects=_TORCH,
    )


def _others(subject: Subject, machine: Machine, driver: Driver, *, told: int | None) -> Iterator[Finding]:
    """Wheels with CUDA code of their own. `told`: the CUDA major that was already said not to start."""
    newest = driver_cuda(driver)
    for pin, wheel in others.pinned(subject):
        lowest = floor(Cuda(wheel.cuda, 0), machine.os)
        if lowest is not None and not driver.reaches(lowest):
            if wheel.cuda != told:
                older = others.instead(wheel, (each for each in others.known() if each.cuda < wheel.cuda))
                yield _warned(
                    f"`{pin}` is built for CUDA {wheel.cuda} and needs driver {lowest} or newer, and {machine.place}"
                    f" has {driver}",
                    "it does not use the GPU there, or stops with `CUDA driver version is insufficient`",
                    [f"{older}, built for an older CUDA"] if older else [],
                    lowest,
                    pin.name,
                )
            continue
        for gpu in machine.gpus:
            read = None if newest is None else isa(newest)
            if gpu.capability is None or wheel.isa is None or read is None or not wheel.compiles(gpu.capability):
                continue
            if read < wheel.isa:
                oldest = oldest_reader(wheel.isa)
                older = others.instead(wheel, (each for each in others.known() if each.isa and each.isa <= read))
                yield _warned(
                    f"`{pin}` has only PTX {spoken(wheel.isa)} for {gpu_spoken(gpu)}, which driver {oldest} and newer"
                    f" understand, and {machine.place} has {driver}",
                    PTX_ERROR,
                    [f"{older}, with older PTX"] if older else [],
                    oldest,
                    pin.name,
                )
                break


def _warned(what: str, why: str, ways: list[str], newer: Driver | None, name: NormalizedName) -> Finding:
    ways = [*ways, f"have the driver updated to {newer} or newer"] if newer is not None else ways
    return Finding(rule=RULE, severity=Severity.WARNING, what=what, why=why, way_out="\n".join(ways), projects=(name,))


def _generations(machine: Machine, driver: Driver) -> Iterator[Finding]:
    """Old GPUs that newer driver branches do not drive, and new ones that older branches do not."""
    for told in machine.undriven:
        yield Finding(
            rule=RULE,
            severity=Severity.WARNING,
            what=told,
            why="`nvidia-smi` does not list such a GPU there",
            way_out="look at `nvidia-smi` on the server, and name its driver and GPU in the target as they are",
        )
    if machine.os != "linux":  # whose drivers are numbered by their branch
        return
    known = [architecture(gpu.capability) for gpu in machine.gpus if gpu.capability is not None]
    for name in sorted({each.name for each in known if each is not None and each.last_branch == driver.branch}):
        yield Finding(
            rule=RULE,
            severity=Severity.NOTE,
            what=f"R{driver.branch} is the last driver branch for {name} GPUs, and {machine.place} has {driver}",
            why="a later driver does not see the GPU any more",
            way_out=f"keep to R{driver.branch} when the driver is updated",
        )


def _from_suggestions(machine: Machine, torch: TorchBuild) -> tuple[str, ...]:
    from wheelhouse.compat import suggest  # where something is wrong only

    return tuple(suggest.ways_out(machine, torch))
