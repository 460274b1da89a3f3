// Ssnpm, Smnpm, Smmpm: which field masks the addresses of which accesses, and what masking makes of them.
#include "test.h"

static u64 data[2][512] __attribute__((aligned(PAGE)));
static u64 bits = PTE_V | PTE_RWX | PTE_AD;
static u64 *root, *vs_root, *g_root;

enum field { MSECCFG, MENVCFG, SENVCFG, HENVCFG, HUPMM, FIELDS };
static const int pmlen[] = {0, 0, 7, 16};
#define PMM (3ul << 32)
#define HSTATUS_HUPMM (3ul << 48)
#define MPP_S BIT(11)

static void set(enum field field, u64 pmm) {
    switch (field) {
        case MSECCFG: csr_write(mseccfg, pmm << 32); break;
        case MENVCFG: csr_write(menvcfg, pmm << 32); break;
        case SENVCFG: csr_write(senvcfg, pmm << 32); break;
        case HENVCFG: csr_write(henvcfg, pmm << 32); break;
        default: csr_clear(hstatus, HSTATUS_HUPMM); csr_set(hstatus, pmm << 48);
    }
}

static u64 get(enum field field) {
    switch (field) {
        case MSECCFG: return csr_read(mseccfg) >> 32 & 3;
        case MENVCFG: return csr_read(menvcfg) >> 32 & 3;
        case SENVCFG: return csr_read(senvcfg) >> 32 & 3;
        case HENVCFG: return csr_read(henvcfg) >> 32 & 3;
        default: return csr_read(hstatus) >> 48 & 3;
    }
}

static u64 mask(u64 address, u64 pmm, int physical) {
    int n = pmlen[pmm];
    return physical ? address << n >> n : (u64)((s64)(address << n) >> n);
}

// M-mode with MPRV and the MPP of the bits in a2
CODE(modified, "csrs mstatus, a2\nld a0, 0(a1)\ncsrc mstatus, a2");
CODE(modified_u, "li t0, 0x1800\ncsrc mstatus, t0\ncsrs mstatus, a2\nld a0, 0(a1)\ncsrc mstatus, a2");

// All kinds of accesses, and the field that masks their addresses.
struct kind { const char *name; enum mode mode; u32 insn; int spvp; enum field field; u8 *code; u64 status; };
static const struct kind kinds[] = {
    {"M", M, LD, 0, MSECCFG, 0, 0},
    {"HS", HS, LD, 0, MENVCFG, 0, 0},
    {"U", U, LD, 0, SENVCFG, 0, 0},
    {"VS", VS, LD, 0, HENVCFG, 0, 0},
    {"VU", VU, LD, 0, SENVCFG, 0, 0},
    {"HLV of HS, as VS", HS, HLV_D, 1, HENVCFG, 0, 0},
    {"HLV of HS, as VU", HS, HLV_D, 0, SENVCFG, 0, 0},
    {"HLV of M, as VS", M, HLV_D, 1, HENVCFG, 0, 0},
    {"HLV of M, as VU", M, HLV_D, 0, SENVCFG, 0, 0},
    {"HLV of U, as VS", U, HLV_D, 1, HENVCFG, 0, 0},
    {"HLV of U, as VU", U, HLV_D, 0, HUPMM, 0, 0},
    {"MPRV as HS", M, 0, 0, MENVCFG, modified, MSTATUS_MPRV | MPP_S},
    {"MPRV as U", M, 0, 0, SENVCFG, modified_u, MSTATUS_MPRV},
    {"MPRV as VS", M, 0, 0, HENVCFG, modified, MSTATUS_MPRV | MSTATUS_MPV | MPP_S},
    {"MPRV as VU", M, 0, 0, SENVCFG, modified_u, MSTATUS_MPRV | MSTATUS_MPV},
};

