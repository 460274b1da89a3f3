"""Obtains OpenSBI and builds the kernel: `entresol linux prepare`.

Both come from Debian packages, installed or downloaded with apt-get (which needs no privileges), or from what the
user names.  Everything is kept in the cache under a hash of what it depends on.  An interrupted build goes on where it
was; the unpacked sources, more than a gigabyte, are removed when the kernel is complete.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..cache import cache_dir
from ..errors import UserError
from ..progress import Progress

FRAGMENT = Path(__file__).parents[1] / "programs" / "linux" / "kernel.config"
CROSS_COMPILE = "riscv64-linux-gnu-"

#: Options of the kernel without which the rest is of no use.
_NEEDED_OPTIONS = ("CONFIG_KVM", "CONFIG_HVC_RISCV_SBI", "CONFIG_BLK_DEV_INITRD", "CONFIG_BINFMT_ELF")
#: Programs that building a kernel needs, and the Debian packages that have them.
_TOOLS = {
    "make": "make",
    "gcc": "gcc libc6-dev",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "tar": "tar",
    "xz": "xz-utils",
}
_FIRMWARE = Path("usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.elf")
_SOURCES = "usr/src/linux-source-*.tar.xz"
_SUPPLY_SOURCE = "--source PATH (a source tree of Linux 6.1 or later)"
#: In a source tree: puts the fragment of a configuration in.
_MERGE = Path("scripts/kconfig/merge_config.sh")
#: What the kernel would otherwise take from the machine: with it the same sources give the same cycle counts.
_REPRODUCIBLE = {
    "KBUILD_BUILD_TIMESTAMP": "1970-01-01", "KBUILD_BUILD_USER": "entresol", "KBUILD_BUILD_HOST": "entresol",
    "KBUILD_BUILD_VERSION": "1", "LC_ALL": "C",
}  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """Files in the cache."""

    firmware: Path
    kernel: Path

    @property
    def symbols(self) -> Path:
        """The kernel's System.map."""
        return self.kernel.with_name("System.map")


def prepared() -> Prepared:
    """What `prepare` left.  Raises `UserError` when that is missing or was made for another configuration."""
    try:
        state = json.loads((cache_dir("linux") / "prepared.json").read_text())
        result = Prepared(Path(state["firmware"]), Path(state["kernel"]))
        if state["fragment"] == _digest(FRAGMENT.read_bytes()) and result.firmware.exists() and result.kernel.exists():
            return result
    except (OSError, ValueError, KeyError):
        pass
    raise UserError(
        "OpenSBI and the kernel are not prepared: run `entresol linux prepare` first, or give --firmware and --kernel."
    )


def prepare(
    *,
    firmware: Path | None = None,
    source: Path | None = None,
    cross_compile: str = CROSS_COMPILE,
    progress: Progress | None = None,
) -> Prepared:
    """Obtain and build what is missing.

    Parameters:
        firmware: OpenSBI's fw_jump instead of the one in Debian's package `opensbi`.
        source: a kernel source tree, or an archive of one, instead of Debian's package `linux-source-*`.
        cross_compile: prefix of the C compiler for the kernel.

    Raises:
        UserError: something is missing; the message says what to install or supply.
    """
    progress = progress or Progress()
    root = cache_dir("linux")
    try:
        with _lock(root, progress):
            _check_tools(cross_compile)
            if source is None:
                source = _installed_sources()
            result = Prepared(
                _firmware(root, firmware, source, progress), _kernel(root, source, cross_compile, progress)
            )
            state = {
                "firmware": str(result.firmware),
                "kernel": str(result.kernel),
                "fragment": _digest(FRAGMENT.read_bytes()),
            }
            _write(root / "prepared.json", json.dumps(state, indent=2).encode() + b"\n")
            _clean(root, progress)
            return result
    except OSError as error:
        raise UserError(
            f"The cache {root} cannot be used ({error.strerror}): make it writable and leave 2 GB of space there, or "
            f"set ENTRESOL_CACHE to another directory."
        ) from error


