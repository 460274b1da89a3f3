// Memory bandwidth: copying and the loops of STREAM, in the cache and beyond it; and latency, by chasing pointers.
#include "kernels.h"

#define LARGE (256 << 10)
static u64 a[LARGE / 8] __attribute__((aligned(4096))), b[LARGE / 8] __attribute__((aligned(4096))),
    c[LARGE / 8] __attribute__((aligned(4096)));

static void copy(u64 *to, const u64 *from, u64 bytes) {
    for (u64 i = 0; i < bytes / 8; i += 4) {
        u64 w0 = from[i], w1 = from[i + 1], w2 = from[i + 2], w3 = from[i + 3];
        to[i] = w0, to[i + 1] = w1, to[i + 2] = w2, to[i + 3] = w3;
    }
}

static u64 fill(void) {
    for (u64 i = 0; i < LARGE / 8; i++) a[i] = i, b[i] = 2 * i, c[i] = 0;
    return 1;
}

static u64 copy_small(u64 work) {
    for (u64 done = 0; done < work; done += 4096) {
        copy(c, a, 4096);
        __asm__ volatile("" : : : "memory");
    }
    return c[100] | 1;
}

static u64 copy_large(u64 work) {
    copy(c, a, work);
    return c[100] | 1;
}

static u64 scale(u64 work) {
    for (u64 i = 0; i < work / 16; i++) b[i] = 3 * c[i];
    return b[100] | 1;
}

static u64 sum(u64 work) {
    for (u64 i = 0; i < work / 24; i++) c[i] = a[i] + b[i];
    return c[100] | 1;
}

static u64 triad(u64 work) {
    for (u64 i = 0; i < work / 24; i++) c[i] = a[i] + 3 * b[i];
    return c[100] | 1;
}

static u64 read(u64 work) {
    u64 total = 0;
    for (u64 i = 0; i < work / 8; i += 4) total += a[i] + a[i + 1] + a[i + 2] + a[i + 3];
    return total | 1;
}

// ---- pointers, one in each line, in an order without pattern -------------------------------------------------------

#define CHASED (1 << 20)
struct line {
    struct line *next;
    u64 rest[7];
};
static struct line lines[CHASED / 64] __attribute__((aligned(4096)));

static void shuffle(u64 bytes) {
    u32 random = 0x2468ace1, count = bytes / 64;
    for (u32 i = 0; i < count; i++) lines[i].rest[0] = i;
    for (u32 i = count - 1; i > 0; i--) {
        u32 j = next_random(&random) % (i + 1);
        u64 other = lines[i].rest[0];
        lines[i].rest[0] = lines[j].rest[0], lines[j].rest[0] = other;
    }
    for (u32 i = 0; i < count; i++) lines[lines[i].rest[0]].next = &lines[lines[(i + 1) % count].rest[0]];
}

static u64 shuffle_4k(void) { return shuffle(4 << 10), 1; }
static u64 shuffle_64k(void) { return shuffle(64 << 10), 1; }
static u64 shuffle_1m(void) { return shuffle(1 << 20), 1; }

// One pointer in each page, as many pages as the second-level TLB has not room for.
static struct line pages[2048][64] __attribute__((aligned(4096)));

static u64 shuffle_pages(void) {
    shuffle(2048 * 64);
    for (u32 i = 0; i < 2048; i++) {
        u32 to = lines[i].next - lines;
        pages[i][i % 61].next = &pages[to][to % 61];
    }
    return 1;
}

static u64 chase_from(const struct line *at, u64 work) {
    for (u64 i = 0; i < work; i += 8) {
        at = at->next, at = at->next, at = at->next, at = at->next;
        at = at->next, at = at->next, at = at->next, at = at->next;
    }
    __asm__ volatile("" : : "r"(at));
    return 1;
}

static u64 chase(u64 work) { return chase_from(lines, work); }
static u64 chase_pages(u64 work) { return chase_from(pages[0], work); }

const struct kernel kernels[] = {
    {"bandwidth.copy.4k", fill, copy_small, 64 << 10},   {"bandwidth.copy.256k", fill, copy_large, LARGE},
    {"bandwidth.read.256k", fill, read, LARGE},          {"bandwidth.scale", fill, scale, 256 << 10},
    {"bandwidth.sum", fill, sum, 384 << 10},             {"bandwidth.triad", fill, triad, 384 << 10},
    {"bandwidth.chase.4k", shuffle_4k, chase, 4096},     {"bandwidth.chase.64k", shuffle_64k, chase, 4096},
    {"bandwidth.chase.1m", shuffle_1m, chase, 16384}, {"bandwidth.chase.pages", shuffle_pages, chase_pages, 2048},
};
