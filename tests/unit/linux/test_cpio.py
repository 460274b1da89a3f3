"""The initramfs archives."""

import shutil
import subprocess

import pytest

from entresol_sim.linux.cpio import archive, character_device, directory, program, regular


def test_one_file_byte_for_byte():
    # worked out by hand from Documentation/driver-api/early-userspace/buffer-format.rst
    header = "07070100000001000081ED" + "00000000" * 2 + "000000010000000000000003" + "00000000" * 4
    header += "0000000500000000"
    trailer = "07070100000002" + "00000000" * 3 + "00000001" + "00000000" * 6 + "0000000B00000000"
    content = archive([program("init", b"abc")])
    assert content[:116] == header.encode() + b"init\0" + bytes(1)
    assert content[116:120] == b"abc\0"
    assert content[120:] == trailer.encode() + b"TRAILER!!!\0" + bytes(3)


@pytest.mark.skipif(not shutil.which("cpio"), reason="needs cpio")
def test_cpio_reads_it():
    content = archive([
        directory("dev"), character_device("dev/console", 5, 1), program("init", b"x" * 5), regular("empty", b"")
    ])  # fmt: skip
    listing = subprocess.run(["cpio", "-itvn"], input=content, capture_output=True, check=True).stdout.decode()
    lines = [line.split() for line in listing.splitlines()]
    assert [line[0] for line in lines] == ["drwxr-xr-x", "crw-------", "-rwxr-xr-x", "-rw-r--r--"]
    assert [line[-1] for line in lines] == ["dev", "dev/console", "init", "empty"]
    assert lines[1][4:6] == ["5,", "1"] and lines[2][4] == "5"


def test_the_same_entries_give_the_same_bytes():
    assert archive([directory("dev")]) == archive([directory("dev")])