@contextlib.contextmanager
def _lock(root: Path, progress: Progress) -> Iterator[None]:
    with open(root / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.step("waiting for another process that prepares the same")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check_tools(cross_compile: str) -> None:
    packages = [package for tool, package in _TOOLS.items() if not shutil.which(tool)]
    if not shutil.which(cross_compile + "gcc"):
        if cross_compile != CROSS_COMPILE:
            raise UserError(f"There is no {cross_compile}gcc: install it or choose another --cross-compile.")
        packages.append("gcc-riscv64-linux-gnu")
    if packages:
        raise UserError(
            f"Programs to build a kernel are missing: install the Debian packages {' '.join(packages)} or what your "
            f"system has instead, or run `entresol linux` with your own --firmware and --kernel."
        )


def _clean(root: Path, progress: Progress) -> None:
    """Removes what a complete build does not need, also what interrupted ones left."""
    for pattern in ("source-*", "build-kernel-*"):
        for path in root.glob(pattern):
            os.rename(path, tempfile.mkdtemp(prefix="tmp-", dir=root))  # nothing of it is to be used half removed
    for path in root.glob("tmp-*"):
        progress.step("removing the kernel sources")
        shutil.rmtree(path, ignore_errors=True)


# -- OpenSBI --------------------------------------------------------------------------------------------------------


def _firmware(root: Path, path: Path | None, source: Path | None, progress: Progress) -> Path:
    if path is None:
        path = Path("/") / _FIRMWARE
        if not path.exists():
            supply = "--firmware FILE (fw_jump.elf of OpenSBI)"
            if source is None:  # where this package is not to be had, that of the sources is not either
                supply += f" and {_SUPPLY_SOURCE}"
            path = _package(root, "opensbi", supply, progress) / _FIRMWARE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): give another --firmware.") from error
    result = root / f"firmware-{_digest(content)}{path.suffix}"
    if not result.exists():
        _write(result, content)
    return result


# -- the kernel -----------------------------------------------------------------------------------------------------


def _kernel(root: Path, source: Path | None, cross_compile: str, progress: Progress) -> Path:
    compiler = subprocess.run([f"{cross_compile}gcc", "--version"], capture_output=True, check=False).stdout
    if source is not None and source.is_dir():
        _check_sources(source, source)
        if (source / ".config").exists() or (source / "include/config").exists():
            raise UserError(
                f"Something was built in {source}, which make does not let go with a build elsewhere: run "
                "`make mrproper` there, or give `entresol linux` its Image as --kernel."
            )
        # the tree may change at any time: only make knows what that means
        key = _digest(os.fsencode(source.resolve()), compiler, FRAGMENT.read_bytes())
        return _build(root, f"tree-{key}", source.resolve(), cross_compile, progress)
    archive = source if source is not None else _download_sources(root, progress)
    try:
        with open(archive, "rb") as file:
            sources = hashlib.file_digest(file, "sha256").hexdigest()[:20]
    except OSError as error:
        raise UserError(f"{archive} cannot be read ({error.strerror}): give another --source.") from error
    key = _digest(sources.encode(), compiler, FRAGMENT.read_bytes())
    image = root / f"kernel-{key}" / "Image"
    if image.exists():
        return image
    unpacked = root / f"source-{sources}"
    if not unpacked.exists():
        progress.step("unpacking the kernel sources")
        with _scratch(root) as scratch:
            try:
                _run(["tar", "-xf", str(archive.resolve()), "-C", str(scratch), "--strip-components=1"], root)
            except UserError as error:
                raise UserError(f"{archive} cannot be unpacked: give another --source.  {error}") from error
            _check_sources(scratch, archive)
            os.rename(scratch, unpacked)
    return _build(root, f"kernel-{key}", unpacked, cross_compile, progress)


def _check_sources(tree: Path, name: Path) -> None:
    if not (tree / _MERGE).exists():
        raise UserError(f"{name} has no kernel sources: give the top directory of a tree, or an archive, as --source.")


def _installed_sources() -> Path | None:
    """The archive in Debian's newest package of kernel sources that is installed."""
    return max(Path("/").glob(_SOURCES), key=_version, default=None)


def _version(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.name)]


def _download_sources(root: Path, progress: Progress) -> Path:
    """The archive in Debian's current package of kernel sources."""
    name = "linux-source"
    if shutil.which("apt-cache"):
        # the package of that name only depends on the one of the current version
        depends = subprocess.run(["apt-cache", "depends", name], capture_output=True, text=True, check=False).stdout
        if found := re.search(r"Depends: (linux-source-\S+)", depends):
            name = found[1]
    archive = max(_package(root, name, _SUPPLY_SOURCE, progress).glob(_SOURCES), key=_version, default=None)
    if archive is None:
        raise UserError(f"Debian's package {name} has no sources: give {_SUPPLY_SOURCE}.")
    return archive


