/* A process in an exact state. Commands on stdin, one a line, fields parted by blanks, paths in
 * hexadecimal; one line answers each: "ok VALUE" or "err ERRNO".
 *
 *     map MODE PATH PAGE PAGES   MODE: s shared and read, p private and read, d private and dirtied,
 *                                n shared and not touched, w shared and writable
 *     fdmap MODE FD              the same for a descriptor that was passed in (one page)
 *     unmap ADDRESS PAGES
 *     open FLAGS PATH            a descriptor stays open; FLAGS are those of open(2), in decimal
 *     read FD PAGE               what pread(2) gives of a page: the address where it is kept until the next read
 *     bind FROM TO   detach PATH   overlay TO OPTIONS   newns   chroot PATH   chdir PATH   pivot PATH
 *     thread                     a second thread appears and the leader exits
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096 };

static char *unhex(char *text) {
    size_t length = strlen(text) / 2;
    for (size_t i = 0; i < length; i++) {
        char pair[3] = { text[2 * i], text[2 * i + 1], 0 };
        text[i] = (char)strtol(pair, NULL, 16);
    }
    text[length] = 0;
    return text;
}

static char *room(long pages) {
    /* Guard pages on both sides: neighbours of one file would become one VMA. */
    char *with = mmap(NULL, (size_t)((pages + 2) * PAGE), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return with + PAGE;
}

static long mapped(char *where, char mode, int fd, long page, long pages) {
    int writable = mode == 'w' || mode == 'd';
    int share = mode == 'p' || mode == 'd' ? MAP_PRIVATE : MAP_SHARED;
    volatile char *at = mmap(where, (size_t)(pages * PAGE), PROT_READ | (writable ? PROT_WRITE : 0),
                             share | MAP_FIXED, fd, page * PAGE);
    int error = errno;
    close(fd);
    errno = error;
    if (at == MAP_FAILED)
        return -1;
    madvise((void *)at, (size_t)(pages * PAGE), MADV_RANDOM);
    if (mode != 'n')
        for (long i = 0; i < pages; i++) {
            char byte = at[i * PAGE];
            if (mode == 'd')
                at[i * PAGE] = byte;
        }
    return (long)at;
}

static long pivot(const char *path) {
    if (chdir(path) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH))
        return -1;
    return chdir("/");
}

static long serve(char *line) {
    char *part[6] = { 0 }, *at = line;
    for (int i = 0; i < 6 && (part[i] = strsep(&at, " ")); i++)
        continue;
    char *name = part[0];
    if (!strcmp(name, "map")) {
        int fd = open(unhex(part[2]), *part[1] == 'w' ? O_RDWR : O_RDONLY);
        char *where = part[5] ? (char *)strtoul(part[5], NULL, 16) : room(atol(part[4]));
        return fd < 0 ? -1 : mapped(where, *part[1], fd, atol(part[3]), atol(part[4]));
    }
    if (!strcmp(name, "fdmap"))
        return mapped(room(1), *part[1], atoi(part[2]), 0, 1);
    if (!strcmp(name, "unmap"))
        return munmap((void *)strtoul(part[1], NULL, 16), (size_t)(atol(part[2]) * PAGE));
    if (!strcmp(name, "open"))
        return open(unhex(part[2]), atoi(part[1]), 0600);
    if (!strcmp(name, "read")) {
        static char page[PAGE];
        memset(page, 0, PAGE);
        return pread(atoi(part[1]), page, PAGE, atol(part[2]) * PAGE) < 0 ? -1 : (long)page;
    }
    if (!strcmp(name, "bind"))
        return mount(unhex(part[1]), unhex(part[2]), NULL, MS_BIND, NULL);
    if (!strcmp(name, "detach"))
        return umount2(unhex(part[1]), MNT_DETACH);
    if (!strcmp(name, "overlay"))
        return mount("overlay", unhex(part[1]), "overlay", 0, unhex(part[2]));
    if (!strcmp(name, "newns"))
        return unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
    if (!strcmp(name, "chroot"))
        return chroot(unhex(part[1])) || chdir("/");
    if (!strcmp(name, "chdir"))
        return chdir(unhex(part[1]));
    if (!strcmp(name, "pivot"))
        return pivot(unhex(part[1]));
    errno = EINVAL;
    return -1;
}

static void *loop(void *unused) {
    static char line[1 << 16];
    (void)unused;
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (!strcmp(line, "thread")) {
            pthread_t other;
            printf("ok 0\n");
            fflush(stdout);
            pthread_create(&other, NULL, loop, NULL);
            pthread_exit(NULL);
        }
        long value = serve(line);
        if (value == -1)
            printf("err %d\n", errno);
        else
            printf("ok %lx\n", value);
        fflush(stdout);
    }
    exit(0);
}

int main(void) {
    loop(NULL);
    return 0;
}
