// The devices around the design, and what is observed of it, cycle by cycle.
#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <vector>

#include "commit_log.h"
#include "dut.h"
#include "ram.h"
#include "record.h"
#include "statistics.h"

// How to set up a simulation.  Plain data, filled in by the Python side (entresol_sim.native.Setup).
struct Setup {
    uint8_t* ram;
    uint64_t ram_base, ram_size;
    uint64_t ram_latency;   // cycles from an accepted read address to the first beat, at least 1
    uint64_t mtime_divider; // cycles for each tick of mtime
    uint64_t boot_entry, boot_a1, boot_a2;
    uint64_t watchdog;      // cycles without a retired instruction before giving up, 0: never
    uint64_t tohost, fromhost;  // physical addresses, 0: no HTIF
    Disturbed disturbed;        // memory that misbehaves
};

// Why `run` returned.
enum Stop : int {
    STOP_CYCLES = 0,    // the given cycle is reached
    STOP_FINISHED = 1,  // the program wrote to the test finisher
    STOP_TOHOST = 2,    // the program wrote a test result to tohost (memory may be stale)
    STOP_FLUSHED = 3,   // the caches are written back: memory is coherent until the next cycle
    STOP_HUNG = 4,      // nothing retired for too long
    STOP_LOG_FAILED = 5 // the commit log could not be written
};

// Cycles in WFI count so many times less for the watchdog than others: sleeping long is not unusual.
constexpr uint64_t WFI_PATIENCE = 100;
// A command in tohost may be written in two halves; the second one is waited for that many cycles.
constexpr uint64_t TOHOST_SETTLE = 100;

class Simulation {
public:
    explicit Simulation(const Setup& setup)
        : m_setup{setup}, m_ram{setup.ram, setup.ram_base, setup.ram_size, setup.ram_latency, setup.disturbed} {}

    // Decides on the inputs of the cycle that begins next.  In cycle 0 all inputs are zero.
    void drive(Dut& dut) {
        const uint64_t cycle = m_statistics.cycles;
        if (cycle == 1) {
            port::boot_entry(dut) = m_setup.boot_entry;
            port::boot_a1(dut) = m_setup.boot_a1;
            port::boot_a2(dut) = m_setup.boot_a2;
            port::uart_tx__ready(dut) = 1;
        }
        m_ram.drive(dut, cycle);
        if (++m_divider >= m_setup.mtime_divider) {
            m_divider = 0;
            port::rtc_tick(dut) = 1;
        } else {
            port::rtc_tick(dut) = 0;
        }
        const bool receiving = !m_input.empty();
        port::uart_rx__valid(dut) = receiving;
        if (receiving) port::uart_rx__payload(dut) = m_input.front();
        port::flush_valid(dut) = m_flushing;
        drive::guest_interrupts(dut, m_guest_interrupts);
    }

    // Takes the settled outputs of a cycle.  Returns whether to stop before its end; `why` then says why.
    bool sample(Dut& dut) {
        const uint64_t cycle = m_statistics.cycles;
        m_stopping = false;
        m_ram.sample(dut, cycle);
        if (port::uart_tx__valid(dut)) m_output.push_back(port::uart_tx__payload(dut));
        if (port::uart_rx__valid(dut) && port::uart_rx__ready(dut)) m_input.pop_front();
        const uint64_t pulses = events::all(dut);
        for (uint64_t left = pulses; left; left &= left - 1) ++m_statistics.events[__builtin_ctzll(left)];
        m_statistics.last_events = pulses;
        if (retire::valid(dut)) {
            committed(dut, cycle);
        } else if (m_setup.watchdog) {
            watch(pulses);
        }
        if (m_tohost_in && --m_tohost_in == 0) look_at_tohost();
        if (port::finish_valid(dut) && !m_finished) {
            m_finished = true;
            m_finish_code = port::finish_code(dut);
            stop(STOP_FINISHED);
        } else if (m_flushing && port::flush_done(dut)) {
            m_flushing = false;
            stop(STOP_FLUSHED);
        }
        return m_stopping;
    }

    void next_cycle() { ++m_statistics.cycles; }

    Stop why() const { return m_why; }
    uint64_t cycle() const { return m_statistics.cycles; }
    uint32_t finish_code() const { return m_finish_code; }
    uint64_t tohost() const { return m_tohost; }
    std::vector<uint8_t>& output() { return m_output; }
    std::deque<uint8_t>& input() { return m_input; }

    // Whether more console input may come: then waiting in WFI is not a hang.
    void set_input_open(bool open) { m_input_open = open; }
    void request_flush() { m_flushing = true; }
    // Levels from the next cycle on: bit i is guest external interrupt i+1.
    void set_guest_interrupts(uint64_t levels) { m_guest_interrupts = levels; }
    // Ask for a flush when the program next writes to fromhost.
    void watch_fromhost() { m_watch_fromhost = true; }
    // tohost was read or cleared by the host: what it holds now.
    void set_tohost(uint64_t value) { m_tohost = value; }