def _build(root: Path, name: str, source: Path, cross_compile: str, progress: Progress) -> Path:
    """Build in build-`name`, and leave the results in `name`; returns the path of the Image."""
    build = root / f"build-{name}"
    build.mkdir(exist_ok=True)
    make = ["make", "-C", str(source), f"O={build}", "ARCH=riscv", f"CROSS_COMPILE={cross_compile}"]
    progress.step("configuring the kernel")
    _run([*make, "tinyconfig"], root)
    merge = [str(source / _MERGE), "-m", "-O", str(build)]
    _run([*merge, str(build / ".config"), str(FRAGMENT)], root)
    _run([*make, "olddefconfig"], root)
    config = (build / ".config").read_text().splitlines()
    if missing := [option for option in _NEEDED_OPTIONS if f"{option}=y" not in config]:
        raise UserError(f"This kernel cannot have {', '.join(missing)}: use Linux 6.1 or later.")
    compiled = 0

    def line(text: str) -> None:
        nonlocal compiled
        if re.match(r" +(CC|AS|AR|LD) ", text):
            compiled += 1
            progress.step("compiling the kernel (some minutes)", compiled)

    progress.step("compiling the kernel (some minutes)")
    _run([*make, f"-j{len(os.sched_getaffinity(0))}", "Image"], root, line)
    with _scratch(root) as scratch:
        for path in ("arch/riscv/boot/Image", "System.map", ".config"):
            shutil.copyfile(build / path, scratch / Path(path).name.lstrip("."))
        shutil.rmtree(root / name, ignore_errors=True)
        os.rename(scratch, root / name)
    return root / name / "Image"


# -- common ---------------------------------------------------------------------------------------------------------


def _package(root: Path, name: str, supply: str, progress: Progress) -> Path:
    """A directory with the unpacked files of a Debian package, downloaded unless it was before."""
    if known := sorted(root.glob(f"package-{name}_*")):
        return known[-1]
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise UserError(f"Without {tool} Debian's package {name} cannot be obtained: give {supply}.")
    progress.step(f"downloading Debian's package {name}")
    with _scratch(root) as scratch:
        result = subprocess.run(
            ["apt-get", "download", name], cwd=scratch, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        files = list(scratch.glob("*.deb"))
        if result.returncode or not files:
            reason = (result.stderr.strip().splitlines() or ["apt-get found nothing"])[-1]
            raise UserError(
                f"Debian's package {name} cannot be downloaded ({reason}): run `apt-get update`, or give {supply}."
            )
        target = root / f"package-{files[0].stem}"
        progress.step(f"unpacking Debian's package {name}")
        _run(["dpkg-deb", "-x", str(files[0]), str(scratch / "files")], root)
        os.rename(scratch / "files", target)
        return target


def _run(command: Sequence[str], root: Path, line: Callable[[str], None] | None = None) -> None:
    """Run a command in `root`, with its output in a log there; `line` is told each line of it.

    Raises:
        UserError: it fails.
    """
    log = root / "failed.log"
    with (
        open(log, "w") as file,
        # leaving the block waits for it: an interrupt reaches make as well, which then removes what is incomplete
        subprocess.Popen(
            command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", env=os.environ | _REPRODUCIBLE,
        ) as process,
    ):  # fmt: skip
        file.write(" ".join(command) + "\n")
        assert process.stdout is not None
        last = ""
        for text in process.stdout:
            file.write(text)
            last = text.strip() or last
            if line is not None:
                line(text)
    status = process.returncode
    if status:
        raise UserError(f"{Path(command[0]).name} ended with status {status} ({last}): see {log}.")
    log.unlink()


@contextlib.contextmanager
def _scratch(root: Path) -> Iterator[Path]:
    """A directory on the same file system, which is gone afterwards unless it was renamed."""
    with contextlib.ExitStack() as stack:
        path = Path(tempfile.mkdtemp(prefix="tmp-", dir=root))
        stack.callback(shutil.rmtree, path, ignore_errors=True)
        yield path


def _write(path: Path, content: bytes) -> None:
    """Write a file that appears complete or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(content)
    os.replace(fresh, path)


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:".encode() + part)
    return digest.hexdigest()[:20]
