// Every translation mode that the machine has, in all combinations of both stages; what the MODE fields of satp, vsatp
// and hgatp hold.
#include "test.h"

static u64 data[512] __attribute__((aligned(PAGE)));
static u64 bits = PTE_V | PTE_RWX | PTE_AD;
static int satp_modes[4], hgatp_modes[4];  // supported ones behind 0 (Bare), ended by 0
#define FIELDS (0x155ul << 44 | 0x80004)   // of an ID and of an aligned root

static struct trap *try(enum mode mode, u32 insn, u64 address) {
    code_offset = 0;
    return probe_insn(mode, insn, 0x7777, address);
}

static void expect(enum mode mode, u32 insn, u64 address, u64 value) {
    data[1] = value;
    struct trap *trap = try(mode, insn, address);
    check(completed(trap));
    equal(trap->a0, value);
}

static void expect_fault(enum mode mode, u32 insn, u64 address, u64 cause, u64 gpa) {
    struct trap *trap = try(mode, insn, address);
    equal(trap->cause, cause);
    equal(trap->tval, address);
    equal(trap->tval2, gpa >> 2);
}

// ---- the registers

static u64 read_vsatp(u64 value) {
    code_offset = 0;
    probe_insn(VS, CSRW(0x180, A0), value, 0);
    return csr_read(vsatp);
}

static void registers(void) {
    int found = 1, guest_found = 1;
    for (u64 mode = 8; mode <= 10; mode++) {
        csr_write(satp, mode << 60);
        if (csr_read(satp)) satp_modes[found++] = mode;
        csr_write(satp, 0);
        csr_write(hgatp, mode << 60);
        if (csr_read(hgatp)) hgatp_modes[guest_found++] = mode;
        csr_write(hgatp, 0);
    }
    satp_modes[found % 4] = hgatp_modes[guest_found % 4] = 0;
    check(satp_modes[1] == 8 && hgatp_modes[1] == 8);
    u64 last = (u64)satp_modes[found - 1] << 60 | FIELDS | 1, last_guest = (u64)hgatp_modes[guest_found - 1] << 60 | FIELDS;
    for (u64 mode = 0; mode < 16; mode++) {
        context("MODE", mode, 0);
        int exists = !mode, guest_exists = !mode;
        for (int i = 1; i < 4; i++) {
            exists |= mode == satp_modes[i];
            guest_exists |= mode == hgatp_modes[i];
        }
        // satp, and vsatp written as satp: a write with another mode changes nothing
        u64 value = mode << 60 | (mode ? 0x2aaul << 44 | 0x87655 : 0);
        csr_write(satp, last);
        csr_write(satp, value);
        equal(csr_read(satp), exists ? value : last);
        csr_write(satp, 0);
        csr_write(vsatp, 0);
        if (mode < 8 || !exists) equal(read_vsatp(value), 0);
        // hgatp: only MODE itself does not take it
        if (deviates(QEMU, "takes any") || deviates(SPIKE, "ignores the write")) continue;
        value = mode << 60 | (mode ? 0x2aaul << 44 | 0x87654 : 0);
        csr_write(hgatp, last_guest);
        csr_write(hgatp, value);
        equal(csr_read(hgatp), guest_exists ? value : (value & ~(15ul << 60)) | (last_guest & 15ul << 60));
    }
    csr_write(hgatp, 0);
    csr_write(vsatp, 0);
}

// ---- one stage

// An address whose index at `level` is 5 and that no table of new_root() maps, the size of what a leaf there maps, and
// where it begins when it has to hold `data`.
static u64 spot(int level) { return (level < 2 ? WINDOW : 0) + (5ul << (12 + 9 * level)); }
static u64 size(int level) { return 1ul << (12 + 9 * level); }
static u64 block(u64 address, int level) { return address & -size(level); }

