#pragma once
// Linux calls that glibc declares only under _GNU_SOURCE, which Swift's Glibc module does not set.
#include <sys/types.h>

// See: 'man 2 syncfs'
extern int syncfs(int fd);

// See: 'man 2 sync_file_range'. SYNC_FILE_RANGE_WRITE starts write-back without waiting for it.
extern int sync_file_range(int fd, off_t offset, off_t nbytes, unsigned int flags);
enum { PACSFS_SYNC_FILE_RANGE_WRITE = 2 };

// See: 'man 2 copy_file_range'
extern ssize_t copy_file_range(
    int fd_in, off_t *off_in, int fd_out, off_t *off_out, size_t len, unsigned int flags);

// See: 'man 2 renameat2'
extern int renameat2(
    int olddirfd, const char *oldpath, int newdirfd, const char *newpath, unsigned int flags);
enum { PACSFS_RENAME_NOREPLACE = 1 };

// See: 'man 2 ioctl_ficlone'; linux/fs.h defines it as _IOW(0x94, 9, int).
enum { PACSFS_FICLONE = 0x40049409 };

// Of the daemon: accept4(2), pipe2(2), mallopt(3), posix_spawnattr_setflags(3).
#include <sys/socket.h>
extern int accept4(int, struct sockaddr *, socklen_t *, int);
extern int pipe2(int[2], int);
extern int mallopt(int, int);
enum { PACSFS_SPAWN_SETSID = 0x80, PACSFS_M_ARENA_MAX = -8 };

// See: 'man 2 open', O_DIRECT
#include <fcntl.h>
#ifndef O_DIRECT
#define O_DIRECT __O_DIRECT
#endif
static const int PACSFS_O_DIRECT = O_DIRECT;
