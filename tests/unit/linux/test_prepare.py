"""Obtaining and building, on machines where something is missing."""

import json
import os
import subprocess

import pytest

from entresol_sim.errors import UserError
from entresol_sim.linux import prepare


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ENTRESOL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "linux"


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A function that makes commands, the only ones there are, from the text of shell scripts."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))

    def make(**scripts: str) -> None:
        for name, script in scripts.items():
            path = directory / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
            path.chmod(0o755)

    return make


@pytest.fixture
def compilers(tools):
    """Everything to build a kernel, although it only makes believe; its steps are written to a file."""
    names = ("gcc", "flex", "bison", "bc", "xz", "riscv64_linux_gnu_gcc")
    tools(**dict.fromkeys(names, "echo gcc 12"), tar='exec tar "$@"')
    tools(
        make="""
        for word; do case $word in O=*) out=${word#O=};; esac; done
        echo "$*" >> "$out/../steps"
        [ ! -e "$out/../broken" ] || { echo "*** no space"; exit 2; }
        mkdir -p "$out/arch/riscv/boot"
        case "$*" in
            *olddefconfig) printf 'CONFIG_%s=y\\n' KVM HVC_RISCV_SBI BLK_DEV_INITRD BINFMT_ELF > "$out/.config";;
            *Image)
                echo "  CC      init/main.o"
                echo image > "$out/arch/riscv/boot/Image"
                echo map > "$out/System.map";;
            *) : > "$out/.config";;
        esac
    """
    )


@pytest.fixture
def tree(tmp_path):
    script = tmp_path / "linux-6.1" / "scripts" / "kconfig" / "merge_config.sh"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n: > .tmp.config\n")  # the real one leaves that when it is interrupted
    script.chmod(0o755)
    return tmp_path / "linux-6.1"


@pytest.fixture
def firmware(tmp_path):
    path = tmp_path / "fw_jump.elf"
    path.write_bytes(b"firmware")
    return path


def test_nothing_prepared():
    with pytest.raises(UserError, match="run `entresol linux prepare` first, or give --firmware and --kernel"):
        prepare.prepared()


def test_missing_tools_are_named_together(tools):
    tools(make="", gcc="", tar="", xz="")
    with pytest.raises(UserError, match="flex bison bc gcc-riscv64-linux-gnu"):
        prepare.prepare()


def test_missing_compiler_of_the_user(compilers):
    with pytest.raises(UserError, match="no my-gcc"):
        prepare.prepare(cross_compile="my-")


def test_without_apt(compilers, monkeypatch, tmp_path):
    monkeypatch.setattr(prepare, "_FIRMWARE", prepare.Path("usr/share/nowhere/fw_jump.elf"))
    monkeypatch.setattr(prepare, "_SOURCES", "usr/share/nowhere/*.tar.xz")
    with pytest.raises(UserError, match=r"opensbi cannot be obtained: give --firmware FILE .* and --source PATH"):
        prepare.prepare()


def test_without_apt_but_with_firmware(compilers, monkeypatch, firmware):
    monkeypatch.setattr(prepare, "_SOURCES", "usr/share/nowhere/*.tar.xz")
    with pytest.raises(UserError, match=r"linux-source cannot be obtained: give --source PATH"):
        prepare.prepare(firmware=firmware)


def test_without_apt_but_with_sources(compilers, tree, monkeypatch):
    monkeypatch.setattr(prepare, "_FIRMWARE", prepare.Path("usr/share/nowhere/fw_jump.elf"))
    with pytest.raises(UserError, match=r"give --firmware FILE \(fw_jump.elf of OpenSBI\)\."):
        prepare.prepare(source=tree)


def test_download_of_the_sources(compilers, tools, tree, firmware, monkeypatch, cache):
    monkeypatch.setattr(prepare, "_SOURCES", "usr/share/nowhere/linux-source-*.tar.xz")
    tools(
        apt_cache="echo '  Depends: linux-source-6.1'",
        apt_get='[ "$*" = "download linux-source-6.1" ] && echo package > linux-source-6.1_1_all.deb',
        dpkg_deb=f"""
            mkdir -p "$3/usr/share/nowhere"
            tar -cJf "$3/usr/share/nowhere/linux-source-6.1.tar.xz" -C {tree.parent} {tree.name}
        """,
    )
    result = prepare.prepare(firmware=firmware)
    assert result.kernel.read_text() == "image\n"
    tools(apt_get="exit 1")  # not again
    assert prepare.prepare(firmware=firmware) == result


def test_apt_that_fails(compilers, tools, monkeypatch):
    monkeypatch.setattr(prepare, "_FIRMWARE", prepare.Path("usr/share/nowhere/fw_jump.elf"))
    tools(apt_get="echo 'E: Unable to locate package' >&2; exit 100", dpkg_deb="")
    with pytest.raises(UserError, match=r"Unable to locate package.*apt-get update"):
        prepare.prepare()


