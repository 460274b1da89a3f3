// Access to bit fields of ports.  Where a field lies comes from the generated dut.h.
#pragma once

#include <cstdint>

template <unsigned width>
constexpr uint64_t mask() {
    return width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
}

// The field of `width` <= 64 bits whose lowest bit is `low`, in a port wider than 64 bits (32-bit words, lowest first).
template <unsigned low, unsigned width>
inline uint64_t bits(const uint32_t* words) {
    constexpr unsigned word = low / 32, shift = low % 32;
    uint64_t value = words[word] >> shift;
    if constexpr (shift + width > 32) value |= uint64_t{words[word + 1]} << (32 - shift);
    if constexpr (shift + width > 64) value |= uint64_t{words[word + 2]} << (64 - shift);
    return value & mask<width>();
}

// The same in a port of at most 64 bits.
template <unsigned low, unsigned width>
inline uint64_t bits(uint64_t value) {
    return value >> low & mask<width>();
}
