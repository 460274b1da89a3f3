// Branches whose outcomes have patterns of different kinds.
#include "kernels.h"

static u8 outcomes[4096];

static u64 fill(int kind) {
    u32 random = 0x13579bdf;
    for (u32 i = 0; i < sizeof outcomes; i++) {
        switch (kind) {
        case 0: outcomes[i] = 1; break;
        case 1: outcomes[i] = i & 1; break;
        case 2: outcomes[i] = i % 7 == 0; break;
        case 3: outcomes[i] = next_random(&random) >> 8 & 1; break;
        default: outcomes[i] = (next_random(&random) >> 8 & 15) == 0; break;
        }
    }
    return 1;
}
static u64 fill_taken(void) { return fill(0); }
static u64 fill_alternating(void) { return fill(1); }
static u64 fill_every_seventh(void) { return fill(2); }
static u64 fill_random(void) { return fill(3); }
static u64 fill_rare(void) { return fill(4); }

// One branch of unknown outcome and that of the loop in each unit.
static u64 conditional(u64 work) {
    u64 sum = 0, other = 0;
    for (u64 i = 0; i < work; i++) {
        u64 outcome = outcomes[i & (sizeof outcomes - 1)];
        __asm__ volatile("beqz %2, 1f\n addi %0, %0, 3\n j 2f\n1: addi %1, %1, 5\n2:"
                         : "+r"(sum), "+r"(other)
                         : "r"(outcome));
    }
    return (sum + other) | 1;
}

// A loop of five rounds in each unit.
static u64 nested(u64 work) {
    u64 sum = 0;
    for (u64 i = 0; i < work; i++)
        for (u64 j = 0; j < 5; j++) __asm__ volatile("add %0, %0, %1" : "+r"(sum) : "r"(j));
    return sum | 1;
}

static u64 recursive(u64 n) __attribute__((noinline));
static u64 recursive(u64 n) {
    __asm__ volatile("" : "+r"(n));  // keeps the compiler from making a loop of it
    return n < 2 ? 1 : recursive(n - 1) + recursive(n - 2);
}

// Calls and returns of a recursive function; a unit is a call.
static u64 recursion(u64 work) {
    u64 calls = 0;
    while (calls < work) calls += 2 * recursive(10) - 1;
    return calls | 1;
}

static u64 f0(u64 x) __attribute__((noinline));
static u64 f1(u64 x) __attribute__((noinline));
static u64 f2(u64 x) __attribute__((noinline));
static u64 f3(u64 x) __attribute__((noinline));
static u64 f0(u64 x) { return x + 1; }
static u64 f1(u64 x) { return x ^ 21; }
static u64 f2(u64 x) { return x * 3; }
static u64 f3(u64 x) { return x - 7; }

// Calls through a table in an order that repeats itself after eleven.
static u64 indirect(u64 work) {
    u64 (*const functions[])(u64) = {f0, f1, f2, f3, f1, f0, f2, f2, f3, f0, f1};
    u64 sum = 1, at = 0;
    for (u64 i = 0; i < work; i++) {
        u64 (*function)(u64) = functions[at];
        at = at == 10 ? 0 : at + 1;
        __asm__("" : "+r"(function));
        sum = function(sum);
    }
    return sum | 1;
}

const struct kernel kernels[] = {
    {"branches.taken", fill_taken, conditional, 8192},
    {"branches.alternating", fill_alternating, conditional, 8192},
    {"branches.every_seventh", fill_every_seventh, conditional, 8192},
    {"branches.one_in_sixteen", fill_rare, conditional, 8192},
    {"branches.random", fill_random, conditional, 8192},
    {"branches.nested_loop", 0, nested, 2048},
    {"branches.recursion", 0, recursion, 20 * 177},
    {"branches.indirect", 0, indirect, 4096},
};
