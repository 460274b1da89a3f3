"""Pointer masking: the PMM fields, and which of them is in force for which access."""

import itertools

import pytest

PMM, HUPMM = 32, 48
FIELDS = {"mseccfg": 0x747, "menvcfg": 0x30A, "senvcfg": 0x10A, "henvcfg": 0x60A, "hstatus": 0x600}
VALUES = {"mseccfg": 2, "menvcfg": 3, "senvcfg": 2, "henvcfg": 3, "hstatus": 2}
SV39 = 8 << 60
SPVP, HU, MXR, MPRV, MPV = 1 << 8, 1 << 9, 1 << 19, 1 << 17, 1 << 39


def low(name):
    return HUPMM if name == "hstatus" else PMM


@pytest.mark.rule(
    "pmlen_illegal_warl", "pmlen_supported_values", "menvcfg_pmm_enc", "mseccfg_pmm_enc", "pmlen_future_reserved",
    "MENVCFG_PMM_WARL", "MSECCFG_PMM_WARL", "mseccfg_acc", "mseccfg_presence", "mseccfg_enc",
    "mseccfg_sz",
)
def test_fields(bench):
    """Two bits each; the reserved value 1 reads back as 0.  They are independent of each other, and a write of one
    makes the pipeline refetch, so that it is in force at once."""
    async def scenario(b):
        for name, address in FIELDS.items():
            for value in (2, 3, 0, 3, 1, 2):
                await b.write(address, value << low(name))
                assert b.read(address) >> low(name) & 3 == (0 if value == 1 else value), (name, value)
            for other, where in FIELDS.items():
                assert (b.read(where) >> low(other) & 3 != 0) == (other == name)
            b.attempt(address, write=True, operand=0)
            assert b.get("csr_flush")
            await b.write(address, 0)

    bench.run(scenario)


@pytest.mark.rule("menvcfg_pmm_rdonly0", "mseccfg_pmm_presence", "mseccfg_presence")
def test_absent(small_bench):
    async def scenario(b):
        assert b.attempt(FIELDS["mseccfg"]) == "illegal"
        for name, address in list(FIELDS.items())[1:]:
            await b.write(address, 3 << low(name))
            assert b.read(address) >> low(name) & 3 == 0

    small_bench.run(scenario)


@pytest.mark.rule("pm_per_mode_control", "pm_config_next_higher", "pm_mprv_spvp", "pm_mxr_exception",
                  "pm_auto_apply_active_mode", "pm_ignore_pa", "senvcfg_pmm_Ssnpm", "henvcfg_pmm_op")
@pytest.mark.parametrize("mode", ["M", "HS", "U", "VS", "VU"])
def test_what_is_in_force(bench, mode):
    """For each mode, SPVP, HU's U-mode, MXR of both levels, MPRV, Bare and paged address spaces: the field by the
    effective privilege mode of ordinary accesses and of HLV and HSV, and which of the two transformations."""
    async def scenario(b):
        for name, address in FIELDS.items():
            await b.write(address, VALUES[name] << low(name) | (HU if name == "hstatus" else 0))
        for paged, vpaged, spvp, mxr, vmxr in itertools.product((0, 1), repeat=5):
            await b.trap(11)
            await b.write(0x180, SV39 * paged)
            await b.write(0x280, SV39 * vpaged)
            await b.write(0x200, MXR * vmxr)
            await b.write(FIELDS["hstatus"], VALUES["hstatus"] << HUPMM | HU | SPVP * spvp)
            await b.write(0x300, MXR * mxr)
            await b.go(mode)
            await b.tick()
            v = mode in ("VS", "VU")
            off = mxr or (v and vmxr)
            owner = {"M": "mseccfg", "HS": "menvcfg", "VS": "henvcfg"}.get(mode, "senvcfg")
            masking = b.get("data_masking")
            assert masking.pmm == (0 if off and mode != "M" else VALUES[owner])
            assert masking.physical == (mode == "M" or not (vpaged if v else paged))
            if v:
                continue
            owner = "henvcfg" if spvp else "hstatus" if mode == "U" else "senvcfg"
            masking = b.get("hlsv_masking")
            assert masking.pmm == (0 if mxr or vmxr else VALUES[owner])
            assert masking.physical == (not vpaged)
            if mode != "M":
                continue
            for mpp, mpv in ((3, 0), (3, 1), (1, 0), (1, 1), (0, 0), (0, 1)):
                await b.write(0x300, MXR * mxr | MPRV | MPV * mpv | mpp << 11)
                await b.tick()
                virtual = mpv and mpp != 3
                off = mpp != 3 and (mxr or (virtual and vmxr))
                owner = "mseccfg" if mpp == 3 else "senvcfg" if mpp == 0 else "henvcfg" if mpv else "menvcfg"
                masking = b.get("data_masking")
                assert masking.pmm == (0 if off else VALUES[owner])
                assert masking.physical == (mpp == 3 or not (vpaged if virtual else paged))

    bench.run(scenario)
