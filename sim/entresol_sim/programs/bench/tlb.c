// Misses of the TLBs: walks over so many pages that each finds its translation gone, against as many hits.
#include "bench.h"

struct walk {
    u64 address, stride, pages, rounds;
};
u64 touch_loads(u64), touch_stores(u64), touch_code(u64);
extern u8 hop_on[], hop_here[];

static u8 data[PAGE] __attribute__((aligned(4096)));
static struct walk walk __attribute__((aligned(64)));

static u64 take(enum mode mode, u64 (*function)(u64), u64 address, u64 stride, u64 pages, u64 rounds) {
    walk = (struct walk){address, stride, pages, rounds};
    return enter(mode, function, (u64)&walk);
}

static void report(const char *what, enum regime regime, u64 pages, u64 cycles) {
    static char name[64];
    char *end = name;
    const char *parts[] = {"tlb.", regime_names[regime], ".", what, "."};
    for (int i = 0; i < 5; i++)
        for (const char *from = parts[i]; *from; from++) *end++ = *from;
    u64 power = 1;
    while (power * 10 <= pages) power *= 10;
    for (; power; power /= 10) *end++ = '0' + pages / power % 10;
    *end = 0;
    result(name, pages, cycles);
}

// `variant`: the regime, and 16 for the largest number of pages, which takes long.
void benchmarks(u64 variant) {
    static const u64 sizes[] = {8, 64, 256, 0}, large[] = {4096, 0};
    enum regime regime = variant & 15;
    enum mode mode = regime_mode(regime);
    translate(regime);
    for (int fetch = 0; fetch < 2; fetch++) {
        map_window(fetch ? (u64)hop_on & -PAGE : (u64)data, 4096);
        for (const u64 *pages = variant & 16 ? large : sizes; *pages; pages++) {
            u64 rounds = *pages > 256 ? 2 : 3, n = *pages;
            if (fetch) {
                u64 hits = take(mode, touch_code, (u64)hop_here, 0, n, rounds);
                report("fetch", regime, n, take(mode, touch_code, WINDOW, 0, n, rounds) - hits);
            } else {
                u64 hits = take(mode, touch_loads, WINDOW, 0, n, rounds);
                report("load", regime, n, take(mode, touch_loads, WINDOW, PAGE, n, rounds) - hits);
                hits = take(mode, touch_stores, WINDOW, 0, n, rounds);
                report("store", regime, n, take(mode, touch_stores, WINDOW, PAGE, n, rounds) - hits);
            }
        }
    }
}
