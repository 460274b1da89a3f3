"""The whole stack on the compiled model.  Needs `entresol linux prepare`."""

import re
import struct
from collections import Counter

import pytest

from entresol.config import get_config
from entresol_sim import cli, elf
from entresol_sim.errors import UserError
from entresol_sim.linux.boot import KERNEL, Boot
from entresol_sim.linux.prepare import prepared
from entresol_sim.linux.symbols import Symbols
from entresol_sim.simulator import Result
from entresol_sim.terminal import Console

LINUX = get_config("linux")
#: Half as many again as it takes.
MAX_CYCLES = 60_000_000

#: Sets menvcfg.ADUE and starts the firmware: li t0, 1; slli t0, t0, 61; csrs menvcfg, t0; li t0, 1; slli t0, t0, 31;
#: jr t0.  In memory that neither OpenSBI nor the kernel uses.
SWITCH_ON = (0x0010_0293, 0x03D2_9293, 0x30A2_A073, 0x0010_0293, 0x01F2_9293, 0x0002_8067)
SWITCH_AT = 0x8018_0000

# what is printed between the firmware and the end, in regular expressions
_KVM = [r"vmm: /dev/kvm opened, API version 12", r"vmm: the vCPU has( [A-Z]+)+", r"vmm: vCPU starts at 0x80000000"]
_POWER_OFF = [r"init: power-off", r"\[ +\d+\.\d+\] reboot: Power down"]
_VMM_END = [r"vmm: guest asked for power-off", r"(vmm: stat \w+ \d+)+", r"init: vmm ended with status 0"]
CONSOLE = {
    "none": [],
    "bare": [*_KVM, r"bare guest: hello through the SBI", r"bare guest: hello through MMIO", *_VMM_END],
    "linux": [*_KVM, r"init: guest user space, Linux {release}", *_POWER_OFF, *_VMM_END],
}


@pytest.fixture(scope="module", autouse=True)
def needs_preparation():
    try:
        prepared()
    except UserError as error:
        pytest.skip(str(error))


def boot(config=LINUX, *, guest="linux", hardware_updates=False, **options):
    """Console and statistics of a run that must go well; `hardware_updates` of A and D are switched on before OpenSBI
    starts, which (1.1) leaves menvcfg.ADUE as it is."""
    console = Console()
    with Boot(config, guest=guest, **options) as stack:
        if hardware_updates:
            stack.simulator.load_program(elf.binary(struct.pack("<6I", *SWITCH_ON), "switch", SWITCH_AT))
            stack.simulator.boot(entry=SWITCH_AT)
        outcome = stack.run(console, MAX_CYCLES)
        text = console.output.decode().replace("\r", "")
        assert outcome.result is Result.PASSED, f"{outcome.text}; {stack.where()}\n{text}"
        return text, stack.statistics()


def check_console(config, guest, text):
    firmware, host = re.fullmatch(r"(.*?)(init: .*)\n", text, re.DOTALL).groups()
    facts = dict(re.findall(r"(\S.*\S) +: (.*)", firmware))
    assert facts["Platform Name"] == f"Entresol, configuration {config.name}"
    assert facts["Domain0 Next Address"] == "0x0000000080200000" and facts["Domain0 Next Mode"] == "S-mode"
    assert facts["Boot HART PMP Count"] == str(config.pmp_entries)
    assert facts["Boot HART MHPM Count"] == str(config.hpm_counters)
    assert ("sstc" in facts["Boot HART ISA Extensions"].split(",")) == config.has("sstc")
    release = re.search(r" ([\w.-]+) Kernel Configuration", prepared().kernel.with_name("config").read_text())[1]
    expected = [r"init: host user space, Linux {release}", *CONSOLE[guest], *_POWER_OFF]
    lines = re.sub(r"(vmm: stat \w+ \d+)\n(?=vmm: stat)", r"\1", host).splitlines()
    patterns = [pattern.replace("{release}", re.escape(release)) for pattern in expected]
    assert len(lines) == len(patterns)
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), f"{line!r} is not {pattern!r}"


def check_exits(config, text, statistics):
    exits = Counter()
    for trap in statistics["traps"]:
        if trap["from"] in ("VS", "VU") and trap["target"] == "HS":
            exits[trap["name"]] += trap["count"]
    kvm = {name: int(count) for name, count in re.findall(r"vmm: stat (\w+) (\d+)", text)}
    assert sum(exits.values()) == kvm["exits"]
    # KVM does not count as such the calls with which a vCPU ends
    assert exits["ecall from vs"] >= kvm["ecall_exit_stat"] > 0
    timers = sum(trap["count"] for trap in statistics["traps"] if trap["target"] == "M" and "interrupt" in trap["name"])
    assert (timers == 0) == config.has("sstc")  # without it every timer goes through the firmware
    return exits


