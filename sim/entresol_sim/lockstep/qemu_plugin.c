// A plugin for QEMU's TCG that writes a line for each store to QEMU's log: virtual and physical address, log2 of the
// size, and the value, which it reads back from the file behind guest memory.  Before the first instruction it takes
// the device tree out that QEMU leaves in guest memory.
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// What is used of QEMU's interface for plugins, whose header is seldom installed.
#define EXPORT __attribute__((visibility("default")))
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
EXPORT int qemu_plugin_version = PLUGIN_VERSION;
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t, void (*)(uint64_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, void (*)(unsigned, uint32_t, uint64_t, void *), int,
                                      int, void *);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t, uint64_t);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *);
unsigned qemu_plugin_mem_size_shift(uint32_t);
bool qemu_plugin_mem_is_store(uint32_t);
void qemu_plugin_outs(const char *);

enum { NO_REGISTERS = 0, WRITES = 2 };

static uint8_t *ram;
static uint64_t base, size;

static void on_store(unsigned vcpu, uint32_t info, uint64_t address, void *data) {
    if (!qemu_plugin_mem_is_store(info)) return; // QEMU 7.2 calls for loads, too
    struct qemu_plugin_hwaddr *where = qemu_plugin_get_hwaddr(info, address);
    const uint64_t physical = where ? qemu_plugin_hwaddr_phys_addr(where) : 0;
    const unsigned shift = qemu_plugin_mem_size_shift(info), bytes = 1u << shift;
    uint64_t value = 0;
    char line[96];
    // the parts of an access that crosses a page may lie far apart
    const bool known = physical - base < size && bytes <= size - (physical - base) && (address & 4095) + bytes <= 4096;
    if (known) memcpy(&value, ram + (physical - base), bytes);
    snprintf(line, sizeof line, "M %" PRIx64 " %" PRIx64 " %u %c%" PRIx64 "\n", address, physical, shift,
             known ? '=' : '?', value);
    qemu_plugin_outs(line);
}

// QEMU's own is told from a program's by the machine's name; it begins at a multiple of 2 MiB.
static void remove_device_tree(void) {
    static const uint8_t magic[] = {0xd0, 0x0d, 0xfe, 0xed};
    for (uint64_t at = 0; at < size; at += 2 << 20) {
        const uint8_t *tree = ram + at;
        if (memcmp(tree, magic, sizeof magic)) continue;
        const uint64_t bytes = (uint64_t)tree[4] << 24 | tree[5] << 16 | tree[6] << 8 | tree[7];
        if (bytes <= size - at && memmem(tree, bytes, "riscv-virtio,qemu", 17)) memset(ram + at, 0, bytes);
    }
}

static void on_translation(uint64_t id, struct qemu_plugin_tb *block) {
    static bool started;
    if (!started) remove_device_tree();
    started = true;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++)
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(block, i), on_store, NO_REGISTERS, WRITES, NULL);
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int count, char **arguments) {
    const char *path = "";
    for (int i = 0; i < count; i++) {
        if (!strncmp(arguments[i], "ram=", 4)) path = arguments[i] + 4;
        if (!strncmp(arguments[i], "base=", 5)) base = strtoull(arguments[i] + 5, NULL, 0);
        if (!strncmp(arguments[i], "size=", 5)) size = strtoull(arguments[i] + 5, NULL, 0);
    }
    const int file = open(path, O_RDWR);
    ram = file < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (ram == MAP_FAILED) return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    return 0;
}
