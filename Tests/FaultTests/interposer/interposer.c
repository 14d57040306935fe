// Stands between a program and the disk: counts the calls that change files below some folders,
// lets chosen ones fail, lie, stop half way or end the process, and writes down what was done.
//
//   cc -shared -fPIC -O1 -o interposer.so interposer.c
//   LD_PRELOAD=interposer.so PACSFS_FAULT_ROOTS=/v1:/v2 PACSFS_FAULT_RULES=... pacsfs ...
//
// PACSFS_FAULT_ROOTS   folders, with colons between; nothing else is touched. They are numbered
//                      from 1.
// PACSFS_FAULT_TRACE   a file to which a record of each call is appended, see struct record
// PACSFS_FAULT_RULES   rules with semicolons between, each of key=value with commas between:
//     action=kill|fail|short|lie|delay|hang
//     when=before|during|after   kill: where in the call; during writes a half first
//     from=N to=N                the first and the last call that it hits, of those it is about;
//                                to=0 for all from there on, without it the first only
//     kinds=a+b                  kinds of calls by the names below; without it all that change
//                                something, except range
//     root=N                     calls below this root only
//     type=file|folder           what is synced
//     errno=N micros=N           fail: with which error; delay: how long
//     name=X gate=FILE           hang: calls about a path that contains X wait as long as FILE
//                                exists, whatever the root; no commas in either
//
// Calls that act on the roots take turns, so that the order of the records is the order of what
// was done. The real calls are made as raw system calls: there is nothing to look up.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
    CREATE, WRITE, COPY, CLONE, TRUNCATE, ALLOCATE, CHMOD, LINK, RENAME, UNLINK, MKDIR,
    FSYNC, FDATASYNC, SYNCFS, RANGE, READ, OPEN, MARK, KINDS
};

static const char *const kind_names[KINDS] = {
    "create", "write", "copy", "clone", "truncate", "allocate", "chmod", "link", "rename",
    "unlink", "mkdir", "fsync", "fdatasync", "syncfs", "range", "read", "open", "mark",
};

#define MUTATING ((1u << RANGE) - 1)

// One record of the trace; the two names and the bytes follow it. All numbers little-endian.
struct record {
    uint32_t magic;
    uint32_t kind;
    // 0, or the errno with which the call failed; -1 for a sync that lied.
    int32_t result;
    // O_TRUNC and the like for create; AT_REMOVEDIR for unlink; RENAME_* for rename.
    uint32_t flags;
    // The file or folder that the call is about.
    uint64_t device, inode;
    // The folders in which the names are.
    uint64_t folder, second_folder;
    int64_t offset, length;
    uint32_t mode;
    uint32_t name_bytes, second_name_bytes, payload_bytes;
};

#define MAGIC 0x50414353u

enum action { KILL, FAIL, SHORT, LIE, DELAY, HANG };
enum when { BEFORE, DURING, AFTER };

struct rule {
    enum action action;
    enum when when;
    unsigned kinds;
    int root;
    char type;  // 'f', 'd', or 0
    int error;
    unsigned long from, to, count, micros;
    const char *name, *gate;
};

// What is to be done about one call.
struct verdict {
    int error;
    bool lie, shorten, kill_during, kill_after;
};

static char *roots[16];
static int root_count;
static struct rule rules[16];
static int rule_count;
static bool some_hang;
static int trace = -1;
static unsigned watched = MUTATING | 1u << RANGE;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

// MARK: Beginning

static const char *value_of(const char *text, const char *key) {
    size_t length = strlen(key);
    return strncmp(text, key, length) == 0 && text[length] == '=' ? text + length + 1 : NULL;
}

static void complain(const char *what) {
    (void)!syscall(SYS_write, 2, what, strlen(what));
    (void)!syscall(SYS_write, 2, "\n", 1);
    _exit(99);
}

static unsigned kinds_of(char *text) {
    unsigned kinds = 0;
    char *rest;
    for (char *name = strtok_r(text, "+", &rest); name; name = strtok_r(NULL, "+", &rest)) {
        int kind = 0;
        while (kind < KINDS && strcmp(kind_names[kind], name) != 0) kind++;
        if (kind == KINDS) complain("interposer: there is no such kind of call");
        kinds |= 1u << kind;
    }
    return kinds;
}

