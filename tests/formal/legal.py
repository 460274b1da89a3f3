"""Values that registers may have, from the texts: claims about the CSR file, assumptions of the parts behind it.

Bit numbers stand here a second time, on purpose: the CSR file gets them from `isa.csrs`, these come from the manual.
"""

from amaranth.hdl import Value

#: Codes of interrupts (figures of `mip` and `mideleg`).
SSI, VSSI, MSI, STI, VSTI, MTI, SEI, VSEI, MEI, SGEI, LCOFI = 1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 13


def mode(mode) -> dict[str, Value]:
    """A privilege mode: U, S or M, the last without virtualization."""
    return {"mode_exists": mode.priv.as_value() != 2, "no_virtual_m": ~((mode.priv.as_value() == 3) & mode.v)}


def none(value: Value, *bits: int) -> Value:
    """Whether all of these bits of `value` are 0."""
    return ~(value & sum(1 << bit for bit in bits)).any()


def only(value: Value, *bits: int) -> Value:
    """Whether all other bits of `value` are 0."""
    return ~(value & ~sum(1 << bit for bit in bits)).any()


def delegation(mideleg: Value, hideleg: Value, mie: Value) -> dict[str, Value]:
    """Interrupt delegation and enables."""
    return {
        "mie_has_only_interrupts": only(mie, SSI, VSSI, MSI, STI, VSTI, MTI, SEI, VSEI, MEI, SGEI, LCOFI),
        # a choice of this core: no machine-level interrupt can be delegated
        "mideleg_has_no_m_level": none(mideleg, MSI, MTI, MEI),
        # "Machine Interrupt Delegation (mideleg) Register" of the hypervisor chapter: read-only one, where there is
        # such an interrupt at all
        "mideleg_has_vs_level": ~(mie & ~mideleg & (1 << VSSI | 1 << VSTI | 1 << VSEI | 1 << SGEI)).any(),
        # "Hypervisor Trap Delegation Registers": bits 12, 9, 5 and 1 are zero; a bit that mideleg lacks is zero
        "hideleg_has_no_s_level": none(hideleg, SSI, STI, SEI, SGEI),
        "hideleg_within_mideleg": ~(hideleg & ~mideleg).any(),
    }
