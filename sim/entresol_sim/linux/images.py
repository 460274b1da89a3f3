"""What the host and its guest are given: programs, initramfs archives, device trees."""

import struct
from pathlib import Path

from entresol.config import CoreConfig
from entresol.soc.device_tree import Cells, Node, cells64, to_dtb

from .. import elf
from ..errors import UserError
from ..programs.build import build, build_linux
from . import cpio

SOURCES = Path(__file__).parents[1] / "programs" / "linux"

#: The guest's memory, as vmm.c and init.c have it: where it starts, its size, where the initramfs goes.
GUEST_BASE, GUEST_SIZE, GUEST_INITRD = 0x8000_0000, 24 << 20, 0x80E1_0000
#: Space for the guest's kernel.
GUEST_KERNEL_SIZE = 14 << 20
#: Entropy for the kernels: without it they spend their first seconds gathering some, and runs would differ.
RNG_SEED = bytes(range(32))

_IMAGE_MAGIC = b"RSC\x05"


def is_kernel(content: bytes) -> bool:
    """Whether a file has the header of a kernel Image."""
    return content[0x38:0x3C] == _IMAGE_MAGIC


def kernel_size(image: bytes, name: str) -> int:
    """Bytes that a kernel Image occupies in memory, from its header (Documentation/arch/riscv/boot-image-header.rst).

    Raises:
        UserError: it is no Image.
    """
    if not is_kernel(image):
        raise UserError(f"{name} is no Linux Image for RISC-V: give arch/riscv/boot/Image, not compressed.")
    (size,) = struct.unpack_from("<Q", image, 16)
    return max(size, len(image))


def bare_guest() -> bytes:
    """The bare guest as a flat program."""
    path = build([SOURCES / "bare.S"], SOURCES / "bare.ld")
    (segment,) = elf.parse_elf(path.read_bytes(), path.name).segments
    return segment.content


def guest_device_tree(config: CoreConfig, initrd_size: int) -> Node:
    """The machine that KVM and vmm.c make, on a host of configuration `config`."""
    extensions = ["i", "m", "a", "c", *(["sstc"] if config.has("sstc") else [])]
    intc = Node("interrupt-controller", {
        "compatible": "riscv,cpu-intc",
        "#interrupt-cells": Cells(1),
        "interrupt-controller": True,
    })  # fmt: skip
    cpu = Node("cpu@0", {
        "device_type": "cpu",
        "reg": Cells(0),
        "status": "okay",
        "compatible": "riscv",
        "riscv,isa": "rv64" + "".join(extensions[:4]) + "".join(f"_{name}" for name in extensions[4:]),
        "riscv,isa-base": "rv64i",
        "riscv,isa-extensions": extensions,
        "mmu-type": config.mmu_type,
    }, [intc])  # fmt: skip
    return Node("", {
        "#address-cells": Cells(2),
        "#size-cells": Cells(2),
        "compatible": "linux,dummy-virt",
    }, [
        Node("chosen", {
            "bootargs": "console=hvc0 quiet panic=-1 entresol=guest",
            "linux,initrd-start": cells64(GUEST_INITRD),
            "linux,initrd-end": cells64(GUEST_INITRD + initrd_size),
            "rng-seed": RNG_SEED,
        }),
        Node("cpus", {
            "#address-cells": Cells(1),
            "#size-cells": Cells(0),
            "timebase-frequency": Cells(10_000_000),
        }, [cpu]),
        Node(f"memory@{GUEST_BASE:x}", {"device_type": "memory", "reg": cells64(GUEST_BASE, GUEST_SIZE)}),
    ])  # fmt: skip


def _initramfs(*entries: cpio.Entry) -> bytes:
    return cpio.archive([cpio.directory("dev"), cpio.character_device("dev/console", 5, 1), *entries])


def host_initramfs(config: CoreConfig, kernel: bytes | None) -> bytes:
    """The host's files: /init, /vmm, the bare guest and, with the guest's `kernel`, all of the Linux guest."""
    init = cpio.program("init", build_linux(SOURCES / "init.c").read_bytes())
    entries = [
        init,
        cpio.program("vmm", build_linux(SOURCES / "vmm.c").read_bytes()),
        cpio.regular("bare.bin", bare_guest()),
    ]
    if kernel is not None:
        guest = _initramfs(init)
        entries += [
            cpio.regular("Image", kernel),
            cpio.regular("guest.dtb", to_dtb(guest_device_tree(config, len(guest)))),
            cpio.regular("guest.cpio", guest),
        ]
    return _initramfs(*entries)
