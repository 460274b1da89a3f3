"""What the host and its guest are given."""

import struct

import pytest

from entresol.config import get_config
from entresol.soc.device_tree import to_dts
from entresol_sim.errors import UserError
from entresol_sim.linux import images

INIT = (images.SOURCES / "init.c").read_text()
VMM = (images.SOURCES / "vmm.c").read_text()


def image(size=0, length=64) -> bytes:
    """A Linux Image that has nothing but a header."""
    header = struct.pack("<IIQQQIIQ8s4sI", 0, 0, 0x20_0000, size, 0, 2, 0, 0, b"RISCV\0\0\0", b"RSC\x05", 0)
    return header + bytes(length - len(header))


def test_kernel_size_includes_what_the_file_does_not():
    assert images.kernel_size(image(0x12_3456), "k") == 0x12_3456
    assert images.kernel_size(image(0, 100), "k") == 100


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b" + bytes(100), b"\x7fELF" + bytes(100)])
def test_no_image(content):
    with pytest.raises(UserError, match="vmlinuz is no Linux Image"):
        images.kernel_size(content, "vmlinuz")


@pytest.mark.parametrize("name, sstc", [("linux", True), ("small", False)])
def test_guest_device_tree(name, sstc):
    config = get_config(name)
    assert config.has("sstc") == sstc
    text = to_dts(images.guest_device_tree(config, 0x1234))
    assert ("sstc" in text) == sstc
    assert f'riscv,isa = "rv64imac{"_sstc" if sstc else ""}"' in text
    assert "entresol=guest" in text and "console=hvc0" in text
    assert "memory@80000000" in text


def test_guest_initramfs_is_where_the_tree_says():
    tree = images.guest_device_tree(get_config("linux"), 0x1234)
    chosen = next(node for node in tree.children if node.name == "chosen")
    assert chosen.properties["linux,initrd-start"] == (0, 0x80E1_0000)
    assert chosen.properties["linux,initrd-end"] == (0, 0x80E1_1234)
    # what vmm.c does with the files that init.c names
    assert "#define INITRD_OFFSET 0x00e10000ul" in VMM and "#define GUEST_BASE 0x80000000ul" in VMM
    assert f'"-m", "{images.GUEST_SIZE >> 20}"' in INIT
    assert images.GUEST_KERNEL_SIZE == 0x00E0_0000 and "#define DTB_OFFSET 0x00e00000ul" in VMM