static int choice(const char *text, const char *const *names, int count) {
    for (int index = 0; index < count; index++)
        if (strcmp(text, names[index]) == 0) return index;
    complain("interposer: a rule says something unknown");
    return -1;
}

static void add_rule(char *text) {
    static const char *const actions[] = {"kill", "fail", "short", "lie", "delay", "hang"};
    static const char *const times[] = {"before", "during", "after"};
    struct rule rule = {.from = 1, .to = ULONG_MAX, .kinds = MUTATING, .error = EIO};
    char *rest;
    for (char *item = strtok_r(text, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
        const char *value;
        if ((value = value_of(item, "action"))) rule.action = choice(value, actions, 6);
        else if ((value = value_of(item, "when"))) rule.when = choice(value, times, 3);
        else if ((value = value_of(item, "from"))) rule.from = strtoul(value, NULL, 10);
        else if ((value = value_of(item, "to"))) rule.to = strtoul(value, NULL, 10);
        else if ((value = value_of(item, "kinds"))) rule.kinds = kinds_of((char *)value);
        else if ((value = value_of(item, "root"))) rule.root = atoi(value);
        else if ((value = value_of(item, "type")))
            rule.type = strcmp(value, "folder") == 0 ? 'd' : 'f';
        else if ((value = value_of(item, "errno"))) rule.error = atoi(value);
        else if ((value = value_of(item, "name"))) rule.name = value;
        else if ((value = value_of(item, "gate"))) rule.gate = value;
        else if ((value = value_of(item, "micros"))) rule.micros = strtoul(value, NULL, 10);
        else complain("interposer: a rule has an unknown key");
    }
    if (rule.to == ULONG_MAX) rule.to = rule.from;
    else if (rule.to == 0) rule.to = ULONG_MAX;
    if (rule_count == 16) complain("interposer: too many rules");
    if (rule.action == HANG && (!rule.name || !rule.gate))
            complain("interposer: hang needs name and gate");
    rules[rule_count++] = rule;
    if (rule.action == HANG) some_hang = true; else watched |= rule.kinds;
}

__attribute__((constructor)) static void begin(void) {
    char *rest;
    const char *text = getenv("PACSFS_FAULT_ROOTS");
    char *copy = strdup(text ? text : "");
    for (char *root = strtok_r(copy, ":", &rest); root; root = strtok_r(NULL, ":", &rest)) {
        if (root_count == 16) complain("interposer: too many roots");
        roots[root_count++] = root;
    }
    if ((text = getenv("PACSFS_FAULT_RULES"))) {
        copy = strdup(text);
        for (char *rule = strtok_r(copy, ";", &rest); rule; rule = strtok_r(NULL, ";", &rest))
            add_rule(rule);
    }
    if ((text = getenv("PACSFS_FAULT_TRACE"))) {
        int file = (int)syscall(
            SYS_openat, AT_FDCWD, text, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        if (file < 0) complain("interposer: the trace cannot be opened");
        // High up, where it changes no number that the program sees.
        trace = (int)syscall(SYS_fcntl, file, F_DUPFD_CLOEXEC, 900);
        if (trace < 0) trace = file; else syscall(SYS_close, file);
    }
}

// MARK: Which calls

// The number of the root below which a path is, 0 for none.
static int root_of_path(const char *path) {
    for (int index = 0; index < root_count; index++) {
        size_t length = strlen(roots[index]);
        if (strncmp(path, roots[index], length) == 0
            && (path[length] == 0 || path[length] == '/'))
            return index + 1;
    }
    return 0;
}

static int root_of_descriptor(int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = syscall(SYS_readlink, link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return root_of_path(path);
}

static int root_of_name(int folder, const char *name) {
    if (name[0] == '/') return root_of_path(name);
    if (folder != AT_FDCWD) return root_of_descriptor(folder);
    char path[PATH_MAX];
    ssize_t length = syscall(SYS_readlink, "/proc/self/cwd", path, sizeof path / 2);
    if (length <= 0) return 0;
    snprintf(path + length, sizeof path - length, "/%s", name);
    return root_of_path(path);
}

// Waits as long as a rule says that calls about this path hang. Others go on: no turn is taken.
static void hang(enum kind kind, const char *path) {
    for (int index = 0; index < rule_count; index++) {
        struct rule *rule = &rules[index];
        if (rule->action != HANG || !(rule->kinds & 1u << kind)) continue;
        if (!strstr(path, rule->name)) continue;
        while (syscall(SYS_faccessat, AT_FDCWD, rule->gate, F_OK) == 0) {
            struct timespec time = {0, 5000000};
            syscall(SYS_nanosleep, &time, NULL);
        }
    }
}

static void hang_descriptor(enum kind kind, int descriptor) {
    if (!some_hang) return;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = syscall(SYS_readlink, link, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    hang(kind, path);
}

static void hang_name(enum kind kind, int folder, const char *name) {
    if (!some_hang) return;
    int descriptor;
    // A file that is linked by its descriptor.
    if (sscanf(name, "/proc/self/fd/%d", &descriptor) == 1)
        return hang_descriptor(kind, descriptor);
    if (name[0] == '/' || folder == AT_FDCWD) return hang(kind, name);
    char link[64], path[2 * PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = syscall(SYS_readlink, link, path, PATH_MAX);
    if (length <= 0) return;
    snprintf(path + length, sizeof path - length, "/%s", name);
    hang(kind, path);
}

static void die(void) {
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;) syscall(SYS_pause);
}

// Takes the turn, counts the call, and says what is to become of it. `leave` gives it back.
static struct verdict enter(enum kind kind, int root, char type) {
    struct verdict verdict = {0};
    unsigned long micros = 0;
    pthread_mutex_lock(&turn);
    for (int index = 0; index < rule_count; index++) {
        struct rule *rule = &rules[index];
        if (rule->action == HANG || !(rule->kinds & 1u << kind)
            || (rule->root && rule->root != root)
            || (rule->type && type && rule->type != type))
            continue;
        unsigned long number = ++rule->count;
        if (number < rule->from || number > rule->to) continue;
        switch (rule->action) {
        case KILL:
            if (rule->when == BEFORE) die();
            if (rule->when == DURING) verdict.kill_during = true; else verdict.kill_after = true;
            break;
        case FAIL: verdict.error = rule->error; break;
        case SHORT: verdict.shorten = true; break;
        case LIE: verdict.lie = true; break;
        case DELAY: micros += rule->micros; break;
        case HANG: break;
        }
    }
    if (micros) {
        // Others may go on meanwhile, as on a disk that is slow for one.
        pthread_mutex_unlock(&turn);
        struct timespec time = {micros / 1000000, micros % 1000000 * 1000};
        syscall(SYS_nanosleep, &time, NULL);
        pthread_mutex_lock(&turn);
    }
    return verdict;
}

static void note(struct record *record, const char *name, const char *second, const void *payload) {
    if (trace < 0) return;
    record->magic = MAGIC;
    record->name_bytes = name ? strlen(name) : 0;
    record->second_name_bytes = second ? strlen(second) : 0;
    struct iovec parts[4] = {
        {record, sizeof *record}, {(void *)name, record->name_bytes},
        {(void *)second, record->second_name_bytes}, {(void *)payload, record->payload_bytes},
    };
    size_t total = 0;
    for (int index = 0; index < 4; index++) total += parts[index].iov_len;
    if ((size_t)syscall(SYS_writev, trace, parts, 4) != total)
        complain("interposer: the trace cannot be written");
}

static void leave(struct verdict verdict) {
    if (verdict.kill_after) die();
    pthread_mutex_unlock(&turn);
}

static long failed(int error) {
    errno = error;
    return -1;
}

// MARK: What a record says

static void about_status(struct record *record, const struct stat *status) {
    record->device = status->st_dev;
    record->inode = status->st_ino;
    record->mode = status->st_mode;
}

static void about_descriptor(struct record *record, int descriptor) {
    struct stat status;
    if (fstat(descriptor, &status) == 0) about_status(record, &status);
}

static bool status_of(int folder, const char *name, struct stat *status) {
    int saved = errno;
    bool is_there = fstatat(folder, name, status, AT_SYMLINK_NOFOLLOW) == 0;
    errno = saved;
    return is_there;
}

// The inode of the folder in which a name is, and the last part of the name.
static uint64_t folder_of(int folder, const char *name, const char **last) {
    struct stat status;
    const char *slash = strrchr(name, '/');
    *last = slash ? slash + 1 : name;
    char path[PATH_MAX];
    if (slash == name) strcpy(path, "/");
    else if (slash) snprintf(path, sizeof path, "%.*s", (int)(slash - name), name);
    else strcpy(path, ".");
    return fstatat(folder, path, &status, 0) == 0 ? status.st_ino : 0;
}

// What a range of a file holds now, to be freed.
static void *content(int descriptor, int64_t offset, size_t count) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    int file = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
    char *bytes = malloc(count ? count : 1);
    size_t done = 0;
    while (done < count) {
        long got = syscall(SYS_pread64, file, bytes + done, count - done, offset + (int64_t)done);
        if (got <= 0) complain("interposer: what was copied cannot be read");
        done += (size_t)got;
    }
    syscall(SYS_close, file);
    return bytes;
}

// MARK: Content

static ssize_t do_write(
    int descriptor, const void *bytes, size_t count, off_t offset, bool positioned) {
    bool is_mark = !positioned && descriptor == STDOUT_FILENO && trace >= 0;
    // A log may lie in a root; nobody relies on it.
    int root = is_mark || descriptor == STDERR_FILENO ? 0 : root_of_descriptor(descriptor);
    if (!is_mark && descriptor != STDERR_FILENO) hang_descriptor(WRITE, descriptor);
    if (!root && !is_mark)
        return positioned ? syscall(SYS_pwrite64, descriptor, bytes, count, offset)
                          : syscall(SYS_write, descriptor, bytes, count);
    struct verdict verdict = {0};
    if (is_mark) pthread_mutex_lock(&turn); else verdict = enter(WRITE, root, 'f');
    struct record record = {.kind = is_mark ? MARK : WRITE, .offset = offset};
    about_descriptor(&record, descriptor);
    if (!positioned && !is_mark) {
        int flags = (int)syscall(SYS_fcntl, descriptor, F_GETFL);
        record.offset = flags & O_APPEND
            ? lseek(descriptor, 0, SEEK_END) : lseek(descriptor, 0, SEEK_CUR);
    }
    ssize_t done;
    if (verdict.error) {
        done = failed(verdict.error);
    } else {
        if ((verdict.shorten || verdict.kill_during) && count > 1) count /= 2;
        done = positioned ? syscall(SYS_pwrite64, descriptor, bytes, count, offset)
                          : syscall(SYS_write, descriptor, bytes, count);
    }
    int error = errno;
    record.result = done < 0 ? error : 0;
    record.length = done;
    record.payload_bytes = done > 0 ? (uint32_t)done : 0;
    note(&record, NULL, NULL, bytes);
    if (verdict.kill_during) die();
    leave(verdict);
    errno = error;
    return done;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    return do_write(descriptor, bytes, count, offset, true);
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
    return do_write(descriptor, bytes, count, offset, true);
}
ssize_t write(int descriptor, const void *bytes, size_t count) {
    return do_write(descriptor, bytes, count, 0, false);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    // Only what writes to files of ours piece by piece; replies to the kernel stay whole.
    if (!root_of_descriptor(descriptor)) return syscall(SYS_writev, descriptor, parts, count);
    ssize_t total = 0;
    for (int index = 0; index < count; index++) {
        ssize_t done = do_write(descriptor, parts[index].iov_base, parts[index].iov_len, 0, false);
        if (done < 0) return total ? total : done;
        total += done;
        if ((size_t)done < parts[index].iov_len) break;
    }
    return total;
}

static ssize_t do_read(int descriptor, void *bytes, size_t count, off_t offset, bool positioned) {
    hang_descriptor(READ, descriptor);
    int root = watched & 1u << READ ? root_of_descriptor(descriptor) : 0;
    if (root) {
        struct verdict verdict = enter(READ, root, 'f');
        leave(verdict);
        if (verdict.error) return failed(verdict.error);
        if (verdict.shorten && count > 1) count /= 2;
    }
    return positioned ? syscall(SYS_pread64, descriptor, bytes, count, offset)
                      : syscall(SYS_read, descriptor, bytes, count);
}

ssize_t pread(int descriptor, void *bytes, size_t count, off_t offset) {
    return do_read(descriptor, bytes, count, offset, true);
}
ssize_t pread64(int descriptor, void *bytes, size_t count, off64_t offset) {
    return do_read(descriptor, bytes, count, offset, true);
}
ssize_t read(int descriptor, void *bytes, size_t count) {
    return do_read(descriptor, bytes, count, 0, false);
}

ssize_t copy_file_range(
    int source, off64_t *from, int target, off64_t *to, size_t count, unsigned flags) {
    hang_descriptor(COPY, source);
    hang_descriptor(COPY, target);
    int root = root_of_descriptor(target);
    if (!root) return syscall(SYS_copy_file_range, source, from, target, to, count, flags);
    struct verdict verdict = enter(COPY, root, 'f');
    struct record record = {.kind = COPY, .offset = to ? *to : lseek(target, 0, SEEK_CUR)};
    about_descriptor(&record, target);
    if ((verdict.shorten || verdict.kill_during) && count > 1) {
        // The length of what is copied is that of the source, and not what was asked for.
        struct stat status;
        if (fstat(source, &status) == 0 && (size_t)status.st_size < count) count = status.st_size;
        count = count > 1 ? count / 2 : count;
    }
    ssize_t done = verdict.error
        ? failed(verdict.error)
        : syscall(SYS_copy_file_range, source, from, target, to, count, flags);
    int error = errno;
    record.result = done < 0 ? error : 0;
    record.length = done;
    void *bytes = NULL;
    if (trace >= 0 && done > 0) {
        bytes = content(target, record.offset, (size_t)done);
        record.payload_bytes = (uint32_t)done;
    }
    note(&record, NULL, NULL, bytes);
    free(bytes);
    if (verdict.kill_during) die();
    leave(verdict);
    errno = error;
    return done;
}

static int do_clone(int target, int source) {
    hang_descriptor(CLONE, source);
    hang_descriptor(CLONE, target);
    int root = root_of_descriptor(target);
    const unsigned long request = 0x40049409;
    if (!root) return (int)syscall(SYS_ioctl, target, request, source);
    struct verdict verdict = enter(CLONE, root, 'f');
    struct record record = {.kind = CLONE};
    about_descriptor(&record, target);
    int status = verdict.error
        ? (int)failed(verdict.error) : (int)syscall(SYS_ioctl, target, request, source);
    int error = errno;
    record.result = status < 0 ? error : 0;
    void *bytes = NULL;
    struct stat facts;
    if (trace >= 0 && status == 0 && fstat(target, &facts) == 0) {
        bytes = content(target, 0, (size_t)facts.st_size);
        record.length = facts.st_size;
        record.payload_bytes = (uint32_t)facts.st_size;
    }
    note(&record, NULL, NULL, bytes);
    free(bytes);
    leave(verdict);
    errno = error;
    return status;
}

int ioctl(int descriptor, unsigned long request, ...) {
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    if ((uint32_t)request == 0x40049409u) return do_clone(descriptor, (int)(intptr_t)argument);
    return (int)syscall(SYS_ioctl, descriptor, request, argument);
}

// MARK: Calls on a descriptor that succeed or fail as a whole

static long simple(
    enum kind kind, int descriptor, int64_t offset, int64_t length, unsigned mode, long number,
    long second, long third, long fourth) {
    hang_descriptor(kind, descriptor);
    int root = root_of_descriptor(descriptor);
    if (!root) return syscall(number, descriptor, second, third, fourth);
    struct stat status = {0};
    fstat(descriptor, &status);
    struct verdict verdict = enter(kind, root, S_ISDIR(status.st_mode) ? 'd' : 'f');
    struct record record = {.kind = kind, .offset = offset, .length = length};
    about_status(&record, &status);
    if (kind == CHMOD) record.mode = mode;
    long result = verdict.error ? failed(verdict.error)
        : verdict.lie ? 0 : syscall(number, descriptor, second, third, fourth);
    int error = errno;
    record.result = result < 0 ? error : verdict.lie ? -1 : 0;
    note(&record, NULL, NULL, NULL);
    if (verdict.kill_during) die();
    leave(verdict);
    errno = error;
    return result;
}

int fsync(int descriptor) {
    return (int)simple(FSYNC, descriptor, 0, 0, 0, SYS_fsync, 0, 0, 0);
}
int fdatasync(int descriptor) {
    return (int)simple(FDATASYNC, descriptor, 0, 0, 0, SYS_fdatasync, 0, 0, 0);
}
int syncfs(int descriptor) {
    return (int)simple(SYNCFS, descriptor, 0, 0, 0, SYS_syncfs, 0, 0, 0);
}
int sync_file_range(int descriptor, off64_t offset, off64_t count, unsigned flags) {
    return (int)simple(
        RANGE, descriptor, offset, count, 0, SYS_sync_file_range, offset, count, flags);
}
int ftruncate(int descriptor, off_t length) {
    return (int)simple(TRUNCATE, descriptor, 0, length, 0, SYS_ftruncate, length, 0, 0);
}
int ftruncate64(int descriptor, off64_t length) { return ftruncate(descriptor, length); }
int fchmod(int descriptor, mode_t mode) {
    return (int)simple(CHMOD, descriptor, 0, 0, mode, SYS_fchmod, mode, 0, 0);
}
int fallocate(int descriptor, int mode, off_t offset, off_t length) {
    return (int)simple(
        ALLOCATE, descriptor, offset, length, 0, SYS_fallocate, mode, offset, length);
}
int fallocate64(int descriptor, int mode, off64_t offset, off64_t length) {
    return fallocate(descriptor, mode, offset, length);
}
int posix_fallocate(int descriptor, off_t offset, off_t length) {
    return fallocate(descriptor, 0, offset, length) == 0 ? 0 : errno;
}
int posix_fallocate64(int descriptor, off64_t offset, off64_t length) {
    return posix_fallocate(descriptor, offset, length);
}

// MARK: Names

static int do_open(int folder, const char *name, int flags, mode_t mode) {
    // A file without a name is in the folder that is opened, and is recorded with an empty name.
    bool is_unnamed = (flags & O_TMPFILE) == O_TMPFILE;
    bool may_make = is_unnamed || flags & O_CREAT, cuts = flags & O_TRUNC;
    hang_name(may_make ? CREATE : OPEN, folder, name);
    int root = may_make || cuts || watched & 1u << OPEN ? root_of_name(folder, name) : 0;
    if (!root) return (int)syscall(SYS_openat, folder, name, flags, mode);
    struct stat status;
    bool was_there = !is_unnamed && status_of(folder, name, &status);
    enum kind kind = may_make && !was_there ? CREATE : cuts ? TRUNCATE : OPEN;
    struct verdict verdict = enter(kind, root, 0);
    struct record record = {.kind = kind, .flags = (uint32_t)flags};
    const char *last;
    record.folder = folder_of(folder, name, &last);
    int result = verdict.error
        ? (int)failed(verdict.error) : (int)syscall(SYS_openat, folder, name, flags, mode);
    int error = errno;
    record.result = result < 0 ? error : 0;
    if (result >= 0) about_descriptor(&record, result);
    if (kind != OPEN) note(&record, is_unnamed ? "" : last, NULL, NULL);
    if (verdict.kill_during) die();
    leave(verdict);
    errno = error;
    return result;
}

#define MODE(flags)                                 \
    mode_t mode = 0;                                \
    if (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) { \
        va_list list;                               \
        va_start(list, flags);                      \
        mode = va_arg(list, mode_t);                \
        va_end(list);                               \
    }

int openat(int folder, const char *name, int flags, ...) {
    MODE(flags)
    return do_open(folder, name, flags, mode);
}
int openat64(int folder, const char *name, int flags, ...) {
    MODE(flags)
    return do_open(folder, name, flags, mode);
}
int open(const char *name, int flags, ...) {
    MODE(flags)
    return do_open(AT_FDCWD, name, flags, mode);
}
int open64(const char *name, int flags, ...) {
    MODE(flags)
    return do_open(AT_FDCWD, name, flags, mode);
}
int creat(const char *name, mode_t mode) {
    return do_open(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int mkdirat(int folder, const char *name, mode_t mode) {
    hang_name(MKDIR, folder, name);
    int root = root_of_name(folder, name);
    struct stat status;
    // To make what is there changes nothing.
    if (!root || status_of(folder, name, &status))
        return (int)syscall(SYS_mkdirat, folder, name, mode);
    struct verdict verdict = enter(MKDIR, root, 0);
    struct record record = {.kind = MKDIR};
    const char *last;
    record.folder = folder_of(folder, name, &last);
    int result = verdict.error
        ? (int)failed(verdict.error) : (int)syscall(SYS_mkdirat, folder, name, mode);
    int error = errno;
    record.result = result < 0 ? error : 0;
    if (result == 0 && status_of(folder, name, &status)) about_status(&record, &status);
    note(&record, last, NULL, NULL);
    if (verdict.kill_during) die();
    leave(verdict);
    errno = error;
    return result;
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int unlinkat(int folder, const char *name, int flags) {
    hang_name(UNLINK, folder, name);
    int root = root_of_name(folder, name);
    struct stat status;
    if (!root || !status_of(folder, name, &status))
        return (int)syscall(SYS_unlinkat, folder, name, flags);
    struct verdict verdict = enter(UNLINK, root, 0);
    struct record record = {.kind = UNLINK, .flags = (uint32_t)flags};
    about_status(&record, &status);
    const char *last;
    record.folder = folder_of(folder, name, &last);
    int result = verdict.error
        ? (int)failed(verdict.error) : (int)syscall(SYS_unlinkat, folder, name, flags);
    int error = errno;
    record.result = result < 0 ? error : 0;
    note(&record, last, NULL, NULL);
    if (verdict.kill_during) die();
    leave(verdict);
    errno = error;
    return result;
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

static int two_names(
    enum kind kind, int folder, const char *name, int second_folder, const char *second,
    unsigned flags) {
    long number = kind == LINK ? SYS_linkat : SYS_renameat2;
    hang_name(kind, folder, name);
    hang_name(kind, second_folder, second);
    int root = root_of_name(second_folder, second);
    if (!root) root = kind == RENAME ? root_of_name(folder, name) : 0;
    if (!root) return (int)syscall(number, folder, name, second_folder, second, flags);
    struct verdict verdict = enter(kind, root, 0);
    struct record record = {.kind = kind, .flags = flags};
    const char *last, *second_last;
    record.folder = folder_of(folder, name, &last);
    record.second_folder = folder_of(second_folder, second, &second_last);
    int result = verdict.error
        ? (int)failed(verdict.error)
        : (int)syscall(number, folder, name, second_folder, second, flags);
    int error = errno;
    record.result = result < 0 ? error : 0;
    struct stat status;
    if (result == 0 && status_of(second_folder, second, &status)) about_status(&record, &status);
    note(&record, last, second_last, NULL);
    if (verdict.kill_during) die();
    leave(verdict);
    errno = error;
    return result;
}
int linkat(int folder, const char *name, int second_folder, const char *second, int flags) {
    return two_names(LINK, folder, name, second_folder, second, (unsigned)flags);
}
int link(const char *name, const char *second) {
    return two_names(LINK, AT_FDCWD, name, AT_FDCWD, second, 0);
}
int renameat2(
    int folder, const char *name, int second_folder, const char *second, unsigned flags) {
    return two_names(RENAME, folder, name, second_folder, second, flags);
}
int renameat(int folder, const char *name, int second_folder, const char *second) {
    return two_names(RENAME, folder, name, second_folder, second, 0);
}
int rename(const char *name, const char *second) {
    return two_names(RENAME, AT_FDCWD, name, AT_FDCWD, second, 0);
}
