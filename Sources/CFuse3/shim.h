#pragma once
// The low-level API of libfuse 3.12 and later; Debian 12 has 3.14.
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

// Declared by glibc only under _GNU_SOURCE, which Swift's Glibc module does not set.
extern long splice(int, off_t *, int, off_t *, unsigned long, unsigned int);
