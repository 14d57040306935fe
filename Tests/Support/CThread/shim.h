#pragma once
// What one thread does to itself. glibc's setresuid(3) and its like change every thread of the
// process (nptl(7)), so the calls are made without it; it declares unshare and setns only under
// _GNU_SOURCE, which Swift's Glibc module does not set.
#include <sys/syscall.h>
#include <sys/types.h>
extern long syscall(long number, ...);

enum { PACSFS_CLONE_NEWNS = 0x00020000, PACSFS_CLONE_FS = 0x00000200 };

// See: 'man 2 unshare'. CLONE_NEWNS implies CLONE_FS: the working directory is its own too.
static inline int pacsfs_unshare_mounts(void) {
    return (int)syscall(SYS_unshare, PACSFS_CLONE_NEWNS);
}

// See: 'man 2 setns'. Only a thread that shares its working directory with none may do it.
static inline int pacsfs_enter_mounts(int namespace_descriptor) {
    if (syscall(SYS_unshare, PACSFS_CLONE_FS) != 0) return -1;
    return (int)syscall(SYS_setns, namespace_descriptor, PACSFS_CLONE_NEWNS);
}

// See: 'man 2 setresuid', 'man 2 setgroups'. There is no way back.
static inline int pacsfs_become(uid_t user, gid_t group) {
    if (syscall(SYS_setgroups, 0, (void *)0) != 0) return -1;
    if (syscall(SYS_setresgid, group, group, group) != 0) return -1;
    return (int)syscall(SYS_setresuid, user, user, user);
}
