"""Clock and reset on Lattice's ECP5 (FPGA-TN-02200, "ECP5 and ECP5-5G sysCLOCK PLL/DLL Design and Usage Guide")."""

from dataclasses import dataclass

from amaranth.hdl import Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

#: Limits in Hz of the frequency that the phases are compared at, of the oscillator, and of the output.
_COMPARED = (3_125_000, 400_000_000)
_OSCILLATOR = (400_000_000, 800_000_000)
_OUTPUT = (3_125_000, 400_000_000)


@dataclass(frozen=True)
class Dividers:
    """Of the PLL's input, of its feedback, and from its oscillator to its output, which is the feedback."""

    reference: int
    feedback: int
    output: int


def dividers(reference: int, clock: int) -> Dividers | None:
    """How the PLL makes `clock` from `reference` (Hz); None if it cannot exactly."""
    if not _OUTPUT[0] <= clock <= _OUTPUT[1]:
        return None
    for divider in range(1, 129):
        compared, rest = divmod(reference, divider)
        if rest or not _COMPARED[0] <= compared <= _COMPARED[1] or clock % compared or clock // compared > 80:
            continue
        # in the middle of the oscillator's range
        output = round(sum(_OSCILLATOR) / 2 / clock)
        if 1 <= output <= 128 and _OSCILLATOR[0] <= clock * output <= _OSCILLATOR[1]:
            return Dividers(divider, clock // compared, output)
    return None


class ClockReset(wiring.Component):
    """Makes a clock with the frequency `clock` out of the input `reference` (both in Hz; inputs and outputs 1 bit).

    Its domain needs no reset: the global set/reset network holds all registers at their initial values until the PLL
    is locked.

    Raises:
        ValueError: the PLL cannot make that frequency.
    """

    def __init__(self, reference: int, clock: int):
        self._reference, self._clock = reference, clock
        self._dividers = dividers(reference, clock)
        if self._dividers is None:
            raise ValueError(f"The PLL cannot make {clock} Hz out of {reference} Hz.")
        super().__init__({"reference": In(1), "clock": Out(1)})

    def elaborate(self, platform):
        m = Module()
        clock, locked = self.clock, Signal()
        m.submodules.pll = Instance(
            "EHXPLLL",
            a_FREQUENCY_PIN_CLKI=f"{self._reference / 1e6:g}",
            a_FREQUENCY_PIN_CLKOP=f"{self._clock / 1e6:g}",
            a_ICP_CURRENT="12", a_LPF_RESISTOR="8", a_MFG_ENABLE_FILTEROPAMP="1", a_MFG_GMCREF_SEL="2",
            p_CLKI_DIV=self._dividers.reference, p_CLKFB_DIV=self._dividers.feedback,
            p_CLKOP_DIV=self._dividers.output, p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_CPHASE=self._dividers.output // 2 - 1, p_CLKOP_FPHASE=0, p_FEEDBK_PATH="CLKOP",
            i_CLKI=self.reference, i_CLKFB=clock, i_RST=0, i_STDBY=0, i_ENCLKOP=0,
            i_PHASESEL0=0, i_PHASESEL1=0, i_PHASEDIR=0, i_PHASESTEP=0, i_PHASELOADREG=0, i_PLLWAKESYNC=0,
            o_CLKOP=clock, o_LOCK=locked,
        )  # fmt: skip
        started = [Signal(), Signal()]  # `locked`, in step with the clock
        for index, (before, after) in enumerate(zip((locked, started[0]), started, strict=True)):
            m.submodules[f"started{index}"] = Instance("FD1S3AX", p_GSR="DISABLED", i_CK=clock, i_D=before, o_Q=after)
        m.submodules.reset = Instance("SGSR", i_CLK=clock, i_GSR=started[1])
        return m
