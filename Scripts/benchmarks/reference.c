// What the ingest of pacsfs is measured against: a program that does no more than it must.
//
//   reference mirror WRITERS A B SOURCE    every file below SOURCE, hashed once, to both
//                                          A and B as ab/cd/<sha256>.dcm: fdatasync of the
//                                          file, fsync of its folder, a line appended to a
//                                          log on each and fdatasync of that, then the next
//   reference copy WRITERS DEST SOURCE     what cp does: create, write, close; 0-N in DEST
//   reference open COUNT DIR               opens, reads a byte of and closes files below DIR
//                                          until there were COUNT
//
// Prints the seconds it took, with three digits. WRITERS threads share the files.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char **paths;
static size_t path_count, path_room;
static atomic_size_t next_path;
static const char *targets[2];
static int logs[2];
static pthread_mutex_t log_locks[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};

static void fail(const char *what) {
    fprintf(stderr, "reference: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int note(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status, (void)walk;
    if (type != FTW_F) return 0;
    if (path_count == path_room) {
        path_room = path_room ? 2 * path_room : 1024;
        if (!(paths = realloc(paths, path_room * sizeof *paths))) fail("memory");
    }
    if (!(paths[path_count++] = strdup(path))) fail("memory");
    return 0;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// The bytes of a file, in a buffer that is used again.
static size_t slurp(const char *path, char **buffer, size_t *room) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status)) fail(path);
    size_t size = (size_t)status.st_size, done = 0;
    if (size > *room && !(*buffer = realloc(*buffer, *room = size))) fail("memory");
    while (done < size) {
        ssize_t count = read(file, *buffer + done, size - done);
        if (count <= 0) fail(path);
        done += (size_t)count;
    }
    close(file);
    return size;
}

static int put(const char *path, const char *buffer, size_t size) {
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (file < 0) fail(path);
    for (size_t done = 0; done < size;) {
        // As cp does: at most 128 KiB at once.
        size_t portion = size - done < 131072 ? size - done : 131072;
        ssize_t count = write(file, buffer + done, portion);
        if (count <= 0) fail(path);
        done += (size_t)count;
    }
    return file;
}

static void *mirror(void *unused) {
    (void)unused;
    char *buffer = NULL;
    size_t room = 0, index;
    while ((index = atomic_fetch_add(&next_path, 1)) < path_count) {
        size_t size = slurp(paths[index], &buffer, &room);
        unsigned char digest[32];
        char hex[65], folder[4096], name[4200], line[256];
        if (!EVP_Digest(buffer, size, digest, NULL, EVP_sha256(), NULL)) fail("SHA-256");
        for (int i = 0; i < 32; i++) sprintf(hex + 2 * i, "%02x", digest[i]);
        for (int side = 0; side < 2; side++) {
            snprintf(folder, sizeof folder, "%s/%.2s", targets[side], hex);
            if (mkdir(folder, 0755) && errno != EEXIST) fail(folder);
            snprintf(folder, sizeof folder, "%s/%.2s/%.2s", targets[side], hex, hex + 2);
            if (mkdir(folder, 0755) && errno != EEXIST) fail(folder);
            snprintf(name, sizeof name, "%s/%s.dcm", folder, hex);
            int file = put(name, buffer, size);
            if (fdatasync(file) || close(file)) fail(name);
            int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (directory < 0 || fsync(directory)) fail(folder);
            close(directory);
        }
        int length = snprintf(line, sizeof line, "{\"sha256\":\"%s\",\"bytes\":%zu}\n", hex, size);
        for (int side = 0; side < 2; side++) {
            pthread_mutex_lock(&log_locks[side]);
            if (write(logs[side], line, (size_t)length) != length || fdatasync(logs[side])) fail("log");
            pthread_mutex_unlock(&log_locks[side]);
        }
    }
    free(buffer);
    return NULL;
}

static void *copy(void *unused) {
    (void)unused;
    char *buffer = NULL;
    size_t room = 0, index;
    while ((index = atomic_fetch_add(&next_path, 1)) < path_count) {
        size_t size = slurp(paths[index], &buffer, &room);
        char name[4096];
        snprintf(name, sizeof name, "%s/%zu.dcm", targets[0], index);
        int file = put(name, buffer, size);
        if (close(file)) fail(name);
    }
    free(buffer);
    return NULL;
}

static void run(long writers, void *(*body)(void *)) {
    pthread_t threads[64];
    if (writers < 1 || writers > 64) { errno = EINVAL; fail("WRITERS"); }
    for (long i = 0; i < writers; i++)
        if ((errno = pthread_create(&threads[i], NULL, body, NULL))) fail("thread");
    for (long i = 0; i < writers; i++) pthread_join(threads[i], NULL);
}

static void collect(const char *source) {
    if (nftw(source, note, 64, FTW_PHYS)) fail(source);
    if (!path_count) { errno = ENOENT; fail(source); }
}

static void open_many(long count) {
    char byte;
    for (long done = 0; done < count; done++) {
        int file = open(paths[(size_t)done % path_count], O_RDONLY | O_CLOEXEC);
        if (file < 0 || read(file, &byte, 1) < 0) fail(paths[(size_t)done % path_count]);
        close(file);
    }
}

int main(int count, char **words) {
    const char *mode = count > 1 ? words[1] : "";
    double start;
    if (!strcmp(mode, "mirror") && count == 6) {
        collect(words[5]);
        for (int side = 0; side < 2; side++) {
            char name[4096];
            targets[side] = words[3 + side];
            snprintf(name, sizeof name, "%s/log", targets[side]);
            logs[side] = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
            if (logs[side] < 0) fail(name);
        }
        start = now();
        run(atol(words[2]), mirror);
    } else if (!strcmp(mode, "copy") && count == 5) {
        collect(words[4]);
        targets[0] = words[3];
        start = now();
        run(atol(words[2]), copy);
    } else if (!strcmp(mode, "open") && count == 4) {
        collect(words[3]);
        start = now();
        open_many(atol(words[2]));
    } else {
        fprintf(stderr, "usage: reference mirror WRITERS A B SOURCE | copy WRITERS DEST SOURCE"
                        " | open COUNT DIR\n");
        return 64;
    }
    printf("%.3f\n", now() - start);
    return 0;
}