@pytest.mark.parametrize(
    "config",
    [
        LINUX,
        *(
            pytest.param(config, marks=pytest.mark.nightly)
            for config in (
                LINUX.without("sstc"), LINUX.without("b", "zba", "zbb", "zbs", "zicond"), get_config("small"),
                get_config("max"),
            )
        ),
    ],
    ids=lambda config: config.name,
)  # fmt: skip
def test_guest_linux(config):
    text, statistics = boot(config)
    check_console(config, "linux", text)
    assert [milestone["name"] for milestone in statistics["milestones"]] == [
        "firmware banner", "kernel start", "host user space", "/dev/kvm opened", "first guest instruction",
        "guest user space", "power-off",
    ]  # fmt: skip
    exits = check_exits(config, text, statistics)
    assert {f"{kind} guest page fault" for kind in ("load", "store", "instruction")} <= exits.keys()


@pytest.mark.nightly
def test_guest_linux_with_hardware_updates_of_a_and_d():
    text, statistics = boot(hardware_updates=True)
    check_console(LINUX, "linux", text)
    check_exits(LINUX, text, statistics)


@pytest.mark.nightly
def test_bare_guest_and_determinism():
    text, first = boot(guest="bare")
    check_console(LINUX, "bare", text)
    exits = check_exits(LINUX, text, first)
    assert "vmm: stat mmio_exit_user 31\n" in text and exits["store guest page fault"] == 31
    again, second = boot(guest="bare")
    assert again == text
    for statistics in (first, second):
        del statistics["wall_seconds"], statistics["cycles_per_second"]
    assert first == second


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["linux", "max"])
def test_what_linux_and_kvm_report_is_what_info_says(capsys, name):
    text, _ = boot(name, guest="bare", append="loglevel=7")
    assert cli.main(["info", "--config", name]) == 0
    info = capsys.readouterr().out
    modes = re.findall(r"sv(\d+)x4", info)
    assert f"using Sv{max(modes)}x4 G-stage page table format" in text
    vmid_bits = re.search(r"(\d+)-bit VMID", info)[1]
    assert f"VMID {vmid_bits} bits available" in text
    single = re.search(r"^ISA +rv64([a-z]+)", info, re.MULTILINE)[1]
    multiple = re.findall(r"^  ([a-z0-9]{2,}) +\d+\.\d+ +ratified", info.lower(), re.MULTILINE)
    letters = set(re.search(r"riscv: base ISA extensions (\w+)", text)[1])
    assert set(single) - {"b"} <= letters <= set(single)  # not every version knows B
    reported = re.search(r"vmm: the vCPU has (.*)", text)[1].lower().split()
    assert set(single) & set("imafdcv") == {name for name in reported if len(name) == 1}
    assert {name for name in reported if len(name) > 1} <= set(multiple)
    for name in ("sstc", "svinval", "zihintpause"):  # which KVM has known since 6.1
        assert (name in reported) == (name in multiple)


@pytest.mark.nightly
def test_a_silent_host_is_given_up():
    with Boot(LINUX, guest="shell") as stack:
        outcome = stack.run(Console(), MAX_CYCLES, patience=15_000_000)
        assert outcome.result is Result.HUNG
        assert "silent" in outcome.text
        assert "last milestone: host user space" in stack.where()


@pytest.mark.nightly
def test_where_a_kernel_hangs(tmp_path):
    """A kernel whose KVM never comes back from its initialisation."""
    found = prepared()
    base = elf.parse_elf(found.firmware.read_bytes(), "firmware").entry
    addresses = {name: int(at, 16) for at, _, name in map(str.split, found.symbols.read_text().splitlines())}
    image = bytearray(found.kernel.read_bytes())
    at = addresses["kvm_init"] - addresses["_start"]
    image[at : at + 2] = (0xA001).to_bytes(2, "little")  # c.j to itself
    (tmp_path / "Image").write_bytes(image)
    with Boot(LINUX, guest="none", kernel=tmp_path / "Image", symbols=found.symbols) as stack:
        outcome = stack.run(Console(), MAX_CYCLES, patience=12_000_000)
        assert outcome.result is Result.HUNG
        where = stack.where()
    assert Symbols.read(found.symbols, base + KERNEL).name(addresses["kvm_init"]) == "kvm_init+0x0"
    assert f"pc {addresses['kvm_init']:#x} (kvm_init+0x0) in mode HS; last trap: " in where
    assert where.endswith("; last milestone: kernel start")