def test_download_of_the_firmware(compilers, tools, tree, monkeypatch, cache):
    monkeypatch.setattr(prepare, "_FIRMWARE", prepare.Path("usr/share/nowhere/fw_jump.elf"))
    tools(
        apt_get="echo package > opensbi_1.1_all.deb",
        dpkg_deb='mkdir -p "$3/usr/share/nowhere"; echo sbi > "$3/usr/share/nowhere/fw_jump.elf"',
    )
    result = prepare.prepare(source=tree)
    assert result.firmware.read_text() == "sbi\n" and result.firmware.suffix == ".elf"
    assert not list(cache.glob("tmp-*"))
    tools(apt_get="exit 1")  # not again
    assert prepare.prepare(source=tree) == result


def test_a_tree_of_the_user(compilers, tree, firmware, cache):
    result = prepare.prepare(firmware=firmware, source=tree)
    assert result.kernel.read_text() == "image\n" and result.symbols.read_text() == "map\n"
    assert prepare.prepared() == result
    # only make can tell whether the tree has changed
    assert prepare.prepare(firmware=firmware, source=tree) == result
    assert (cache / "steps").read_text().count(" Image\n") == 2


def test_the_directory_of_the_user_stays_as_it_is(compilers, tree, firmware, cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tree)
    before = {*tree.rglob("*")}
    prepare.prepare(firmware=prepare.Path("../fw_jump.elf"), source=prepare.Path("."))
    assert {*tree.rglob("*")} == before


@pytest.mark.parametrize("left", [".config", "include/config"])
def test_a_tree_in_which_something_was_built(compilers, tree, firmware, left):
    (tree / left).mkdir(parents=True)
    with pytest.raises(UserError, match=r"run `make mrproper` there, or give `entresol linux` its Image"):
        prepare.prepare(firmware=firmware, source=tree)


def test_an_archive_is_built_once_and_goes_on_after_a_failure(
    compilers, tools, tree, firmware, cache, tmp_path, monkeypatch
):
    archive = tmp_path / "linux.tar.xz"
    subprocess.run(
        ["/usr/bin/env", "PATH=/usr/bin:/bin", "tar", "-cJf", archive, "-C", tmp_path, tree.name], check=True
    )
    monkeypatch.chdir(tmp_path)
    archive = prepare.Path(archive.name)
    cache.mkdir(parents=True)
    (cache / "broken").touch()
    with pytest.raises(UserError, match=r"make ended with status 2 \(\*\*\* no space\): see .*failed.log"):
        prepare.prepare(firmware=firmware, source=archive)
    (cache / "broken").unlink()
    tools(tar="exit 1")  # it need not be unpacked again
    result = prepare.prepare(firmware=firmware, source=archive)
    assert result.kernel.read_text() == "image\n"
    assert not list(cache.glob("source-*")) and not list(cache.glob("build-*"))  # a gigabyte
    os.unlink(cache / "steps")
    assert prepare.prepare(firmware=firmware, source=archive) == result
    assert not (cache / "steps").exists()


def test_what_an_interrupted_removal_left_goes(compilers, tree, firmware, cache):
    for name in ("tmp-killed", "source-1", "build-kernel-1"):
        (cache / name / "much").mkdir(parents=True)
    prepare.prepare(firmware=firmware, source=tree)
    assert {path.name.split("-")[0] for path in cache.iterdir() if path.is_dir()} == {"tree", "build"}


def test_a_kernel_without_kvm(compilers, tools, tree, firmware):
    tools(make='for word; do case $word in O=*) : > "${word#O=}/.config";; esac; done')
    with pytest.raises(UserError, match=r"cannot have CONFIG_KVM, .*use Linux 6\.1"):
        prepare.prepare(firmware=firmware, source=tree)


def test_not_a_tree(compilers, tmp_path, firmware):
    with pytest.raises(UserError, match="has no kernel sources"):
        prepare.prepare(firmware=firmware, source=tmp_path)


def test_not_an_archive(compilers, tmp_path, firmware):
    (tmp_path / "notes.txt").write_text("no archive")
    with pytest.raises(UserError, match=r"notes\.txt cannot be unpacked: give another --source"):
        prepare.prepare(firmware=firmware, source=tmp_path / "notes.txt")


def test_an_archive_of_something_else(compilers, tmp_path, firmware, cache):
    (tmp_path / "other").mkdir()
    subprocess.run(
        ["/usr/bin/env", "PATH=/usr/bin:/bin", "tar", "-cf", "other.tar", "other"], cwd=tmp_path, check=True
    )
    for _ in range(2):  # nothing of it stays
        with pytest.raises(UserError, match=r"other\.tar has no kernel sources"):
            prepare.prepare(firmware=firmware, source=tmp_path / "other.tar")
    assert not list(cache.glob("source-*"))


def test_another_configuration_needs_another_kernel(compilers, tree, firmware, cache):
    prepare.prepare(firmware=firmware, source=tree)
    state = json.loads((cache / "prepared.json").read_text())
    (cache / "prepared.json").write_text(json.dumps({**state, "fragment": "another"}))
    with pytest.raises(UserError, match="not prepared"):
        prepare.prepared()
