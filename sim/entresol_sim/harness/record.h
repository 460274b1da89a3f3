// What the core committed, as plain records for the host to read: retired instructions and traps, in order.
#pragma once

#include <cstdint>
#include <vector>

#include "dut.h"

// One commit.  Its layout is known to entresol_sim.lockstep.core.
struct Record {
    uint64_t pc, tval, rd_data, mem_vaddr, mem_paddr, mem_wdata, csr_data, csr2_data;
    uint32_t raw;
    uint16_t csr_addr, csr2_addr;
    uint8_t mode, target; // nominal privilege + 4 * V
    uint8_t flags;        // Flag
    uint8_t cause, rd, mem_size;
    uint8_t unused[2];
};
static_assert(sizeof(Record) == 80);

enum Flag : uint8_t { TRAP = 1, INTERRUPT = 2, RD = 4, READ = 8, WRITE = 16, CSR = 32, CSR2 = 64 };

class Recorder {
public:
    void committed(Dut& dut) {
        Record record{};
        record.pc = retire::pc(dut);
        record.raw = retire::raw(dut);
        record.mode = retire::mode_priv(dut) | retire::mode_v(dut) << 2;
        if (retire::trap(dut)) {
            record.flags = TRAP | (retire::interrupt(dut) ? INTERRUPT : 0);
            record.cause = retire::cause(dut);
            record.tval = retire::tval(dut);
            record.target = retire::target_priv(dut) | retire::target_v(dut) << 2;
        }
        if (retire::rd_we(dut)) {
            record.flags |= RD;
            record.rd = retire::rd(dut);
            record.rd_data = retire::rd_data(dut);
        }
        if (retire::mem_read(dut) || retire::mem_write(dut)) {
            record.flags |= (retire::mem_read(dut) ? READ : 0) | (retire::mem_write(dut) ? WRITE : 0);
            record.mem_vaddr = retire::mem_vaddr(dut);
            record.mem_paddr = retire::mem_paddr(dut);
            record.mem_size = retire::mem_size(dut);
            record.mem_wdata = retire::mem_wdata(dut);
        }
        if (retire::csr_valid(dut)) {
            record.flags |= CSR;
            record.csr_addr = retire::csr_addr(dut);
            record.csr_data = retire::csr_data(dut);
        }
        if (retire::csr2_valid(dut)) {
            record.flags |= CSR2;
            record.csr2_addr = retire::csr2_addr(dut);
            record.csr2_data = retire::csr2_data(dut);
        }
        m_records.push_back(record);
    }

    std::vector<Record>& records() { return m_records; }

private:
    std::vector<Record> m_records;
};
