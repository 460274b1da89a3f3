// The first process of the host and of the guest, chosen by its kernel's command line: `entresol=none|bare|linux|shell`
// on the host, `entresol=guest` in the guest.  Every milestone is one line that starts with "init: ".

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static void power_off(void) {
    printf("init: power-off\n");
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}

// Runs a program and returns its exit status.
static int run(char *const argv[]) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execv(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    int status = 127;
    if (child < 0)
        perror("fork");
    else
        waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int bare(void) {
    return run((char *[]){"/vmm", "-m", "2", "/bare.bin", NULL});
}

static int guest(void) {
    return run((char *[]){"/vmm", "-m", "24", "-d", "/guest.dtb", "-i", "/guest.cpio", "/Image", NULL});
}

static void show_file(const char *path) {
    char buffer[512];
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        return;
    }
    for (size_t got; (got = fread(buffer, 1, sizeof buffer, file)) > 0;)
        fwrite(buffer, 1, got, stdout);
    fclose(file);
}

static void list(const char *path) {
    DIR *directory = opendir(path);
    if (!directory) {
        perror(path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_name[0] != '.')
            printf("%s%s\n", entry->d_name, entry->d_type == DT_DIR ? "/" : "");
    closedir(directory);
}

// Enough of a shell to look around and to start guests by hand.
static void shell(void) {
    char line[256];
    printf("Commands: ls [DIR], cat FILE, bare, linux, /PROGRAM [ARGUMENT...], exit.\n");
    for (;;) {
        printf("# ");
        fflush(stdout);
        if (!fgets(line, sizeof line, stdin))
            return;
        char *argv[16] = {NULL}, *word = strtok(line, " \t\r\n");
        for (int n = 0; word && n < 15; word = strtok(NULL, " \t\r\n"))
            argv[n++] = word;
        if (!argv[0])
            continue;
        if (!strcmp(argv[0], "exit"))
            return;
        if (!strcmp(argv[0], "ls"))
            list(argv[1] ? argv[1] : "/");
        else if (!strcmp(argv[0], "cat") && argv[1])
            show_file(argv[1]);
        else if (!strcmp(argv[0], "bare"))
            bare();
        else if (!strcmp(argv[0], "linux"))
            guest();
        else if (argv[0][0] == '/')
            printf("exit status %d\n", run(argv));
        else
            printf("unknown command; programs are named by their path\n");
    }
}

int main(void) {
    mkdir("/dev", 0755);
    mknod("/dev/console", S_IFCHR | 0600, makedev(5, 1));
    mknod("/dev/kvm", S_IFCHR | 0600, makedev(10, 232));
    if (open("/dev/console", O_RDWR) == 0) {
        dup(0);
        dup(0);
    }
    mkdir("/proc", 0755);
    mount("proc", "/proc", "proc", 0, NULL);

    char command_line[512] = "", *what = NULL;
    int fd = open("/proc/cmdline", O_RDONLY);
    if (fd >= 0) {
        ssize_t got = read(fd, command_line, sizeof command_line - 1);
        command_line[got > 0 ? got : 0] = 0;
        close(fd);
        what = strstr(command_line, "entresol=");
    }
    what = what ? strtok(what + strlen("entresol="), " \n") : "shell";

    struct utsname name;
    uname(&name);
    int in_guest = !strcmp(what, "guest");
    printf("init: %s user space, Linux %s\n", in_guest ? "guest" : "host", name.release);

    if (!strcmp(what, "bare"))
        printf("init: vmm ended with status %d\n", bare());
    else if (!strcmp(what, "linux"))
        printf("init: vmm ended with status %d\n", guest());
    else if (!in_guest && strcmp(what, "none"))
        shell();
    power_off();
}
