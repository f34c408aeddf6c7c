/* Maps files as a dynamic linker does, four mappings each, says "ready", and waits for the end of stdin. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

static int map(int fd, int page, int protection) {
    volatile char *at = mmap(NULL, PAGE, protection, MAP_PRIVATE, fd, (off_t)page * PAGE);
    if (at == MAP_FAILED)
        return 1;
    if (protection & PROT_WRITE)
        *at = 1;
    return at[0] < 0;
}

int main(int count, char **path) {
    for (int i = 1; i < count; i++) {
        int fd = open(path[i], O_RDONLY);
        if (fd < 0 || map(fd, 0, PROT_READ) || map(fd, 1, PROT_READ | PROT_EXEC) || map(fd, 2, PROT_READ)
            || map(fd, 3, PROT_READ | PROT_WRITE))
            return 1;
        close(fd);
    }
    puts("ready");
    fflush(stdout);
    return (int)getchar() == 'x';
}