    // Returns false, with errno set, if the file cannot be opened.
    bool open_log(const char* path, const char* const* csr_names) {
        std::FILE* file = std::fopen(path, "w");
        if (!file) return false;
        m_log = std::make_unique<CommitLog>(file, csr_names);
        return true;
    }

    bool close_log() {
        const bool good = !m_log || m_log->close();
        m_log.reset();
        return good;
    }

    // Keep a record of each commit from now on.
    void record() { m_recorder = std::make_unique<Recorder>(); }
    Recorder* recorder() { return m_recorder.get(); }

    const Statistics& statistics() {
        m_statistics.bursts_read = m_ram.bursts_read;
        m_statistics.beats_read = m_ram.beats_read;
        m_statistics.bursts_written = m_ram.bursts_written;
        m_statistics.beats_written = m_ram.beats_written;
        return m_statistics;
    }

private:
    void stop(Stop why) {
        m_why = why;
        m_stopping = true;
    }

    void committed(Dut& dut, uint64_t cycle) {
        const unsigned mode = retire::mode_priv(dut) | retire::mode_v(dut) << 2;
        m_statistics.mode_cycles[mode] += cycle + 1 - m_counted;
        m_counted = cycle + 1;
        m_statistics.last_pc = retire::pc(dut);
        m_statistics.last_cycle = cycle;
        m_statistics.last_mode = mode;
        if (m_recorder) m_recorder->committed(dut);
        if (retire::trap(dut)) {
            const unsigned target = retire::target_priv(dut) | retire::target_v(dut) << 2;
            const unsigned cause = retire::cause(dut) | retire::interrupt(dut) << 6;
            ++m_statistics.traps[mode][target][cause];
            m_statistics.last_trap = 1 + cause;
            m_statistics.last_trap_pc = m_statistics.last_pc;
            m_statistics.last_trap_cycle = cycle;
            m_statistics.last_trap_mode = mode;
            m_statistics.last_trap_target = target;
            if (m_setup.watchdog) watch(0);
            return;
        }
        ++m_statistics.instructions;
        ++m_statistics.mode_instructions[mode];
        m_idle = 0;
        if (retire::mem_write(dut)) stored(retire::mem_paddr(dut), retire::mem_size(dut), retire::mem_wdata(dut));
        if (m_log) {
            m_log->retired(dut);
            if (m_log->failed()) stop(STOP_LOG_FAILED);
        }
    }

    void watch(uint64_t pulses) {
        if (pulses >> events::bit::lost_wfi & 1) {
            m_idle += m_input_open ? 0 : 1;
        } else {
            m_idle += WFI_PATIENCE;
        }
        if (m_idle >= m_setup.watchdog * WFI_PATIENCE) {
            m_idle = 0;
            stop(STOP_HUNG);
        }
    }

    void stored(uint64_t address, unsigned size, uint64_t data) {
        if (m_setup.tohost && address - m_setup.tohost < 8) {
            const unsigned shift = 8 * (address - m_setup.tohost);
            const uint64_t written = size == 3 ? ~uint64_t{0} : (uint64_t{1} << (8 << size)) - 1;
            m_tohost = (m_tohost & ~(written << shift)) | (data & written) << shift;
            if (size == 3) {
                look_at_tohost();
            } else if (!m_tohost_in) {
                m_tohost_in = TOHOST_SETTLE;
            }
        } else if (m_watch_fromhost && address - m_setup.fromhost < 8) {
            m_watch_fromhost = false;
            m_flushing = true;
        }
    }

    void look_at_tohost() {
        m_tohost_in = 0;
        if (m_tohost == 0) return;
        if (m_tohost >> 48 == 0 && m_tohost & 1) {
            stop(STOP_TOHOST);
        } else {
            m_flushing = true;
        }
    }

    const Setup m_setup;
    Ram m_ram;
    Statistics m_statistics{};
    std::unique_ptr<CommitLog> m_log;
    std::unique_ptr<Recorder> m_recorder;
    std::vector<uint8_t> m_output;
    std::deque<uint8_t> m_input;
    bool m_input_open = false;
    uint64_t m_divider = 0;
    uint64_t m_guest_interrupts = 0;
    uint64_t m_counted = 0; // cycles attributed to a mode
    uint64_t m_idle = 0;    // 1/WFI_PATIENCE cycles without a retired instruction
    uint64_t m_tohost = 0;
    uint64_t m_tohost_in = 0; // cycles until tohost is looked at
    uint32_t m_finish_code = 0;
    bool m_finished = false, m_flushing = false, m_watch_fromhost = false, m_stopping = false;
    Stop m_why = STOP_CYCLES;
};
