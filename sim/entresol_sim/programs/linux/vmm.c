// A small virtual machine monitor for KVM on RISC-V, made to be read.
//
//   vmm [-m MIB] [-d DTB] [-i INITRD] IMAGE
//
// It makes one virtual machine with one vCPU, puts IMAGE at the start of its memory (a Linux Image, or any flat
// program: the entry is its first byte), starts it with a0 = hart ID and a1 = the device tree, and serves its exits:
// SBI console calls, MMIO to a one-register console, shutdown.  At the end it prints KVM's own statistics.

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GUEST_BASE 0x80000000ul // where guest physical memory starts
#define DTB_OFFSET 0x00e00000ul // device tree and initrd, from there: above what a small kernel occupies
#define INITRD_OFFSET 0x00e10000ul
#define CONSOLE_BASE 0x10000000ul // a byte written here is printed: the bare guest's console

// SBI extensions that KVM leaves to user space
#define SBI_PUTCHAR 0x01
#define SBI_GETCHAR 0x02
#define SBI_DBCN 0x4442434e
#define SBI_ERR_NOT_SUPPORTED (-2)

static uint8_t *memory;
static size_t memory_size = 24ul << 20;

static void die(const char *what) {
    fprintf(stderr, "vmm: %s: %s\n", what, strerror(errno));
    exit(1);
}

// Puts a file at `offset`, a multiple of the page size, in guest memory.  Mapped, not read: pages are copied only when
// the guest writes to them.
static void load(const char *path, size_t offset) {
    int fd = open(path, O_RDONLY);
    struct stat stat;
    if (fd < 0 || fstat(fd, &stat) < 0)
        die(path);
    if (offset + stat.st_size > memory_size) {
        fprintf(stderr, "vmm: %s does not fit into the guest's %zu MiB: use -m\n", path, memory_size >> 20);
        exit(1);
    }
    void *at = memory + offset;
    if (mmap(at, stat.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) != at)
        die(path);
    close(fd);
}

static void set_register(int vcpu, uint64_t offset, uint64_t value) {
    struct kvm_one_reg reg = {
        .id = KVM_REG_RISCV | KVM_REG_SIZE_U64 | KVM_REG_RISCV_CORE | offset / sizeof(unsigned long),
        .addr = (uint64_t)&value,
    };
    if (ioctl(vcpu, KVM_SET_ONE_REG, &reg) < 0)
        die("KVM_SET_ONE_REG");
}

#define CORE(field) __builtin_offsetof(struct kvm_riscv_core, field)

// Prints the extensions that KVM lets the guest use: those of the host that it knows, but H.
static void print_extensions(int vcpu) {
#define EXTENSION(name) {KVM_RISCV_ISA_EXT_##name, #name}
    static const struct {
        uint64_t id;
        const char *name;
    } extensions[] = {
        EXTENSION(I), EXTENSION(M), EXTENSION(A), EXTENSION(F), EXTENSION(D), EXTENSION(C), EXTENSION(V), EXTENSION(H),
        EXTENSION(ZICBOM), EXTENSION(ZICBOZ), EXTENSION(ZICNTR), EXTENSION(ZICOND), EXTENSION(ZICSR),
        EXTENSION(ZIFENCEI), EXTENSION(ZIHINTNTL), EXTENSION(ZIHINTPAUSE), EXTENSION(ZIHPM), EXTENSION(ZIMOP),
        EXTENSION(ZAWRS), EXTENSION(ZCA), EXTENSION(ZCB), EXTENSION(ZCMOP), EXTENSION(ZBA), EXTENSION(ZBB),
        EXTENSION(ZBC), EXTENSION(ZBS), EXTENSION(ZKT), EXTENSION(SMSTATEEN), EXTENSION(SSAIA), EXTENSION(SSCOFPMF),
        EXTENSION(SSTC), EXTENSION(SVADE), EXTENSION(SVADU), EXTENSION(SVINVAL), EXTENSION(SVNAPOT), EXTENSION(SVPBMT),
    };
    printf("vmm: the vCPU has");
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        unsigned long enabled = 0;
        struct kvm_one_reg reg = {
            .id = KVM_REG_RISCV | KVM_REG_SIZE_U64 | KVM_REG_RISCV_ISA_EXT | extensions[i].id,
            .addr = (uint64_t)&enabled,
        };
        if (ioctl(vcpu, KVM_GET_ONE_REG, &reg) == 0 && enabled)
            printf(" %s", extensions[i].name);
    }
    printf("\n");
}

static int console_read(void) {
    struct pollfd in = {.fd = 0, .events = POLLIN};
    unsigned char c;
    if (poll(&in, 1, 0) == 1 && read(0, &c, 1) == 1)
        return c;
    return -1;
}

