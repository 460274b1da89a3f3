"""Builds simulations of the core for cocotb and runs testbenches on them."""

import base64
import hashlib
import os
import pickle
import shutil
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from entresol.config import CoreConfig, get_config

from .. import ports
from ..build import FAST, SLOW, Jobs, batches, building, elaborate, package_path, remove_old, tools_key, zig
from ..cache import cache_dir
from ..design import core_design, to_event_driven_verilog
from ..errors import UserError
from ..progress import Progress

#: What a testbench can run on: Icarus Verilog (`iverilog` has to be installed), or Verilator (nothing has to).
SIMULATORS = ("icarus", "verilator")
TOP = "entresol_testbench"
#: The environment variable in which the simulation finds the configuration.
CONFIGURATION = "ENTRESOL_TESTBENCH_CONFIG"

_VERILATOR_FLAGS = (
    "--cc", "--exe", "--vpi", "--top-module", TOP, "--prefix", "Vtop", "-O3", "--x-assign", "fast", "--x-initial",
    "fast", "--noassert", "-Wno-fatal", "-Wno-lint", "--timescale", "1ns/1ps", "--public-depth", "1",
    "--output-split", "20000", "--output-split-cfuncs", "3000",
)  # fmt: skip
_CXX_FLAGS = ("-std=c++20", "-mcpu=native", "-fno-sanitize=all", "-w")
_DEFINES = ("VERILATOR=1", "VM_SC=0", "VM_COVERAGE=0", "VM_TRACE=0", "VM_TRACE_VCD=0", "VM_TRACE_FST=0",
            "VM_TRACE_SAIF=0")  # fmt: skip


@dataclass(frozen=True)
class Results:
    """What became of a testbench: for each test function nothing, or what went wrong.  `log` is what it printed."""

    failures: dict[str, str | None]
    log: str

    def check(self) -> None:
        """Raises `AssertionError` when a test failed."""
        failed = [f"{name}: {message}" for name, message in self.failures.items() if message is not None]
        assert not failed, "\n".join(failed)


def missing(simulator: str) -> str | None:
    """What has to be installed before `simulator` can be used, as a sentence; None if nothing has to."""
    if simulator not in SIMULATORS:
        return f"Unknown simulator {simulator!r}: choose one of {', '.join(SIMULATORS)}."
    for module in ("cocotb", "cocotb_tools", "cocotbext.axi"):
        try:
            found = find_spec(module) is not None
        except ModuleNotFoundError:
            found = False
        if not found:
            return "cocotb or cocotbext-axi is not installed: pip install 'entresol[test]' brings both."
    if simulator == "icarus" and not (shutil.which("iverilog") and shutil.which("vvp")):
        return "Icarus Verilog is not installed: install the Debian package iverilog."
    return None


def run(
    module: str,
    *,
    simulator: str = "verilator",
    config: CoreConfig | str = "small",
    testcase: str | Sequence[str] | None = None,
    environment: dict[str, str] | None = None,
    progress: Progress | None = None,
) -> Results:
    """Simulate the core of a configuration (or its name) with the cocotb tests of Python module `module`.

    `testcase` are names of test functions (default: all), `environment` additions to the simulation's environment.
    `module` has to be importable (its directory in `sys.path`).  Simulations are kept in the cache, like models.

    Raises:
        UserError: something is missing, a tool failed, or the simulation ended without results.
    """
    if problem := missing(simulator):
        raise UserError(problem)
    if isinstance(config, str):
        config = get_config(config)
    directory = build(config, simulator, progress)
    with tempfile.TemporaryDirectory(prefix="entresol-") as scratch:
        return _simulate(module, simulator, directory, config, testcase, environment or {}, Path(scratch))


def _simulate(module, simulator, directory, config, testcase, environment, scratch: Path) -> Results:
    from cocotb_tools.runner import get_runner

    runner = get_runner(simulator)
    results, log = scratch / "results.xml", scratch / "log.txt"
    variables = {
        CONFIGURATION: base64.b64encode(pickle.dumps(config)).decode(),
        "COCOTB_LOG_LEVEL": "WARNING",
        **environment,
    }
    problem: BaseException | None = None
    try:
        runner.test(module, TOP, hdl_toplevel_lang="verilog", testcase=testcase, extra_env=variables,
                    build_dir=directory, test_dir=scratch, results_xml=str(results), log_file=log)  # fmt: skip
    except (RuntimeError, SystemExit) as error:
        problem = error
    text = log.read_text(errors="replace") if log.exists() else ""
    failures: dict[str, str | None] = {}
    if results.exists():
        for case in ElementTree.parse(results).iter("testcase"):
            failure = next((child for child in case if child.tag in ("failure", "error")), None)
            failures[case.attrib["name"]] = None if failure is None else _message(failure)
    if not failures:
        tail = "\n".join(text.splitlines()[-20:])
        raise UserError(f"The simulation of {module} gave no results: its last lines are below.\n{tail}") from problem
    return Results(failures, text)


def _message(failure: ElementTree.Element) -> str:
    return failure.attrib.get("error_msg") or failure.attrib.get("message") or (failure.text or "failed").strip()


