"""A user who tries everything that could stop the others.

    attacker.py MOUNT IMAGES SEED COUNT PORT

does COUNT operations at the mount, whose outcome does not matter to it. IMAGES is a folder of
DICOM files, PORT that of "pacsfs receive". The same SEED gives the same operations.
"""

import io
import os
import random
import signal
import socket
import stat
import struct
import subprocess
import sys
import zipfile

mount, images, seed, count, port = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
incoming = mount + "/incoming"
choice = random.Random(seed)
home = f"{incoming}/attacker {os.getuid()}"
held = []
children = []
sockets = []


def image():
    with open(f"{images}/{choice.choice(os.listdir(images))}", "rb") as file:
        return file.read()


def name():
    kind = choice.randrange(9)
    if kind == 0:
        return os.fsencode("x" * choice.randrange(1, 256))
    if kind == 1:
        return bytes(choice.randrange(1, 256) for _ in range(choice.randrange(1, 40))).replace(
            b"/", b"_"
        )
    if kind == 2:
        return choice.choice([b"._a.dcm", b".DS_Store", b"Thumbs.db", b"receive archive", b"-rf"])
    if kind == 3:
        return os.fsencode(f"{choice.randrange(30)}.part")
    if kind == 4:
        return os.fsencode("ä" * choice.randrange(1, 128))[:255]
    return os.fsencode(f"{choice.randrange(200)}.dcm")


def folder():
    """A folder of incoming, often an existing one that is deep."""
    path = os.fsencode(home)
    for _ in range(choice.randrange(6)):
        path += b"/" + os.fsencode(f"d{choice.randrange(4)}")
    os.makedirs(path, exist_ok=True)
    return path


def path():
    return folder() + b"/" + name()


def existing():
    """Something below the attacker's folder, or in a view."""
    top = choice.choice([home, home, home, incoming, mount + "/rejected", mount + "/by-patient"])
    place = os.fsencode(top)
    for _ in range(choice.randrange(1, 7)):
        names = os.listdir(place)
        if not names:
            break
        place += b"/" + choice.choice(names)
        if not stat.S_ISDIR(os.lstat(place).st_mode):
            break
    return place


def write(path, data):
    with open(path, "wb", buffering=0) as file:
        file.write(data)


def large():
    return 1 << choice.randrange(10, 63)


def write_image():
    write(path(), image())


def write_half():
    data = image()
    write(path(), data[: choice.randrange(len(data))])


def write_damaged():
    data = bytearray(image())
    for _ in range(choice.randrange(1, 20)):
        data[choice.randrange(len(data))] = choice.randrange(256)
    write(path(), data)


def write_junk():
    write(path(), choice.randbytes(choice.choice([0, 1, 131, 132, 5000, 60000])))


def write_far():
    file = os.open(path(), os.O_RDWR | os.O_CREAT)
    try:
        if choice.random() < 0.5:
            os.write(file, image())
        os.pwrite(file, b"x", large())
    finally:
        os.close(file)


def truncate_far():
    file = os.open(path(), os.O_RDWR | os.O_CREAT)
    try:
        os.ftruncate(file, large())
    finally:
        os.close(file)


def allocate_far():
    file = os.open(path(), os.O_RDWR | os.O_CREAT)
    try:
        os.posix_fallocate(file, 0, large())
    finally:
        os.close(file)


def make_deep(top, levels):
    """Makes folders in each other. A path from the root at each step would take its time for the
    looking up alone. Returns the deepest, open."""
    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for _ in range(levels):
            try:
                os.mkdir("d", dir_fd=descriptor)
            except FileExistsError:
                pass
            below = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def go_deep():
    descriptor = make_deep(home, choice.randrange(10, 400))
    try:
        write(f"/proc/self/fd/{descriptor}/junk", b"junk")
    finally:
        os.close(descriptor)


def move_deep():
    top = f"{home}/c{choice.randrange(100)}"
    os.makedirs(top, exist_ok=True)
    os.close(make_deep(top, choice.randrange(1, 200)))
    os.rename(top, f"{home}/m{choice.randrange(3)}" + "/d" * choice.randrange(0, 200) + "/m")


def many_names():
    place = folder()
    for number in range(choice.randrange(20, 200)):
        os.close(os.open(place + b"/%d.txt" % number, os.O_WRONLY | os.O_CREAT))


def special():
    what = choice.choice([stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFREG])
    os.mknod(path(), what | 0o666, os.makedev(1, 3))


def link():
    if choice.random() < 0.5:
        os.symlink("/etc", path())
    else:
        os.link(existing(), path())


