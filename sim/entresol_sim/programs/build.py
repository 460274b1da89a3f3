"""Compiles C and assembly for the core, bare-metal or for Linux, with the `ziglang` wheel: no other tool is needed.

Results are cached by content: the same sources, headers, linker script, options and compiler give the same file
without compiling again.  Files appear in the cache complete or not at all, so builds may run side by side and be
interrupted.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

from ..cache import cache_dir
from ..errors import UserError

#: Extensions that every configuration of the core has, as the compiler names them.
BASE_EXTENSIONS = ("m", "a", "c", "h")

#: What programs for Linux may use: what the kernel of `entresol_sim.linux` supports.
USER_EXTENSIONS = ("m", "a", "c")

_FLAGS = (
    "-target", "riscv64-freestanding-none", "-mcmodel=medany", "-ffreestanding", "-nostdlib",
    "-lcompiler_rt", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-sanitize=all",
    "-fno-stack-protector", "-fomit-frame-pointer", "-g", "-Wall", "-Werror",
    "-Wl,--build-id=none",
)  # fmt: skip


_LINUX_FLAGS = (
    "-target", "riscv64-linux-musl", "-static", "-Os", "-s", "-Wall", "-Werror", "-Wl,--build-id=none",
)  # fmt: skip


def build(
    sources: Iterable[Path],
    linker_script: Path,
    *,
    include: Iterable[Path] = (),
    defines: Mapping[str, str | int] | None = None,
    extensions: Iterable[str] = BASE_EXTENSIONS,
    flags: Iterable[str] = ("-O2",),
) -> Path:
    """Compile and link `sources` (.c and .S files) to an ELF file and return its path in the cache.

    `include` are directories searched for headers, before the one that has `machine.h`; `defines` are preprocessor
    macros, `extensions` what the compiler may use beyond RV64I (its names: "m", "zba"...), `flags` further options of
    a C compiler.
    A header counts into the content when it lies in an include directory or beside a source.

    Raises:
        UserError: a file is missing, or the compiler refused; then its messages follow the first line.
    """
    sources = [Path(source) for source in sources]
    include = [*map(Path, include), Path(__file__).parent]
    options = [
        *_FLAGS,
        *_processor(extensions),
        *flags,
        *(f"-D{name}={value}" for name, value in (defines or {}).items()),
    ]
    return _compile(sources, options, include, linker_script)


def build_linux(source: Path, *, extensions: Iterable[str] = USER_EXTENSIONS) -> Path:
    """Compile a C program for Linux, statically linked with the musl library that zig brings, without floating point;
    returns the path of the ELF file in the cache.

    Raises:
        UserError: as `build`.
    """
    return _compile([source], [*_LINUX_FLAGS, *_processor(extensions)], [], None)


def _processor(extensions: Iterable[str]) -> list[str]:
    return ["-mabi=lp64", "-mcpu=generic_rv64" + "".join(f"+{extension}" for extension in extensions)]


def _compile(sources: list[Path], options: list[str], include: list[Path], linker_script: Path | None) -> Path:
    directory = cache_dir("programs")
    output = directory / f"{sources[0].stem}-{_content_key(sources, linker_script, include, options)}.elf"
    if output.exists():
        return output
    script = [f"-Wl,-T,{linker_script}"] if linker_script else []
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        fresh = Path(scratch) / output.name
        command = [
            sys.executable, "-m", "ziglang", "cc", *options, *(f"-I{path}" for path in include),
            *map(str, sources), *script, "-o", str(fresh),
        ]  # fmt: skip
        # without a cache of its own zig would leave one in the current directory
        environment = os.environ | {"ZIG_LOCAL_CACHE_DIR": str(cache_dir("zig"))}
        result = subprocess.run(command, capture_output=True, text=True, env=environment)
        if result.returncode:
            raise UserError(
                f"{', '.join(path.name for path in sources)} cannot be compiled: see the compiler's messages below.\n"
                + result.stderr.strip()
            )
        os.replace(fresh, output)
    return output


def _content_key(sources: list[Path], linker_script: Path | None, include: list[Path], options: list[str]) -> str:
    """A name for everything that the result depends on."""
    headers = {
        header
        for directory in {*include, *(source.parent for source in sources)}
        for pattern in ("*.h", "*.inc")
        for header in directory.glob(pattern)
    }
    digest = hashlib.sha256(repr((version("ziglang"), options)).encode())
    for path in (*sources, *([linker_script] if linker_script else []), *sorted(headers)):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}): give the path of a source file.") from error
        digest.update(f"{path.name}:{len(content)}:".encode() + content)
    return digest.hexdigest()[:20]
