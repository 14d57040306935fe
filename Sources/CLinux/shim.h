#pragma once
// Linux calls that glibc declares only under _GNU_SOURCE, which Swift's Glibc module does not set.
#include <sys/types.h>

// See: 'man 2 syncfs'
extern int syncfs(int fd);

// See: 'man 2 sync_file_range'. SYNC_FILE_RANGE_WRITE starts write-back without waiting for it.
extern int sync_file_range(int fd, off_t offset, off_t nbytes, unsigned int flags);
// SYNC_FILE_RANGE_WAIT_AFTER waits for it.
enum { PACSFS_SYNC_FILE_RANGE_WRITE = 2, PACSFS_SYNC_FILE_RANGE_WAIT_AFTER = 4 };

// See: 'man 2 copy_file_range'
extern ssize_t copy_file_range(
    int fd_in, off_t *off_in, int fd_out, off_t *off_out, size_t len, unsigned int flags);

// See: 'man 2 renameat2'
extern int renameat2(
    int olddirfd, const char *oldpath, int newdirfd, const char *newpath, unsigned int flags);
enum { PACSFS_RENAME_NOREPLACE = 1 };

// See: 'man 2 lseek'; unistd.h has them for _GNU_SOURCE only.
enum { PACSFS_SEEK_DATA = 3, PACSFS_SEEK_HOLE = 4 };

// See: 'man 2 ioctl_ficlone'; linux/fs.h defines it as _IOW(0x94, 9, int).
enum { PACSFS_FICLONE = 0x40049409 };

// Of the daemon: accept4(2), pipe2(2), mallopt(3), posix_spawnattr_setflags(3).
#include <sys/socket.h>
extern int accept4(int, struct sockaddr *, socklen_t *, int);
extern int pipe2(int[2], int);
extern int mallopt(int, int);
enum { PACSFS_SPAWN_SETSID = 0x80, PACSFS_M_ARENA_MAX = -8 };

// See: 'man 2 prctl'
#include <sys/prctl.h>
static inline int pacsfs_no_new_privileges(void) { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); }

// See: 'man 2 ioprio_set', linux/ioprio.h; glibc has no wrapper. `who` 0 is the calling thread.
#include <sys/syscall.h>
extern long syscall(long number, ...);
enum {
    PACSFS_IOPRIO_WHO_PROCESS = 1,
    PACSFS_IOPRIO_CLASS_SHIFT = 13,
    PACSFS_IOPRIO_CLASS_IDLE = 3,
};
static inline int pacsfs_ioprio_get(int which, int who) {
    return (int)syscall(SYS_ioprio_get, which, who);
}
static inline int pacsfs_ioprio_set(int which, int who, int priority) {
    return (int)syscall(SYS_ioprio_set, which, who, priority);
}

// See: 'man 2 preadv2'. RWF_NOWAIT reads what is in memory and says EAGAIN for what is not.
#include <sys/uio.h>
extern ssize_t preadv2(int fd, const struct iovec *vector, int count, off_t offset, int flags);
enum { PACSFS_RWF_NOWAIT = 8 };

// See: 'man 2 open'. Reading leaves no trace in the inode; for the owner of the file only.
#include <fcntl.h>
#ifdef __O_NOATIME
enum { PACSFS_O_NOATIME = __O_NOATIME };
#else
enum { PACSFS_O_NOATIME = 01000000 };
#endif

// See: 'man 3 makedev'
extern unsigned int gnu_dev_major(unsigned long device);
extern unsigned int gnu_dev_minor(unsigned long device);

// See: 'man 2 open', O_DIRECT
#ifndef O_DIRECT
#define O_DIRECT __O_DIRECT
#endif
static const int PACSFS_O_DIRECT = O_DIRECT;

// See: 'man 2 open', O_TMPFILE
#ifndef O_TMPFILE
#define O_TMPFILE (020000000 | O_DIRECTORY)
#endif
static const int PACSFS_O_TMPFILE = O_TMPFILE;

// See: 'man 2 fallocate'
extern int fallocate(int fd, int mode, off_t offset, off_t length);

// See: 'man 2 memfd_create'. A file without a name, for a child process to read.
extern int memfd_create(const char *name, unsigned int flags);
enum { PACSFS_MFD_CLOEXEC = 1 };

// See: 'man 2 fgetxattr'
extern ssize_t fgetxattr(int fd, const char *name, void *value, size_t size);

// See: 'man 3 pthread_setname_np'
#include <pthread.h>
extern int pthread_setname_np(pthread_t thread, const char *name);
extern int pthread_getname_np(pthread_t thread, char *name, size_t size);

// See: 'man 2 pidfd_open'
extern int pidfd_open(pid_t pid, unsigned int flags);

// See: 'man 2 openat2'; glibc has no wrapper. No symbolic link is followed, and nothing outside of
// the directory is opened.
#include <stdint.h>
static inline int pacsfs_open_beneath(int directory, const char *path, int flags) {
    struct {
        uint64_t flags, mode, resolve;
    } how = {(unsigned)flags, 0, 0x04 /* RESOLVE_NO_SYMLINKS */ | 0x08 /* RESOLVE_BENEATH */};
    return (int)syscall(437 /* SYS_openat2 */, directory, path, &how, sizeof how);
}

// See: 'man 2 open'. A descriptor that only stands for a place: nothing is opened by it.
#ifndef O_PATH
#define O_PATH 010000000
#endif
static const int PACSFS_O_PATH = O_PATH;

// See: 'man 2 ioctl_fideduperange', linux/fs.h. Lets a file share blocks with another that has the
// same bytes there; the kernel compares them. Returns how many bytes, 0 when they differ, or -1.
#include <sys/ioctl.h>
static inline int64_t pacsfs_share_blocks(
    int source, int64_t source_offset, int target, int64_t target_offset, int64_t length) {
    struct {
        uint64_t source_offset, length;
        uint16_t count, reserved;
        uint32_t reserved_too;
        int64_t target;
        uint64_t target_offset, shared;
        int32_t status;
        uint32_t reserved_last;
    } range = {
        .source_offset = (uint64_t)source_offset,
        .length = (uint64_t)(length < 16 << 20 ? length : 16 << 20),
        .count = 1,
        .target = target,
        .target_offset = (uint64_t)target_offset,
    };
    if (ioctl(source, 0xC0189436 /* FIDEDUPERANGE */, &range) != 0) return -1;
    return range.status == 0 ? (int64_t)range.shared : 0;
}

// See: 'man 3 posix_spawn'. Closes every descriptor from a number on in the new process.
#include <spawn.h>
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