static struct trap *access(const struct kind *kind, u64 address) {
    csr_clear(hstatus, HSTATUS_SPVP);
    if (kind->spvp) csr_set(hstatus, HSTATUS_SPVP);
    code_offset = 0;
    if (kind->code) return probe(kind->mode, (u64)kind->code, 0, address, kind->status, 0);
    code_offset = (kind->mode & 3) == U && csr_read(satp) ? USER_ALIAS : 0;
    return probe_insn(kind->mode, kind->insn, 0, address);
}

static int is_user(const struct kind *kind) {
    return kind->mode == U || kind->mode == VU || kind->field == SENVCFG || kind->field == HUPMM;
}

// Every field with every kind of access: only the one that belongs to it masks.
static void who(int paged) {
    csr_write(satp, paged ? ATP(root) : 0);
    csr_write(vsatp, paged ? ATP(vs_root) : 0);
    csr_write(hgatp, paged ? ATP(g_root) : 0);
    fence_all();
    for (int i = 0; i < (int)(sizeof(kinds) / sizeof(*kinds)); i++) {
        const struct kind *kind = &kinds[i];
        int physical = kind->field == MSECCFG || !paged;
        int user = is_user(kind) && !(kind->mode == U && kind->spvp);
        u64 plain = (u64)&data[0][1] + (paged && user ? USER_ALIAS : 0);
        for (int field = 0; field < FIELDS; set(field++, 0))
            for (u64 pmm = 0; pmm < 4; pmm++) {
                context(kind->name, field << 4 | pmm, paged);
                set(field, pmm);
                equal(get(field), pmm == 1 ? 0 : pmm);
                if (pmm == 1 || (pmm == 2 && field != (int)kind->field)) continue;
                u64 effective = field == (int)kind->field ? pmm : 0;
                for (int bit = 47; bit < 64; bit += bit == 48 ? 8 : bit == 57 ? 6 : 1) {
                    u64 address = plain ^ BIT(bit);
                    struct trap *trap = access(kind, address);
                    if (mask(address, effective, physical) == plain) {
                        check(completed(trap));
                        equal(trap->a0, 0x5555);
                    } else {
                        check(!completed(trap));
                        equal(trap->tval, mask(address, effective, physical));
                    }
                }
            }
    }
    csr_write(satp, 0);
    csr_write(vsatp, 0);
    csr_write(hgatp, 0);
    fence_all();
}

#define TAG (0x5aul << 57)  // within PMLEN = 7

static void all_accesses(void) {
    static const u32 loads[] = {LB, LH, LW, LD, LBU, LHU, LWU, LR_D, AMOADD_D, HLV_D};
    static const u32 stores[] = {SB, SH, SW, SD, SC_D, AMOSWAP_W, HSV_D};
    csr_write(satp, ATP(root));
    csr_write(vsatp, 0);
    set(MENVCFG, 2);
    set(HENVCFG, 2);
    csr_set(hstatus, HSTATUS_SPVP);
    fence_all();
    code_offset = 0;
    for (int i = 0; i < 10; i++) {
        context("load", i, 0);
        data[0][2] = 0x12345678;
        check(completed(probe_insn(HS, loads[i], 0, TAG | (u64)&data[0][2])));
    }
    for (int i = 0; i < 7; i++) {
        context("store", i, 0);
        data[0][2] = 0;
        check(completed(probe_insn(HS, stores[i], 0x11, TAG | (u64)&data[0][2])));
        if (stores[i] != SC_D) equal(data[0][2], 0x11);
    }
    // faults show the masked address
    context("faults", 0, 0);
    struct trap *trap = probe_insn(HS, LD, 0, TAG | WINDOW);
    equal(trap->cause, LOAD_PAGE);
    equal(trap->tval, WINDOW);
    trap = probe_insn(HS, AMOADD_D, 0, TAG | (WINDOW + 4));
    equal(trap->cause, STORE_MISALIGNED);
    equal(trap->tval, WINDOW + 4);
    // of HLVX and fetches, nothing is masked; nor of jumps' targets, of CSRs and of fences
    context("not masked", 0, 0);
    *pte_at(root, WINDOW, 0) = PTE(data[1], bits);
    fence_all();
    trap = probe_insn(HS, HLVX_WU, 0, TAG | (u64)&data[0][2]);
    check(!completed(trap));
    equal(trap->tval, TAG | (u64)&data[0][2]);
    trap = probe_insn(HS, JALR_A1, 0, TAG | (u64)data[0]);
    equal(trap->cause, INSTRUCTION_PAGE);
    equal(trap->tval, TAG | (u64)data[0]);
    csr_write(sscratch, TAG | 5);
    equal(csr_read(sscratch), TAG | 5);
    csr_write(stval, TAG | 5);
    equal(csr_read(stval), TAG | 5);
    csr_write(sepc, TAG | 4);
    equal(csr_read(sepc), TAG | 4);
    data[1][0] = 1;
    check(completed(probe_insn(HS, LD, 0, TAG | WINDOW)));
    *pte_at(root, WINDOW, 0) = PTE(data[0], bits);
    probe_insn(HS, SFENCE_VMA(A1, 0), 0, WINDOW);
    equal(probe_insn(HS, LD, 0, TAG | WINDOW)->a0, data[0][0]);
    csr_write(satp, 0);
}