def build(config: CoreConfig, simulator: str, progress: Progress | None = None) -> Path:
    """The directory of the simulation of a core, from the cache if it was built before."""
    progress = progress or Progress()
    design = core_design(config)
    elaborated = elaborate(design, progress)
    top = wrapper(elaborated.ports, elaborated.name)
    tools = tools_key(False), version("cocotb"), _VERILATOR_FLAGS, _CXX_FLAGS
    key = hashlib.sha256(repr((design.key(), simulator, top, tools)).encode()).hexdigest()[:24]
    directory = cache_dir("testbench") / key
    if directory.exists():
        os.utime(directory)
        return directory
    with building("testbench", key, progress) as scratch, Jobs() as jobs:
        if scratch is not None:
            if simulator == "icarus":
                progress.step("elaborating the design")
                verilog = to_event_driven_verilog(design.make(), elaborated.name)
            else:
                verilog = elaborated.verilog.read_text()
            (scratch / "design.sv").write_text(verilog + top)
            remove_old("testbench")
            progress.step("compiling the simulation")
            (_build_icarus if simulator == "icarus" else _build_verilator)(scratch, jobs)
    return directory


def _build_icarus(scratch: Path, jobs: Jobs) -> None:
    output = scratch / "sim.vvp"  # where cocotb's runner looks for it
    (scratch / "scale.f").write_text("+timescale+1ns/1ps\n")
    jobs.wait_for(jobs.start(["iverilog", "-g2012", "-s", TOP, "-f", str(scratch / "scale.f"), "-o", str(output),
                              str(scratch / "design.sv")]))  # fmt: skip


def _build_verilator(scratch: Path, jobs: Jobs) -> None:
    """What Verilator's makefile would do, without make and with the compiler that is there anyway."""
    import cocotb_tools.config

    root = package_path("verilator")
    generated, libraries = scratch / "cpp", cocotb_tools.config.libs_dir
    command = [str(root / "bin" / "verilator_bin"), *_VERILATOR_FLAGS, "--Mdir", str(generated)]
    jobs.wait_for(jobs.start([*command, str(scratch / "design.sv")], {"VERILATOR_ROOT": str(root)}))
    includes = (scratch, generated, root / "include", root / "include" / "vltstd")
    flags = [*_CXX_FLAGS, *(f"-D{define}" for define in _DEFINES), *(f"-I{path}" for path in includes)]
    sources = sorted(generated.glob("*.cpp"))
    slow = [path for path in sources if "Slow" in path.name]
    main = cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"
    runtime = [root / "include" / f"{name}.cpp" for name in ("verilated", "verilated_vpi", "verilated_threads")]
    objects = []
    for level, paths in (
        (FAST, [*batches(scratch, "fast", [path for path in sources if path not in slow]), main, *runtime]),
        (SLOW, batches(scratch, "slow", slow)),
    ):
        for path in paths:
            objects.append(str(scratch / f"{path.stem}.o"))
            jobs.start(zig("c++", *flags, level, "-c", str(path), "-o", objects[-1]))
    while jobs.unfinished:
        jobs.wait_for_any()
    link = ["-o", str(scratch / TOP), f"-L{libraries}", "-lcocotbvpi_verilator", f"-Wl,-rpath,{libraries}"]
    jobs.wait_for(jobs.start(zig("c++", *_CXX_FLAGS, FAST, *objects, *link)))
    shutil.rmtree(generated)
    for path in [*map(Path, objects), *scratch.glob("*.cpp")]:
        path.unlink()


def signal_name(name: str) -> str:
    """The name that a port of the core has in testbenches: one underscore between parts, `time` is `mtime`."""
    return {"time": "mtime"}.get(name, name.replace("__", "_"))


def wrapper(described: list[ports.Port], name: str) -> str:
    """Verilog of the module around the core `name`: each field of its structures is a port of its own."""
    header, wires, connections = ["input clk", "input rst"], [], [".clk(clk)", ".rst(rst)"]
    for port in described:
        if port.fields:
            wires.append(f"  wire [{port.width - 1}:0] {port.name};")
            connections.append(f".\\{port.name} ({port.name})")
            for field in port.fields:
                header.append(f"output [{field.width - 1}:0] {port.name}_{field.name}")
                wires.append(f"  assign {port.name}_{field.name} = {port.name}[{field.low} +: {field.width}];")
        else:
            direction = "input" if port.driven else "output"
            header.append(f"{direction} [{port.width - 1}:0] {signal_name(port.name)}")
            connections.append(f".\\{port.name} ({signal_name(port.name)})")
    ports_text, connections_text = ",\n  ".join(header), ",\n    ".join(connections)
    return f"\nmodule {TOP} (\n  {ports_text});\n" + "\n".join(wires) + (
        f"\n  {name} core (\n    {connections_text});\nendmodule\n"
    )


def simulated_config() -> CoreConfig:
    """Inside a simulation: the configuration that `run` was given.

    Raises:
        UserError: this is no simulation that `run` started.
    """
    text = os.environ.get(CONFIGURATION)
    if text is None:
        raise UserError("No configuration is known: start the testbench with entresol_sim.testbench.run().")
    return pickle.loads(base64.b64decode(text))
