// The commit log: a line for each retired instruction, in the format of Spike's --log-commits.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "dut.h"

class CommitLog {
public:
    // `csr_names` has 4096 entries, null where there is no such CSR.
    CommitLog(std::FILE* file, const char* const* csr_names) : m_file{file} {
        for (unsigned csr = 0; csr < 4096; ++csr) m_csr_names.emplace_back(csr_names[csr] ? csr_names[csr] : "unknown-csr");
        std::setvbuf(file, nullptr, _IOFBF, 1 << 20);
    }
    CommitLog(const CommitLog&) = delete;
    CommitLog& operator=(const CommitLog&) = delete;
    ~CommitLog() { close(); }

    // Whether everything could be written.
    bool close() {
        if (!m_file) return m_good;
        m_good &= !std::ferror(m_file);
        m_good &= std::fclose(m_file) == 0;
        m_file = nullptr;
        return m_good;
    }

    bool failed() const { return m_file && std::ferror(m_file); }

    // Logs the instruction in the retire port.
    void retired(Dut& dut) {
        char* end = m_line;
        end = text(end, "core   0: ");
        *end++ = '0' + retire::mode_priv(dut);
        *end++ = ' ';
        end = hex(end, retire::pc(dut), 8);
        end = text(end, " (");
        const uint64_t raw = retire::raw(dut);
        end = hex(end, raw, (raw & 3) == 3 ? 4 : 2);
        *end++ = ')';
        // Spike orders register writes by 16 * number plus 0 for x registers and 4 for CSRs
        const bool rd = retire::rd_we(dut), csr = retire::csr_valid(dut);
        const bool csr_first = csr && rd && retire::csr_addr(dut) < retire::rd(dut);
        if (csr_first) end = log_csr(end, retire::csr_addr(dut), retire::csr_data(dut));
        if (rd) {
            end = text(end, " x");
            end = decimal(end, retire::rd(dut));
            if (retire::rd(dut) < 10) *end++ = ' ';
            *end++ = ' ';
            end = hex(end, retire::rd_data(dut), 8);
        }
        if (csr && !csr_first) end = log_csr(end, retire::csr_addr(dut), retire::csr_data(dut));
        if (retire::csr2_valid(dut)) end = log_csr(end, retire::csr2_addr(dut), retire::csr2_data(dut));
        if (retire::mem_read(dut)) {
            end = text(end, " mem ");
            end = hex(end, retire::mem_vaddr(dut), 8);
        }
        if (retire::mem_write(dut)) {
            end = text(end, " mem ");
            end = hex(end, retire::mem_vaddr(dut), 8);
            *end++ = ' ';
            end = hex(end, retire::mem_wdata(dut), 1u << retire::mem_size(dut));
        }
        *end++ = '\n';
        std::fwrite(m_line, 1, end - m_line, m_file);
    }

private:
    char* log_csr(char* end, unsigned address, uint64_t value) {
        end = text(end, " c");
        end = decimal(end, address);
        *end++ = '_';
        end = text(end, m_csr_names[address].c_str());
        *end++ = ' ';
        return hex(end, value, 8);
    }

    static char* text(char* end, const char* string) {
        while (*string) *end++ = *string++;
        return end;
    }

    static char* decimal(char* end, unsigned value) {
        if (value >= 10) end = decimal(end, value / 10);
        *end++ = '0' + value % 10;
        return end;
    }

    static char* hex(char* end, uint64_t value, unsigned bytes) {
        *end++ = '0';
        *end++ = 'x';
        for (int shift = 8 * bytes - 4; shift >= 0; shift -= 4) *end++ = "0123456789abcdef"[value >> shift & 15];
        return end;
    }

    std::FILE* m_file;
    bool m_good = true;
    std::vector<std::string> m_csr_names;
    char m_line[512];
};