def rename():
    os.rename(existing(), choice.choice([path, existing])())


def remove():
    victim = existing()
    if stat.S_ISDIR(os.lstat(victim).st_mode):
        os.rmdir(victim)
    else:
        os.unlink(victim)


def look():
    victim = existing()
    found = os.lstat(victim)
    if stat.S_ISDIR(found.st_mode):
        os.scandir(victim).close()
    elif stat.S_ISREG(found.st_mode):
        with open(victim, "rb", buffering=0) as file:
            file.read(choice.randrange(1, 200000))
    for attribute in os.listxattr(victim):
        os.getxattr(victim, attribute)


def change():
    victim = existing()
    what = choice.randrange(5)
    if what == 0:
        os.chmod(victim, choice.randrange(0o10000))
    elif what == 1:
        os.chown(victim, choice.randrange(10), choice.randrange(10))
    elif what == 2:
        os.utime(victim, (choice.randrange(-(1 << 40), 1 << 40), 0))
    elif what == 3:
        os.setxattr(victim, "user.x", choice.randbytes(choice.randrange(2000)))
    else:
        os.truncate(victim, large())


def write_over():
    flags = choice.choice([os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND])
    file = os.open(existing(), flags)
    try:
        os.write(file, choice.randbytes(choice.randrange(1, 5000)))
    finally:
        os.close(file)


def hold():
    """Keeps descriptors, as many as a process may have."""
    if choice.random() < 0.1:
        while held:
            os.close(held.pop())
        return
    for _ in range(choice.randrange(1, 100)):
        held.append(os.open(path(), os.O_RDWR | os.O_CREAT))


def zip_archive():
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        kind = choice.randrange(5)
        if kind == 0:
            for number in range(choice.choice([10, 500, 2000])):
                archive.writestr(f"{number}.txt", "0123456789")
        elif kind == 1:
            archive.writestr("d/" * choice.randrange(1, 400) + "a.dcm", image())
        elif kind == 2:
            archive.writestr("bomb.dcm", bytes(8 << 20))
        elif kind == 3:
            archive.writestr("../../a.dcm", image())
            archive.writestr("inner.zip", memory.getvalue())
        else:
            for number in range(20):
                archive.writestr(f"{number}.dcm", image())
    data = bytearray(memory.getvalue())
    if choice.random() < 0.3:
        data[choice.randrange(len(data))] ^= 255
    write(path() + b".zip", data)


def search():
    words = choice.choice(["smith", "modality=CT", "*", "x" * 200, "'; drop table", "date=2020.."])
    place = f"{mount}/search/{words} {choice.randrange(50)}"
    what = choice.randrange(3)
    if what == 0:
        os.mkdir(place)
    elif what == 1:
        os.rmdir(place)
    else:
        os.listdir(place)


def copy_and_kill():
    while len(children) > 5:
        child = children.pop(0)
        child.send_signal(choice.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP]))
        child.kill()
    command = choice.choice(
        [
            ["cp", "-r", images, home + "/copy"],
            ["cat", existing()],
            ["find", mount, "-maxdepth", "3"],
            ["rm", "-rf", home + "/copy"],
        ]
    )
    children.append(
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    )


def associate():
    if len(sockets) > 100:
        for each in sockets:
            each.close()
        sockets.clear()
    each = socket.create_connection(("127.0.0.1", port), timeout=1)
    sockets.append(each)
    what = choice.randrange(3)
    if what == 0:
        each.send(b"\1")
    elif what == 1:
        each.send(struct.pack(">BBI", 1, 0, 0xFFFFFFFF) + choice.randbytes(100))


operations = [
    (write_image, 6), (write_half, 4), (write_damaged, 4), (write_junk, 8), (write_far, 6),
    (truncate_far, 4), (allocate_far, 3), (go_deep, 1), (move_deep, 2), (many_names, 1),
    (special, 4), (link, 4), (rename, 10), (remove, 8), (look, 10), (change, 8),
    (write_over, 6), (hold, 3), (zip_archive, 2), (search, 5), (copy_and_kill, 2), (associate, 4),
]  # fmt: skip
weighted = [operation for operation, weight in operations for _ in range(weight)]

signal.signal(signal.SIGPIPE, signal.SIG_IGN)
for _ in range(count):
    try:
        os.makedirs(home, exist_ok=True)
        choice.choice(weighted)()
    # What it is refused is what the others are to be spared.
    except (OSError, ValueError, OverflowError):
        pass
for child in children:
    child.kill()