// An access over the end of a page, and of what masking leaves.
static void misaligned(void) {
    csr_write(satp, ATP(root));
    set(MENVCFG, 2);
    *pte_at(root, WINDOW, 0) = PTE(data[0], bits);
    *pte_at(root, WINDOW + PAGE, 0) = PTE(data[1], bits);
    data[0][511] = 0x1122334400000000;
    data[1][0] = 0x55667788;
    fence_all();
    context("misaligned", 0, 0);
    code_offset = 0;
    equal(probe_insn(HS, LD, 0, TAG | (WINDOW + PAGE - 4))->a0, 0x5566778811223344);
    *pte_at(root, WINDOW + PAGE, 0) = 0;
    fence_all();
    struct trap *trap = probe_insn(HS, SD, 0, TAG | (WINDOW + PAGE - 4));
    equal(trap->cause, STORE_PAGE);
    equal(trap->tval, WINDOW + PAGE);
    equal(data[0][511], 0x1122334400000000);
    // over the end of the masked physical addresses there is nothing to be had
    set(MSECCFG, 3);
    trap = probe_insn(M, LD, 0, BIT(48) - 4 + (0x33ul << 50));
    equal(trap->cause, LOAD_ACCESS);
    equal(trap->tval, BIT(48) - 4);
    set(MSECCFG, 0);
    csr_write(satp, 0);
}

// MXR of the effective mode turns masking off, also where nothing is translated; never in M-mode.
static void execute_readable(void) {
    u64 tagged = TAG | (u64)&data[0][1];
    for (int paged = 0; paged < 2; paged++)
        for (int i = 0; i < (int)(sizeof(kinds) / sizeof(*kinds)); i++) {
            const struct kind *kind = &kinds[i];
            int v = kind->mode >= VU || kind->insn == HLV_D || kind->status & MSTATUS_MPV;
            u64 alias = paged && is_user(kind) && !(kind->mode == U && kind->spvp) ? USER_ALIAS : 0;
            csr_write(satp, paged ? ATP(root) : 0);
            csr_write(vsatp, paged ? ATP(vs_root) : 0);
            csr_write(hgatp, paged ? ATP(g_root) : 0);
            fence_all();
            set(kind->field, 2);
            for (int mxr = 0; mxr < 4; mxr++) {  // 1: mstatus, 2: vsstatus
                context(kind->name, mxr, paged);
                csr_clear(mstatus, MSTATUS_MXR);
                if (mxr & 1) csr_set(mstatus, MSTATUS_MXR);
                csr_write(vsstatus, mxr & 2 ? MSTATUS_MXR : 0);
                struct trap *trap = access(kind, tagged + alias);
                if (kind->field == MSECCFG || !(mxr & 1 || (mxr & 2 && v))) {
                    check(completed(trap));
                } else {
                    check(!completed(trap));
                    equal(trap->tval, tagged + alias);
                }
            }
            csr_clear(mstatus, MSTATUS_MXR);
            csr_write(vsstatus, 0);
            set(kind->field, 0);
        }
}

