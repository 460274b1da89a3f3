"""The CSR table against the privileged manual's address tables, and against itself."""

import re
from pathlib import Path

import pytest

from entresol.config import get_config
from entresol.isa.csrs import Kind, csr_table

CONFIGS = ("small", "linux")


def manual() -> dict[str, tuple[int, str]]:
    """Name -> (address, privilege as the manual writes it)."""
    rows: dict[str, tuple[int, str]] = {}
    name = ""
    for line in (Path(__file__).parent / "csr_addresses.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        word, address, privilege = line.split()
        if word == "...":
            stem, number = re.fullmatch(r"(\D+)(\d+)", name).groups()
            for offset in range(1, int(address, 16) - rows[name][0] + 1):
                rows[f"{stem}{int(number) + offset}"] = rows[name][0] + offset, privilege
        else:
            name = word
            rows[name] = int(address, 16), privilege
    return rows


def test_the_transcription_is_whole():
    rows = manual()
    assert rows["hpmcounter31"] == (0xC1F, "URO")
    assert rows["pmpaddr63"] == (0x3EF, "MRW")
    assert rows["pmpcfg14"] == (0x3AE, "MRW")
    assert rows["mhpmevent17"] == (0x331, "MRW")
    assert len({address for address, _ in rows.values()}) == len(rows)


@pytest.mark.parametrize("name", CONFIGS)
def test_addresses_and_privileges_are_the_manuals(name):
    rows = manual()
    for csr in csr_table(get_config(name)).values():
        address, privilege = rows[csr.name]
        assert csr.address == address, csr.name
        assert csr.level.name[0] == privilege[0], csr.name
        assert csr.read_only == (privilege[1:] == "RO"), csr.name


def test_addresses_that_others_got_wrong():
    table = csr_table(get_config("linux"))
    assert (table["htinst"].address, table["hvip"].address) == (0x64A, 0x645)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_register_is_named_and_placed_once(name):
    table = csr_table(get_config(name))
    assert len({csr.address for csr in table.values()}) == len(table)
    assert all(key == csr.name for key, csr in table.items())


@pytest.mark.parametrize("name", CONFIGS)
def test_fields_do_not_overlap(name):
    for csr in csr_table(get_config(name)).values():
        used = 0
        for field in csr.fields:
            bits = ((1 << field.width) - 1) << field.low
            assert not used & bits, f"{csr.name}.{field.name}"
            assert bits < 1 << 64
            used |= bits
        assert len({field.name for field in csr.fields}) == len(csr.fields), csr.name


@pytest.mark.parametrize("name", CONFIGS)
def test_references_exist(name):
    table = csr_table(get_config(name))
    for csr in table.values():
        assert not csr.substitute or csr.substitute in table
        for field in csr.fields:
            assert (field.kind is Kind.VIEW) == bool(field.of)
            for reference in filter(None, (field.of, field.gate)):
                register, member = reference.split(".")
                assert table[register].field(member)
        for gate in csr.gates:
            assert gate.control.split(".")[0] in table


def test_a_field_that_is_not_there_is_a_key_error():
    with pytest.raises(KeyError):
        csr_table(get_config("small"))["mstatus"].field("nonsense")


def test_without_h_there_are_no_hypervisor_registers():
    table = csr_table(get_config("small").without("h"))
    assert not any(csr.level == 2 for csr in table.values())
    assert not any(csr.substitute for csr in table.values())
    assert "mtinst" not in table and "mtval2" not in table
