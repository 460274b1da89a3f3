// Main memory behind the design's AXI4 port `mem`.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "dut.h"

// In-order AXI4 subordinate.  The first beat of a read comes `latency` cycles after its address was accepted, then a
// beat each cycle; reads queue up, so that their latencies overlap.  Writes are posted: the response comes in the
// cycle after the last beat.  Accesses outside memory are answered with DECERR, and those to `Disturbed` as it says.
struct Disturbed {
    uint64_t base, size, kinds;
    enum Kind : uint64_t { READ_ERROR = 1, WRITE_ERROR = 2, READ_SILENCE = 4, WRITE_SILENCE = 8 };

    bool is(Kind kind, uint64_t address) const { return address - base < size && kinds & kind; }
};

class Ram {
public:
    Ram(uint8_t* memory, uint64_t base, uint64_t size, uint64_t latency, const Disturbed& disturbed)
        : m_memory{memory}, m_base{base}, m_size{size}, m_latency{latency}, m_disturbed{disturbed} {}

    // What the design did in this cycle.
    void sample(Dut& dut, uint64_t cycle) {
        m_active = m_reads.count || m_writes.count || m_responses.count || port::mem__arvalid(dut) ||
                   port::mem__awvalid(dut);
        if (!m_active) return;
        if (m_r_valid && port::mem__rready(dut)) {
            m_r_valid = false;
            ++beats_read;
            Burst& burst = m_reads.front();
            if (burst.beat++ == burst.length) m_reads.pop();
        }
        if (m_b_valid && port::mem__bready(dut)) {
            m_b_valid = false;
            m_responses.pop();
        }
        if (m_w_ready && port::mem__wvalid(dut)) {
            ++beats_written;
            Burst& burst = m_writes.front();
            const uint64_t address = burst.address_of_beat();
            const unsigned strobe = port::mem__wstrb(dut);
            burst.silent |= m_disturbed.is(Disturbed::WRITE_SILENCE, address);
            if (!contains(address) || m_disturbed.is(Disturbed::WRITE_ERROR, address)) {
                burst.error = true;
            } else if (strobe == 0xff) {
                const uint64_t data = port::mem__wdata(dut);
                std::memcpy(m_memory + (address - m_base & ~uint64_t{7}), &data, 8);
            } else {
                const uint64_t data = port::mem__wdata(dut);
                for (unsigned lane = 0; lane < 8; ++lane)
                    if (strobe >> lane & 1) m_memory[(address - m_base & ~uint64_t{7}) + lane] = data >> 8 * lane;
            }
            if (burst.beat++ == burst.length) {
                if (!burst.silent) m_responses.push(burst);
                m_writes.pop();
            }
        }
        if (m_ar_ready && port::mem__arvalid(dut)) {
            ++bursts_read;
            m_reads.push({port::mem__araddr(dut), cycle + m_latency, port::mem__arid(dut), port::mem__arlen(dut),
                          port::mem__arsize(dut), port::mem__arburst(dut)});
        }
        if (m_aw_ready && port::mem__awvalid(dut)) {
            ++bursts_written;
            m_writes.push({port::mem__awaddr(dut), 0, port::mem__awid(dut), port::mem__awlen(dut),
                           port::mem__awsize(dut), port::mem__awburst(dut)});
        }
    }

    // Drives the inputs of the design for cycle number `cycle`.
    void drive(Dut& dut, uint64_t cycle) {
        if (!m_active && m_ar_ready) return;  // nothing changes (but in the first cycle)
        if (!m_r_valid) {
            m_r_valid = m_reads.count && cycle >= m_reads.front().ready_at &&
                        !m_disturbed.is(Disturbed::READ_SILENCE, m_reads.front().address_of_beat());
            port::mem__rvalid(dut) = m_r_valid;
            if (m_r_valid) {
                const Burst& burst = m_reads.front();
                const uint64_t address = burst.address_of_beat();
                uint64_t data = 0;
                if (contains(address)) std::memcpy(&data, m_memory + (address - m_base & ~uint64_t{7}), 8);
                port::mem__rdata(dut) = data;
                port::mem__rid(dut) = burst.id;
                const bool good = contains(address) && !m_disturbed.is(Disturbed::READ_ERROR, address);
                port::mem__rresp(dut) = good ? OKAY : DECERR;
                port::mem__rlast(dut) = burst.beat == burst.length;
            }
        }
        if (!m_b_valid) {
            m_b_valid = m_responses.count;
            port::mem__bvalid(dut) = m_b_valid;
            if (m_b_valid) {
                port::mem__bid(dut) = m_responses.front().id;
                port::mem__bresp(dut) = m_responses.front().error ? DECERR : OKAY;
            }
        }
        port::mem__arready(dut) = m_ar_ready = !m_reads.full();
        port::mem__awready(dut) = m_aw_ready = !m_writes.full();
        port::mem__wready(dut) = m_w_ready = m_writes.count && !m_responses.full();
    }

    bool contains(uint64_t address) const { return address - m_base < m_size; }

    uint64_t bursts_read = 0, beats_read = 0, bursts_written = 0, beats_written = 0;

private:
    static constexpr unsigned OKAY = 0, DECERR = 3, WRAP = 2, FIXED = 0;

    struct Burst {
        uint64_t address, ready_at;
        unsigned id, length /* beats - 1 */, size /* log2(bytes) */, kind;
        unsigned beat = 0;
        bool error = false, silent = false;

        uint64_t address_of_beat() const {
            if (kind == FIXED || beat == 0) return address;
            const uint64_t next = (address >> size << size) + (uint64_t{beat} << size);
            if (kind != WRAP) return next;
            const uint64_t wrap = (uint64_t{length} + 1 << size) - 1;
            return (address & ~wrap) | (next & wrap);
        }
    };

    struct Queue {
        static constexpr unsigned DEPTH = 8;
        Burst entries[DEPTH];
        unsigned first = 0, count = 0;
        bool full() const { return count == DEPTH; }
        Burst& front() { return entries[first]; }
        void pop() { first = (first + 1) % DEPTH, --count; }
        void push(const Burst& burst) { entries[(first + count++) % DEPTH] = burst; }
    };

    uint8_t* m_memory;
    uint64_t m_base, m_size, m_latency;
    const Disturbed m_disturbed;
    Queue m_reads, m_writes, m_responses;
    bool m_active = false;
    bool m_r_valid = false, m_b_valid = false, m_ar_ready = false, m_aw_ready = false, m_w_ready = false;
};
