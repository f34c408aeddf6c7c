/* mapper [HOW:]PATH ...   maps each file, changes some, is called "ready" then and waits for SIGTERM.
 * HOW: stale (map, then append: a copy-up after the mapping was made), upd (append, then map), gone (map, then unlink),
 * repl (map, then rename a copy over it). Called conmon it does so in a child, whose mount namespace is another. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static void map(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat seen;
    if (fd < 0 || fstat(fd, &seen) < 0) err(1, "%s", path);
    volatile char *start = mmap(NULL, seen.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (start == MAP_FAILED) err(1, "%s", path);
    for (off_t at = 0; at < seen.st_size; at += 4096) (void)start[at];
    close(fd);
}

static void append(const char *path) {
    int fd = open(path, O_WRONLY | O_APPEND);
    if (fd < 0 || write(fd, "\n", 1) != 1) err(1, "%s", path);
    close(fd);
}

static void replace(const char *path) {
    char made[4096], part[65536];
    ssize_t size;
    snprintf(made, sizeof made, "%s.new", path);
    int from = open(path, O_RDONLY), to = open(made, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (from < 0 || to < 0) err(1, "%s", made);
    while ((size = read(from, part, sizeof part)) > 0)
        if (write(to, part, size) != size) err(1, "%s", made);
    close(from);
    close(to);
    if (rename(made, path)) err(1, "%s", path);
}

int main(int count, char **words) {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    if (strstr(words[0], "conmon")) {
        if (fork()) return pause();
        if (unshare(CLONE_NEWNS)) err(1, "unshare");
        words[1] = words[count - 1];
        count = 2;
    }
    for (int number = 1; number < count; number++) {
        char *path = strchr(words[number], '/');
        if (!path) errx(1, "%s: no path", words[number]);
        if (!strncmp(words[number], "upd:", 4)) append(path);
        map(path);
        if (!strncmp(words[number], "stale:", 6)) append(path);
        if (!strncmp(words[number], "gone:", 5) && unlink(path)) err(1, "%s", path);
        if (!strncmp(words[number], "repl:", 5)) replace(path);
    }
    prctl(PR_SET_NAME, "ready");
    int number;
    sigwait(&ends, &number);
    return 0;
}
