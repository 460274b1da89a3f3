// Integer kernels: what general programs do.
#include "kernels.h"

// ---- linked lists: sorting by merging, searching, reversing --------------------------------------------------------

struct node {
    struct node *next;
    u16 key, value;
};
#define NODES 200
static struct node nodes[NODES];

static struct node *merge_sort(struct node *list, int by_value) {
    for (u64 run = 1;; run *= 2) {
        struct node *rest = list, *tail = 0;
        u64 merges = 0;
        list = 0;
        while (rest) {
            struct node *left = rest, *right = rest;
            u64 left_size = 0, right_size = run;
            for (; left_size < run && right; left_size++) right = right->next;
            merges++;
            while (left_size || (right_size && right)) {
                struct node *take;
                int from_left = left_size && (!right_size || !right ||
                                              (by_value ? left->value <= right->value : left->key <= right->key));
                if (from_left) {
                    take = left, left = left->next, left_size--;
                } else {
                    take = right, right = right->next, right_size--;
                }
                if (tail) tail->next = take;
                else list = take;
                tail = take;
            }
            rest = right;
        }
        tail->next = 0;
        if (merges <= 1) return list;
    }
}

static u64 lists(u64 work) {
    u64 sum = 1;
    for (u64 round = 0; round < work; round++) {
        u32 random = 0x1234567 + round % 3;
        for (u64 i = 0; i < NODES; i++)
            nodes[i] = (struct node){i + 1 < NODES ? &nodes[i + 1] : 0, next_random(&random), next_random(&random)};
        struct node *list = merge_sort(&nodes[0], 0);
        for (u32 i = 0; i < 20; i++) {  // search, mostly in vain
            struct node *at = list;
            u16 wanted = next_random(&random);
            while (at && at->key < wanted) at = at->next;
            sum += at ? at->value : i;
        }
        struct node *reversed = 0;
        while (list) {
            struct node *next = list->next;
            list->next = reversed, reversed = list, list = next;
        }
        list = merge_sort(reversed, 1);
        sum = sum * 31 + list->key;
    }
    return sum | 1;
}

// ---- matrices of 16-bit numbers ------------------------------------------------------------------------------------

#define SIDE 20
static short left[SIDE][SIDE], right[SIDE][SIDE];
static int product[SIDE][SIDE];

static u64 matrices(u64 work) {
    u64 sum = 1;
    for (u64 round = 0; round < work; round++) {
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) left[i][j] = i * j + (int)round % 5, right[i][j] = i - 2 * j;
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) {
                int dot = 0;
                for (int k = 0; k < SIDE; k++) dot += left[i][k] * right[k][j];
                product[i][j] = dot;
            }
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) sum += (product[i][j] >> 3 & 0x7f) * (product[j][i] >> 2 & 0xf);
    }
    return sum | 1;
}

// ---- a state machine that reads numbers ----------------------------------------------------------------------------

static const char text[] = "12,-7,0x1f,3.25,+8,1e5,oops,.5,-0.125e-3,77777,0xZZ,9.,--4,6e+2,1234567890,abc,5,";

static u64 states(u64 work) {
    enum state { START, SIGN, INTEGER, FRACTION, EXPONENT, EXPONENT_SIGN, SCIENTIFIC, HEX, BAD, STATES };
    u64 counts[STATES] = {1};
    for (u64 round = 0; round < work; round++) {
        enum state state = START;
        for (const char *at = text; *at; at++) {
            char c = *at;
            int digit = c >= '0' && c <= '9';
            if (c == ',') {
                counts[state]++;
                state = START;
                continue;
            }
            switch (state) {
            case START: state = digit ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? FRACTION : BAD; break;
            case SIGN: state = digit ? INTEGER : c == '.' ? FRACTION : BAD; break;
            case INTEGER: state = digit ? INTEGER : c == '.' ? FRACTION : c == 'e' ? EXPONENT : c == 'x' ? HEX : BAD; break;
            case FRACTION: state = digit ? FRACTION : c == 'e' ? EXPONENT : BAD; break;
            case EXPONENT: state = digit ? SCIENTIFIC : c == '+' || c == '-' ? EXPONENT_SIGN : BAD; break;
            case EXPONENT_SIGN:
            case SCIENTIFIC: state = digit ? SCIENTIFIC : BAD; break;
            case HEX: state = digit || (c >= 'a' && c <= 'f') ? HEX : BAD; break;
            default: break;
            }
        }
    }
    u64 sum = 0;
    for (int i = 0; i < STATES; i++) sum = sum * 37 + counts[i];
    return sum | 1;
}

// ---- CRC, bit by bit -----------------------------------------------------------------------------------------------

static u64 crc(u64 work) {
    u32 sum = 0xffff;
    for (u64 i = 0; i < work; i++) {
        u32 byte = i * 7 & 0xff;
        for (int bit = 0; bit < 8; bit++) {
            u32 carry = (sum ^ byte) & 1;
            sum >>= 1, byte >>= 1;
            if (carry) sum ^= 0xa001;
        }
    }
    return sum | 1;
}

static u64 mix(u64 work) {
    u64 sum = 1;
    for (u64 i = 0; i < work; i++) sum = sum * 33 + lists(1) + matrices(2) + states(8) + crc(256);
    return sum | 1;
}

// ---- records, strings and calls, in Dhrystone's proportions --------------------------------------------------------

enum kind { FIRST, SECOND, THIRD };
struct record {
    struct record *other;
    enum kind kind, shade;
    int number;
    char name[32];
};
static struct record records[2];
static int table[64], grid[16][16];

#define NOINLINE __attribute__((noinline))

static NOINLINE int compare(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a - *b;
}

static NOINLINE void copy(char *to, const char *from) {
    while ((*to++ = *from++)) {
    }
}

static NOINLINE enum kind following(enum kind kind) {
    switch (kind) {
    case FIRST: return THIRD;
    case SECOND: return records[0].number > 100 ? FIRST : THIRD;
    default: return SECOND;
    }
}

static NOINLINE void add(int a, int b, int *to) { *to = a + b + 2; }

static NOINLINE void update(struct record *record) {
    struct record *next = record->other;
    *next = *record;
    next->number = 5;
    next->kind = following(record->shade);
    add(next->number, 10, &next->number);
    next->other = record;
}

static NOINLINE void index_tables(int at, int value) {
    table[at] = value, table[at + 1] = table[at], table[at + 30] = at;
    for (int i = at; i <= at + 1; i++) grid[at & 7][i & 15] = at;
    grid[(at & 7) + 4][at & 15] = table[at];
}

static u64 calls(u64 work) {
    u64 sum = 1;
    records[0].other = &records[1];
    copy(records[0].name, "a record, and what it is called");
    for (u64 i = 0; i < work; i++) {
        char name[32];
        int a = 2, b = 3, c = 0;
        copy(name, "a record, and what it is named.");
        records[0].shade = compare(records[0].name, name) > 0 ? SECOND : FIRST;
        while (a < b) {
            c = 5 * a - b;
            add(a, b, &c);
            a++;
        }
        index_tables(a, c);
        update(&records[0]);
        b = b * a;
        a = b / c;
        b = 7 * (b - c) - a;
        sum += b + records[1].number + records[1].kind;
    }
    return sum | 1;
}

const struct kernel kernels[] = {
    {"integer.list", 0, lists, 2},       {"integer.matrix", 0, matrices, 4}, {"integer.state", 0, states, 60},
    {"integer.crc", 0, crc, 2000},       {"integer.mix", 0, mix, 1},         {"integer.calls", 0, calls, 300},
};