// An SBI call that KVM does not answer itself.
static void serve_sbi(struct kvm_run *run) {
    unsigned long *arg = run->riscv_sbi.args, *ret = run->riscv_sbi.ret;
    ret[0] = ret[1] = 0;
    switch (run->riscv_sbi.extension_id) {
    case SBI_PUTCHAR:
        putchar(arg[0]);
        break;
    case SBI_GETCHAR:
        ret[0] = console_read();
        break;
    case SBI_DBCN: {
        unsigned long size = arg[0], at = arg[1] - GUEST_BASE;
        int inside = at < memory_size && size <= memory_size - at;
        if (run->riscv_sbi.function_id == 2) {
            putchar(arg[0]);
        } else if (run->riscv_sbi.function_id == 0 && inside) {
            ret[1] = fwrite(memory + at, 1, size, stdout);
        } else if (run->riscv_sbi.function_id == 1 && inside) {
            int c;
            while (ret[1] < size && (c = console_read()) >= 0)
                memory[at + ret[1]++] = c;
        } else {
            ret[0] = -3; // SBI_ERR_INVALID_PARAM
        }
        break;
    }
    default:
        ret[0] = SBI_ERR_NOT_SUPPORTED;
    }
    fflush(stdout);
}

static int serve_mmio(struct kvm_run *run) {
    if (run->mmio.phys_addr != CONSOLE_BASE) {
        printf("vmm: guest %s of %u bytes at %#llx, where nothing is\n", run->mmio.is_write ? "write" : "read",
               run->mmio.len, (unsigned long long)run->mmio.phys_addr);
        return -1;
    }
    if (run->mmio.is_write)
        putchar(run->mmio.data[0]);
    else
        memset(run->mmio.data, 0, run->mmio.len);
    fflush(stdout);
    return 0;
}

// Prints the counters that are not zero of a KVM statistics file descriptor.
static void print_statistics(int fd) {
    struct kvm_stats_header header;
    if (fd < 0 || pread(fd, &header, sizeof header, 0) != sizeof header)
        return;
    size_t size = sizeof(struct kvm_stats_desc) + header.name_size;
    struct kvm_stats_desc *desc = malloc(size);
    for (unsigned i = 0; desc && i < header.num_desc; i++) {
        uint64_t value;
        if (pread(fd, desc, size, header.desc_offset + i * size) != (ssize_t)size)
            break;
        if (desc->size != 1 || pread(fd, &value, sizeof value, header.data_offset + desc->offset) != sizeof value)
            continue; // histograms are of no use here
        if (value)
            printf("vmm: stat %s %llu\n", desc->name, (unsigned long long)value);
    }
    free(desc);
}

int main(int argc, char **argv) {
    const char *dtb = NULL, *initrd = NULL;
    for (int option; (option = getopt(argc, argv, "m:d:i:")) != -1;) {
        if (option == 'm')
            memory_size = strtoul(optarg, NULL, 0) << 20;
        else if (option == 'd')
            dtb = optarg;
        else if (option == 'i')
            initrd = optarg;
        else
            return 2;
    }
    if (optind + 1 != argc) {
        fprintf(stderr, "usage: vmm [-m MIB] [-d DTB] [-i INITRD] IMAGE\n");
        return 2;
    }

    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0)
        die("/dev/kvm");
    printf("vmm: /dev/kvm opened, API version %d\n", ioctl(kvm, KVM_GET_API_VERSION, 0));
    int vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0)
        die("KVM_CREATE_VM");

    memory = mmap(NULL, memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("guest memory");
    struct kvm_userspace_memory_region region = {
        .slot = 0,
        .guest_phys_addr = GUEST_BASE,
        .memory_size = memory_size,
        .userspace_addr = (uint64_t)memory,
    };
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
        die("KVM_SET_USER_MEMORY_REGION");

    load(argv[optind], 0);
    if (dtb)
        load(dtb, DTB_OFFSET);
    if (initrd)
        load(initrd, INITRD_OFFSET);

    int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    if (vcpu < 0)
        die("KVM_CREATE_VCPU");
    print_extensions(vcpu);
    size_t run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    struct kvm_run *run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED)
        die("vCPU state");
    set_register(vcpu, CORE(regs.pc), GUEST_BASE);
    set_register(vcpu, CORE(regs.a0), 0);
    set_register(vcpu, CORE(regs.a1), dtb ? GUEST_BASE + DTB_OFFSET : 0);
    printf("vmm: vCPU starts at %#lx\n", GUEST_BASE);
    fflush(stdout);

    int status = 0;
    for (int running = 1; running;) {
        if (ioctl(vcpu, KVM_RUN, 0) < 0) {
            if (errno == EINTR)
                continue;
            die("KVM_RUN");
        }
        switch (run->exit_reason) {
        case KVM_EXIT_RISCV_SBI:
            serve_sbi(run);
            break;
        case KVM_EXIT_MMIO:
            if (serve_mmio(run) < 0)
                status = 1, running = 0;
            break;
        case KVM_EXIT_SYSTEM_EVENT:
            status = run->system_event.type != KVM_SYSTEM_EVENT_SHUTDOWN;
            printf("vmm: guest asked for %s\n", status ? "reset" : "power-off");
            running = 0;
            break;
        default:
            printf("vmm: unexpected exit, reason %u\n", run->exit_reason);
            status = 1, running = 0;
        }
    }
    print_statistics(ioctl(vcpu, KVM_GET_STATS_FD, 0));
    return status;
}
