"""Rule `gpu`: each GPU of the target, or of the probed server, against the code that the set's wheels hold."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import NormalizedName

from wheelhouse.compat import others
from wheelhouse.compat.builds import Code, TorchBuild, torch_build
from wheelhouse.compat.cuda import Cuda, architecture, spoken
from wheelhouse.compat.machine import Machine, gpu_spoken
from wheelhouse.compat.model import Finding, Severity, Subject
from wheelhouse.compat.server import Gpu

RULE = "gpu"
_TORCH = (NormalizedName("torch"),)


def findings(subject: Subject) -> Iterator[Finding]:
    """GPUs that the set has no code for; nothing but for a `cuNNN` target whose GPU is known.

    One GPU that works makes the others a note: servers have small ones for the screen.
    """
    if Cuda.of_channel(subject.target.accelerator) is None:
        return
    machine, torch = Machine.of(subject), torch_build(subject)
    gpus = tuple({gpu.capability: gpu for gpu in machine.gpus if gpu.capability is not None}.values())
    if torch is not None and torch.cuda is not None:
        yield from _torch(machine, torch, gpus)
    for pin, wheel in others.pinned(subject):
        lacking = [gpu for gpu in gpus if gpu.capability and not wheel.covers(gpu.capability)]
        lacking = [gpu for gpu in lacking if gpu.capability and not wheel.compiles(gpu.capability)]
        if lacking and len(lacking) == len(gpus):
            fitting = (each for each in others.known() if each.cuda == wheel.cuda and _takes_all(each, gpus))
            older = others.instead(wheel, fitting)
            yield Finding(
                rule=RULE,
                severity=Severity.WARNING,
                what=f"`{pin}` has no code for {_named(lacking[0])}",
                why="it does not use the GPU there, or stops with `no kernel image is available for execution on the"
                " device`",
                way_out=older,
                projects=(pin.name,),
            )


def _torch(machine: Machine, torch: TorchBuild, gpus: tuple[Gpu, ...]) -> Iterator[Finding]:
    codes = [(gpu, torch.code_for(gpu.capability)) for gpu in gpus if gpu.capability is not None]
    some_work = any(code not in (Code.NO, Code.DOUBTFUL) for _, code in codes)
    some_known = any(code in (Code.CUBIN, Code.PTX) for _, code in codes)
    for gpu, code in codes:
        if code is Code.NO:
            yield Finding(
                rule=RULE,
                severity=Severity.NOTE if some_work else Severity.ERROR,
                what=f"`{torch}` has no code for {_named(gpu)}",
                why="`torch.cuda.is_available()` is True there, and the first work on the GPU says `no kernel image is"
                " available for execution on the device`",
                way_out="use the other GPU alone: `CUDA_VISIBLE_DEVICES`"
                if some_work
                else "\n".join(_ways_out(machine, torch)),
                projects=_TORCH,
            )
        elif code is Code.DOUBTFUL:
            yield Finding(
                rule=RULE,
                severity=Severity.NOTE,
                what=f"`{torch}` has probably no code for {_named(gpu)}: its neighbours have none",
                why="without it the first work on the GPU says `no kernel image is available for execution on the"
                " device`",
                way_out="\n".join(_ways_out(machine, torch)),
                projects=_TORCH,
            )
        elif code is Code.UNKNOWN and not some_known:
            yield Finding(
                rule=RULE,
                severity=Severity.NOTE,
                what=f"whether `{torch}` has code for {_named(gpu)} is not known",
                why="nobody has looked into this build; without code the first work on the GPU says `no kernel image is"
                " available for execution on the device`",
                way_out="`torch.cuda.get_arch_list()` tells it where this torch is installed",
                projects=_TORCH,
            )


def _named(gpu: Gpu) -> str:
    """`compute capability 7.0 (Volta)`, or the name that `nvidia-smi` gives."""
    assert gpu.capability is not None
    if gpu.name:
        return f"`{gpu.name}` (compute capability {spoken(gpu.capability)})"
    generation = architecture(gpu.capability)
    return gpu_spoken(gpu) + (f" ({generation.name})" if generation is not None else "")


def _takes_all(wheel: others.CudaWheel, gpus: tuple[Gpu, ...]) -> bool:
    values = [gpu.capability for gpu in gpus if gpu.capability is not None]
    return all(wheel.covers(value) or wheel.compiles(value) for value in values)


def _ways_out(machine: Machine, torch: TorchBuild) -> tuple[str, ...]:
    from wheelhouse.compat import suggest  # where something is wrong only

    return tuple(suggest.ways_out(machine, torch))
