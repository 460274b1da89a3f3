"""Timer, boot ROM and finisher."""

import random

import pytest
from soc_bench import DeviceDriver, simulate

from entresol.soc.aclint import Aclint
from entresol.soc.boot_rom import BootRom
from entresol.soc.finisher import Finisher

MSIP, MTIMECMP, MTIME = 0x0, 0x4000, 0xBFF8
ONES = (1 << 64) - 1


@pytest.mark.rule(
    "mtime_op", "mtime_intr_pending", "mtime_intr_mtip_visibility", "mtimecmp_sz", "mtime_wrap", "mtime_sz",
)
def test_timer_interrupt():
    dut = Aclint(16)
    driver = DeviceDriver(dut.bus)

    async def bench(ctx):
        assert await driver.read(ctx, MTIMECMP, 8) == ONES
        ctx.set(dut.tick, 1)
        await ctx.tick().repeat(10)
        ctx.set(dut.tick, 0)
        assert await driver.read(ctx, MTIME, 8) == ctx.get(dut.mtime) == 10
        assert not ctx.get(dut.mti)
        for compare, pending in ((11, 0), (10, 1), (9, 1), (1 << 63, 0), (0, 1), (1 << 32 | 10, 0)):
            await driver.write(ctx, MTIMECMP, 8, compare)
            assert ctx.get(dut.mti) == pending
        await driver.write(ctx, MTIMECMP, 8, 12)
        ctx.set(dut.tick, 1)
        await ctx.tick()
        ctx.set(dut.tick, 0)
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.mti)
        ctx.set(dut.tick, 1)
        await ctx.tick()
        ctx.set(dut.tick, 0)
        await ctx.tick()
        assert ctx.get(dut.mti)
        await driver.write(ctx, MTIME, 8, ONES)
        ctx.set(dut.tick, 1)
        await ctx.tick()
        assert ctx.get(dut.mtime) == 0

    simulate(dut, bench)


@pytest.mark.rule("msip_sz", "msip_acc", "msip_enc")
def test_software_interrupt():
    dut = Aclint(16)
    driver = DeviceDriver(dut.bus)

    async def bench(ctx):
        for value, pending in ((1, 1), (0xFFFF_FFFE, 0), (0xFFFF_FFFF, 1), (0, 0)):
            await driver.write(ctx, MSIP, 4, value)
            assert ctx.get(dut.msi) == pending
            assert await driver.read(ctx, MSIP, 4) == pending
        await driver.write(ctx, MSIP + 4, 4, 1)  # another hart's
        assert not ctx.get(dut.msi)
        for offset in (0x8, 0x4008, 0xBFF0, 0xFFF8):
            await driver.write(ctx, offset, 8, ONES)
            assert await driver.read(ctx, offset, 8) == 0

    simulate(dut, bench)


@pytest.mark.rule("mtime_rv64_wr", "mtimecmp_rv64_wr", "mtime_sz", "mtimecmp_sz")
@pytest.mark.parametrize("register", [MTIMECMP, MTIME])
def test_timer_registers_take_every_width(register):
    dut = Aclint(16)
    driver = DeviceDriver(dut.bus)
    rng = random.Random(register)

    async def bench(ctx):
        model = bytearray((await driver.read(ctx, register, 8)).to_bytes(8, "little"))
        for _ in range(100):
            width = rng.choice([1, 2, 4, 8])
            offset = rng.randrange(0, 8, width)
            value = rng.getrandbits(8 * width)
            await driver.write(ctx, register + offset, width, value)
            model[offset:offset + width] = value.to_bytes(width, "little")
            assert await driver.read(ctx, register, 8) == int.from_bytes(model, "little")
            assert await driver.read(ctx, register + offset, width) == value

    simulate(dut, bench)


def test_finisher():
    async def nothing(ctx, dut, driver, width, value):
        await driver.write(ctx, 0, width, value)
        assert not ctx.get(dut.finish_valid)

    for width, value, code in ((4, 0x5555, 0x5555), (4, 0x002A_3333, 0x002A_3333), (4, 0x7777, 0x7777),
                               (2, 0x5555, 0x5555)):
        dut = Finisher(12)
        driver = DeviceDriver(dut.bus)

        async def bench(ctx, dut=dut, driver=driver, width=width, value=value, code=code):
            await nothing(ctx, dut, driver, 4, 0)
            await nothing(ctx, dut, driver, 4, 0x1234)
            assert await driver.read(ctx, 0, 4) == 0
            await driver.write(ctx, 8, 4, 0x5555)
            assert await driver.refused(ctx, 4, 4, 0x5555)
            assert await driver.refused(ctx, 0, 8, 0x5555)
            assert await driver.refused(ctx, 0, 1, 0x55)
            assert not ctx.get(dut.finish_valid)
            await driver.write(ctx, 0, width, value)
            assert ctx.get(dut.finish_valid) and ctx.get(dut.finish_code) == code
            await driver.write(ctx, 0, 4, 0x7777)  # the first word counts
            assert ctx.get(dut.finish_valid) and ctx.get(dut.finish_code) == code

        simulate(dut, bench)


def _sign(value, bits):
    return value - (value >> bits - 1 << bits)


def execute(words, pc, csrs):
    """A few instructions (auipc, csrrs, ld, jalr) from a ROM of doublewords at `pc`, until control leaves it: the
    integer registers and where it went."""
    base, registers = pc, [0] * 32
    for _ in range(100):
        if not base <= pc < base + 8 * len(words):
            return registers, pc
        insn = words[(pc - base) // 8] >> 8 * ((pc - base) % 8) & 0xFFFF_FFFF
        opcode, rd, funct3, rs1 = insn & 0x7F, insn >> 7 & 31, insn >> 12 & 7, insn >> 15 & 31
        following = pc + 4
        match opcode, funct3:
            case 0x17, _:
                result = pc + _sign(insn & 0xFFFF_F000, 32)
            case 0x73, 2:
                assert rs1 == 0, "would write the CSR"
                result = csrs[insn >> 20]
            case 0x03, 3:
                address = registers[rs1] + _sign(insn >> 20, 12)
                assert address % 8 == 0
                result = words[(address - base) // 8]
            case 0x67, 0:
                result, following = following, (registers[rs1] + _sign(insn >> 20, 12)) & -2
            case _:
                raise AssertionError(f"unexpected instruction {insn:08x}")
        if rd:
            registers[rd] = result & ONES
        pc = following
    raise AssertionError("does not leave the ROM")


def test_boot_rom():
    dut = BootRom(16)
    driver = DeviceDriver(dut.bus)
    entry, a1, a2 = 0x8000_0000, 0x82E0_0123_4567_89AB, 0xFEDC_BA98_7654_3210

    async def bench(ctx):
        ctx.set(dut.entry, entry)
        ctx.set(dut.a1, a1)
        ctx.set(dut.a2, a2)
        words = [await driver.read(ctx, 8 * index, 8) for index in range(16)]
        registers, pc = execute(words, 0x1000, {0xF14: 0x77})
        assert pc == entry
        assert registers[10:13] == [0x77, a1, a2]
        assert await driver.read(ctx, 0xEFF8, 8) == 0
        assert await driver.refused(ctx, 0, 4, 0)

    simulate(dut, bench)