static void one_stage(u64 mode, enum mode privilege) {
    int levels = mode - 5, width = 12 + 9 * levels;
    u64 *root = new_root(levels, 0);
    u64 value = mode << 60 | (u64)root >> 12;
    if (privilege == VS) csr_write(vsatp, value);
    else csr_write(satp, value);
    for (int level = 0; level < levels; level++) {
        context("mode, level", mode, level);
        u64 *entry = entry_at(root, levels, spot(level), level);
        u64 address = spot(level) + ((u64)&data[1] & (size(level) - 1));
        *entry = PTE(block((u64)data, level), bits);
        fence_all();
        expect(privilege, LD, address, mode << 8 | level);
        check(completed(try(privilege, SD, address)));
        equal(data[1], 0x7777);
        for (int bit = 0; bit < 9 * level; bit += 4) {  // misaligned
            *entry = PTE(block((u64)data, level) | PAGE << bit, bits);
            fence_all();
            expect_fault(privilege, LD, address, LOAD_PAGE, 0);
        }
        if (level == 0) continue;
        expect_fault(privilege, SD, address, STORE_PAGE, 0);
        *entry = PTE(block((u64)data, level), bits | PTE_G | BIT(59));  // reserved
        fence_all();
        if (!deviates(QEMU, "does not look at some reserved bits")) expect_fault(privilege, LD, address, LOAD_PAGE, 0);
        *entry = 0;
    }
    // the upper half, and addresses that are in none
    context("canonical addresses", mode, 0);
    root[511] = PTE(block((u64)data, levels - 1), bits);
    fence_all();
    u64 upper = -size(levels - 1) + ((u64)&data[1] & (size(levels - 1) - 1));
    expect(privilege, LD, upper, 4321);
    for (int bit = width - 1; bit < 64; bit++) {
        expect_fault(privilege, LD, (u64)&data[1] ^ BIT(bit), LOAD_PAGE, 0);
        expect_fault(privilege, SD, upper ^ BIT(bit), STORE_PAGE, 0);
    }
    expect_fault(privilege, JALR_A1, 0x80000000 | BIT(width), INSTRUCTION_PAGE, 0);
    csr_write(satp, 0);
    csr_write(vsatp, 0);
    release_pages();
}

// ---- two stages

static void two_stages(u64 mode, u64 gmode) {
    int levels = mode ? mode - 5 : 1, glevels = gmode ? gmode - 5 : 1;
    int gwidth = gmode ? 14 + 9 * glevels : 64;
    u64 *root = mode ? new_root(levels, 0) : 0, *g_root = gmode ? new_root(glevels, 1) : 0;
    csr_write(vsatp, mode << 60 | (u64)root >> 12);
    csr_write(hgatp, gmode << 60 | (u64)g_root >> 12);
    for (int level = 0; level < levels; level++)
        for (int glevel = 0; glevel < glevels; glevel++) {
            context("modes, levels", mode << 8 | gmode, level << 8 | glevel);
            u64 gpa = (u64)&data[1], *entry = 0, *g_entry = 0;
            if (gmode) {  // among the largest guest physical addresses, of which a page-table entry holds 56 bits
                int top = mode && gwidth > 56 ? 55 : gwidth - 1;
                if (top > gwidth - 3 && deviates(QEMU, "does not translate these")) top = gwidth - 3;
                gpa |= BIT(top);
                g_entry = entry_at(g_root, glevels, gpa, glevel);
                *g_entry = PTE(block((u64)data, glevel), bits | PTE_U);
            }
            u64 address = gpa;
            if (mode) {
                entry = entry_at(root, levels, spot(level), level);
                *entry = PTE(block(gpa, level), bits);
                address = spot(level) + (gpa & (size(level) - 1));
            }
            fence_all();
            expect(VS, LD, address, gpa);
            csr_set(hstatus, HSTATUS_SPVP);
            expect(HS, HLV_D, address, gpa + 1);
            check(completed(try(VS, SD, address)));
            equal(data[1], 0x7777);
            if (gmode) {
                *g_entry &= ~(u64)PTE_W;
                fence_all();
                expect(VS, LD, address, 88);
                expect_fault(VS, SD, address, STORE_GUEST_PAGE, gpa);
                for (int bit = 0; bit < 9 * glevel; bit += 7) {
                    *g_entry = PTE(block((u64)data, glevel) | PAGE << bit, bits | PTE_U);
                    fence_all();
                    expect_fault(VS, LD, address, LOAD_GUEST_PAGE, gpa);
                }
                *g_entry = 0;
            }
            if (mode) {
                *entry = 0;
                fence_all();
                expect_fault(VS, LD, address, LOAD_PAGE, 0);
            }
        }
    // addresses that are too wide
    if (gmode && !deviates(QEMU, "writes 0 to mtval2"))
        for (int bit = gwidth; bit < (mode ? 56 : 64); bit++) {
            context("modes, too wide", mode << 8 | gmode, bit);
            u64 gpa = BIT(bit) | (u64)&data[1], address = gpa;
            if (mode) {
                *entry_at(root, levels, spot(0), 0) = PTE(gpa, bits);
                address = spot(0) + (gpa & (PAGE - 1));
                fence_all();
            }
            expect_fault(VS, LD, address, LOAD_GUEST_PAGE, gpa);
        }
    csr_write(vsatp, 0);
    csr_write(hgatp, 0);
    release_pages();
}

void main(void) {
    csr_write(medeleg, 0);
    registers();
    for (int i = 1; i < 4 && satp_modes[i]; i++) {
        one_stage(satp_modes[i], HS);
        one_stage(satp_modes[i], VS);
    }
    for (int i = 0; i < 4 && (!i || satp_modes[i]); i++)
        for (int j = 0; j < 4 && (!j || hgatp_modes[j]); j++) two_stages(satp_modes[i], hgatp_modes[j]);
}
