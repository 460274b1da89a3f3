# amaranth: UnusedElaboratable=no
"""Blob and source text of device trees, and the SoC's own."""

import shutil
import struct
import subprocess
from dataclasses import replace

import pytest

from entresol.config import ConfigError, CoreConfig, get_config
from entresol.isa.csrs import HPM_EVENTS
from entresol.isa.extensions import device_tree_extensions
from entresol.soc.device_tree import Cells, Node, cells64, to_dtb, to_dts
from entresol.soc.soc import Soc


def parse(blob):
    """{path: {property: bytes}} of a DTB."""
    magic, total, structure_at, strings_at, reserved_at, version, compatible, boot_cpu, strings_size, structure_size = \
        struct.unpack_from(">10I", blob)
    assert (magic, total, version, compatible, boot_cpu) == (0xD00DFEED, len(blob), 17, 16, 0)
    assert reserved_at % 8 == 0 and structure_at % 4 == 0 and blob[reserved_at:reserved_at + 16] == bytes(16)
    assert structure_at + structure_size <= total and strings_at + strings_size <= total
    nodes, path, at = {}, [], structure_at

    def text(offset):
        return blob[offset:blob.index(b"\0", offset)].decode()

    while True:
        (token,) = struct.unpack_from(">I", blob, at)
        at += 4
        if token == 1:
            path.append(text(at))
            at += len(path[-1]) + 1
            assert "/".join(path) not in nodes, "two nodes of one name"
            nodes["/".join(path) or "/"] = {}
        elif token == 2:
            path.pop()
        elif token == 3:
            size, name = struct.unpack_from(">II", blob, at)
            nodes["/".join(path) or "/"][text(strings_at + name)] = blob[at + 8:at + 8 + size]
            at += 8 + size
        else:
            assert token == 9 and not path and at == structure_at + structure_size
            return nodes
        at += -at % 4


def numbers(value):
    return list(struct.unpack(f">{len(value) // 4}I", value))


def strings(value):
    assert value.endswith(b"\0")
    return value[:-1].decode().split("\0")


def make(**arguments):
    soc = Soc(get_config("linux"))
    return soc, soc.device_tree(64 << 20, **arguments)


def test_writer():
    target = Node("target", label="t")
    root = Node("", {
        "flag": True, "absent": False, "text": 'quo"te\\', "list": ["a", "bc"], "bytes": b"\x01\x02\x03",
        "numbers": Cells(1, 0xFFFF_FFFF, target), "wide": cells64(0x1_2345_6789),
    }, [target])
    nodes = parse(to_dtb(root))
    assert nodes["/"] == {
        "flag": b"", "text": b'quo"te\\\0', "list": b"a\0bc\0", "bytes": b"\x01\x02\x03",
        "numbers": b"\0\0\0\x01\xff\xff\xff\xff\0\0\0\x01", "wide": b"\0\0\0\x01\x23\x45\x67\x89",
    }
    assert nodes["/target"] == {"phandle": b"\0\0\0\x01"}
    text = to_dts(root)
    for line in ("flag;", 'text = "quo\\"te\\\\";', 'list = "a", "bc";', "bytes = [01 02 03];",
                 "numbers = <1 0xffffffff &t>;", "t: target {"):
        assert f"\t{line}\n" in text
    assert "absent" not in text


def test_addresses_are_those_of_the_configuration():
    soc, tree = make()
    nodes = parse(to_dtb(tree))
    regions = {region.name: region for region in soc.config.regions}
    for region, path in (("finisher", "/soc/test@100000"), ("clint", "/soc/clint@2000000"),
                         ("plic", "/soc/interrupt-controller@c000000"), ("uart", "/soc/serial@10000000")):
        base, size = regions[region].base, regions[region].size
        assert numbers(nodes[path]["reg"]) == [base >> 32, base & 0xFFFF_FFFF, 0, size]
    assert numbers(nodes["/memory@80000000"]["reg"]) == [0, 0x8000_0000, 0, 64 << 20]

    moved = tuple(replace(region, base=0x1100_0000) if region.name == "uart" else region
                  for region in soc.config.regions)
    nodes = parse(to_dtb(Soc(replace(soc.config, regions=moved)).device_tree(1 << 20)))
    assert strings(nodes["/chosen"]["stdout-path"]) == ["/soc/serial@11000000"]
    assert numbers(nodes["/soc/serial@11000000"]["reg"])[1] == 0x1100_0000


def test_interrupts_lead_to_their_controllers():
    _, tree = make()
    nodes = parse(to_dtb(tree))
    by_phandle = {numbers(node["phandle"])[0]: path for path, node in nodes.items() if "phandle" in node}

    def targets(path):
        cells = numbers(nodes[path]["interrupts-extended"])
        return [(by_phandle[phandle], number) for phandle, number in zip(cells[::2], cells[1::2], strict=True)]

    intc, plic = "/cpus/cpu@0/interrupt-controller", "/soc/interrupt-controller@c000000"
    assert targets("/soc/clint@2000000") == [(intc, 3), (intc, 7)]
    assert targets(plic) == [(intc, 11), (intc, 9)]
    uart = nodes["/soc/serial@10000000"]
    assert by_phandle[numbers(uart["interrupt-parent"])[0]] == plic
    assert numbers(uart["interrupts"]) == [10]
    assert numbers(nodes[plic]["riscv,ndev"]) == [31]
    for path, value in (("/poweroff", 0x5555), ("/reboot", 0x7777)):
        assert by_phandle[numbers(nodes[path]["regmap"])[0]] == "/soc/test@100000"
        assert numbers(nodes[path]["value"]) == [value]
        assert strings(nodes[path]["compatible"]) == [f"syscon-{path[1:]}"]
    for path in (intc, plic):
        assert nodes[path]["interrupt-controller"] == b"" and numbers(nodes[path]["#interrupt-cells"]) == [1]