// What is not an access of an instruction is not masked: reads of page tables, the addresses in them, and the vector
// of a trap.
static void unmasked(void) {
    csr_write(medeleg, BIT(ECALL_U));
    for (enum field field = MSECCFG; field < FIELDS; field++) set(field, 3);
    static const u64 far = BIT(55) | BIT(52) | BIT(48);  // of a physical address: within PMLEN = 16, and of no memory
    csr_write(satp, ATP(root));
    csr_write(vsatp, ATP(vs_root));
    u64 *table = new_page(), here = (u64)data & -MEGA;
    code_offset = 0;
    for (int i = 0; i < 4; i++) {
        // 0: as it should be, 1: the address of a table, 2: that of a page, 3: that of a guest's page
        context("page tables", i, 0);
        csr_write(hgatp, i == 3 ? ATP(g_root) : 0);
        root[6] = vs_root[6] = PTE((u64)table | (i == 1 ? far : 0), PTE_V);
        table[0] = PTE(i == 3 ? 6 * GIGA : here | (i == 2 ? far : 0), bits);
        g_root[6] = PTE(2 * GIGA | far, bits | PTE_U);
        fence_all();
        for (enum mode mode = i == 3 ? VS : HS; mode <= VS; mode += VS - HS) {
            struct trap *trap = probe_insn(mode, LD, 0, 6 * GIGA + (u64)&data[0][1] - here);
            if (i) {
                equal(trap->cause, LOAD_ACCESS);
                equal(trap->tval, 6 * GIGA + (u64)&data[0][1] - here);
            } else {
                check(completed(trap));
            }
        }
    }
    csr_write(hgatp, 0);
    csr_write(satp, 0);
    csr_write(vsatp, 0);
    fence_all();
    // vectors hold what was written, and lead there
    context("vectors", 0, 0);
    csr_write(stvec, TAG | (u64)supervisor_trap);
    equal(csr_read(stvec), TAG | (u64)supervisor_trap);
    struct trap *trap = probe_insn(U, ECALL, 0, 0);
    equal(trap->handler, M);
    equal(trap->cause, INSTRUCTION_ACCESS);
    equal(trap->tval, TAG | (u64)supervisor_trap);
    equal(trap->epc, TAG | (u64)supervisor_trap);
    equal(csr_read(scause), ECALL_U);
    csr_write(stvec, supervisor_trap);
    csr_write(vstvec, TAG | (u64)guest_trap);
    equal(csr_read(vstvec), TAG | (u64)guest_trap);
    csr_write(vstvec, guest_trap);
    u64 vector = csr_read(mtvec);
    csr_write(mtvec, TAG | vector);
    equal(csr_read(mtvec), TAG | vector);
    csr_write(mtvec, vector);
    csr_write(mepc, TAG | 4);
    equal(csr_read(mepc), TAG | 4);
    for (enum field field = MSECCFG; field < FIELDS; field++) set(field, 0);
    csr_write(medeleg, 0);
}

void main(void) {
    csr_write(medeleg, 0);
    if (deviates(QEMU, "7.2 has none of it")) return;
    csr_set(hstatus, HSTATUS_HU);
    root = new_table();
    vs_root = new_table();
    g_root = new_guest_table();
    data[0][1] = 0x5555;
    who(0);
    who(1);
    all_accesses();
    misaligned();
    execute_readable();
    unmasked();
}