def test_cpu():
    soc, tree = make(timebase=1_000_000)
    nodes = parse(to_dtb(tree))
    cpu = nodes["/cpus/cpu@0"]
    assert strings(cpu["riscv,isa"])[0].startswith("rv64imacbh_zic")
    assert strings(cpu["riscv,isa-base"]) == ["rv64i"]
    assert strings(cpu["riscv,isa-extensions"]) == device_tree_extensions(soc.config)
    assert strings(cpu["mmu-type"]) == ["riscv,sv48"]
    assert numbers(nodes["/cpus"]["timebase-frequency"]) == [1_000_000]
    wide = replace(soc.config, vm_modes=get_config("max").vm_modes)
    cpu = parse(to_dtb(Soc(wide).device_tree(1 << 20)))["/cpus/cpu@0"]
    assert strings(cpu["mmu-type"]) == ["riscv,sv57"]


class AnyConfig(CoreConfig):
    """A configuration with extensions that the core does not implement yet."""

    def __post_init__(self):
        pass


@pytest.mark.parametrize("extension", ["zicbom", "zicbop", "zicboz"])
def test_cache_block_sizes_of_configured_extensions(extension):
    base = get_config("linux").extensions - {extension}
    for configured in (False, True):
        soc = Soc(AnyConfig("any", base | {extension} if configured else base))
        cpu = parse(to_dtb(soc.device_tree(1 << 20)))["/cpus/cpu@0"]
        assert cpu.get(f"riscv,{extension[2:]}-block-size") == (b"\0\0\0\x40" if configured else None)


def test_event_counters():
    """Every event that can be asked for is one that a counter can count, and by which counters."""
    tree = parse(to_dtb(make()[1]))
    pmu = tree["/pmu"]
    assert strings(pmu["compatible"]) == ["riscv,pmu"]
    events, counters = numbers(pmu["riscv,event-to-mhpmevent"]), numbers(pmu["riscv,event-to-mhpmcounters"])
    assert events[0::3] == counters[0::3] == counters[1::3] == [1, 2, 5, 6, 0x10009, 0x10021]
    assert [HPM_EVENTS[event] for event in events[2::3]] == [
        "cycle", "instret", "branch", "mispredict", "icache_miss", "itlb_miss"]
    assert counters[2::3] == [0x7F9, 0x7FC, 0x7F8, 0x7F8, 0x7F8, 0x7F8]
    assert numbers(pmu["riscv,raw-event-to-mhpmcounters"]) == [0, 0, 0xFFFF_FFFF, 0xFFFF_FFE0, 0x7F8]
    small = Soc(get_config("small"))
    assert "/pmu" not in parse(to_dtb(small.device_tree(1 << 20)))


def test_chosen():
    _, tree = make()
    assert set(parse(to_dtb(tree))["/chosen"]) == {"stdout-path"}
    _, tree = make(bootargs="console=ttyS0 quiet", initrd=(0x8300_0000, 0x8312_3456), rng_seed=bytes(range(64)))
    chosen = parse(to_dtb(tree))["/chosen"]
    assert strings(chosen["bootargs"]) == ["console=ttyS0 quiet"]
    assert numbers(chosen["linux,initrd-start"]) == [0, 0x8300_0000]
    assert numbers(chosen["linux,initrd-end"]) == [0, 0x8312_3456]
    assert chosen["rng-seed"] == bytes(range(64))


def test_what_does_not_fit_is_refused():
    soc, _ = make()
    for arguments in ({"ram_size": 0}, {"ram_size": 1 << 32},
                      {"ram_size": 1 << 20, "initrd": (0x8300_0000, 0x8310_0000)}):
        with pytest.raises(ConfigError):
            soc.device_tree(**arguments)


@pytest.mark.skipif(shutil.which("dtc") is None, reason="needs dtc (Debian package device-tree-compiler)")
def test_dtc_agrees(tmp_path):
    """dtc reads both forms without a warning, as the same tree."""
    _, tree = make(bootargs='a "quoted" word', initrd=(0x8300_0000, 0x8312_3456), rng_seed=b"\x00\x7f\xff")
    blob, text = tmp_path / "tree.dtb", tmp_path / "tree.dts"
    blob.write_bytes(to_dtb(tree))
    text.write_text(to_dts(tree))

    def compiled(form, path):
        result = subprocess.run(["dtc", "-I", form, "-O", "dtb", path], capture_output=True, check=True)
        assert result.stderr == b""
        return parse(result.stdout)

    def without_phandles(nodes):
        names = {node["phandle"]: path for path, node in nodes.items() if "phandle" in node}
        return {path: {key: [(names[value[at:at + 4]], value[at + 4:at + 8]) for at in range(0, len(value), 8)]
                       if key in ("interrupts-extended", "regmap", "interrupt-parent") else value
                       for key, value in node.items() if key != "phandle"} for path, node in nodes.items()}

    assert without_phandles(compiled("dts", text)) == without_phandles(compiled("dtb", blob)) \
        == without_phandles(parse(blob.read_bytes()))
