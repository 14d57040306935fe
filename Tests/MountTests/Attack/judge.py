"""Sees what becomes of the others while users attack a mount and its disks have trouble.

    judge.py MOUNT ARCHIVE VOLUME1 VOLUME2 IMAGES SEED COUNT PATIENCE

As root; the volumes are loop mounts, the archive has min_copies = 1 and IMAGES is a folder of
DICOM files of which the first half is archived. Prints what went wrong, and exits with 1 then.
"""

import ctypes
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import threading
import time

mount, archive, volumes, images = sys.argv[1], sys.argv[2], sys.argv[3:5], sys.argv[5]
seed, count, patience = map(int, sys.argv[6:9])
pacsfs = os.environ["PACSFS"]
here = os.path.dirname(os.path.abspath(__file__))
choice = random.Random(seed)
#: How long anything may take while enough volumes are well, seconds.
bound = 5
#: How long status may take to say what is the matter, seconds.
notice = 30
faults = []
over = threading.Event()
attackers = [65534, 1, 2, 5]
victim = 9


def fault(text):
    faults.append(text)
    print(f"{time.monotonic() - begin:.1f} s: {text}", flush=True)


def as_user(uid, *command):
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", *command]


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class Trouble:
    """What is the matter with a disk now, and when that began and ended."""

    def __init__(self):
        self.lock = threading.Lock()
        self.last_change = -1e9
        self.is_on = False

    def set(self, is_on):
        with self.lock:
            self.is_on, self.last_change = is_on, time.monotonic()

    def bound(self, begin):
        """How long what began then may take: a disk that hangs is found out by patience."""
        with self.lock:
            was = self.is_on or self.last_change > begin - bound
        return bound + (patience + 1 if was else 0)


trouble = Trouble()


def control():
    """How long a program takes that uses nothing of ours: others may have the machine."""
    start = time.monotonic()
    subprocess.run(["cp", f"{images}/{fresh[0]}", "/dev/null"], check=True)
    return time.monotonic() - start


def run(what, command, **options):
    """Runs a program that must end in time. Returns its exit code, or None."""
    slowness = control()
    start = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )
    try:
        output, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        fault(f"{what} had not ended after 60 s")
        process.kill()
        return None, ""
    taken = time.monotonic() - start
    if taken > trouble.bound(start) + 10 * slowness:
        fault(f"{what} took {taken:.1f} s; a program that only starts took {slowness:.1f} s")
    return process.returncode, output.decode(errors="replace")


def facts(path):
    """What a path shows, for a report."""
    try:
        found = os.lstat(path)
        state = os.getxattr(path, "user.pacsfs.state").decode()
        return f"mode {found.st_mode:o}, owner {found.st_uid}, {found.st_size} bytes, {state}"
    except OSError as error:
        return str(error)


def is_full():
    """Whether a disk has no room for an image, beside what the daemon keeps free."""
    for volume in volumes:
        try:
            found = os.statvfs(volume)
        except OSError:
            continue
        if found.f_bavail * found.f_frsize < 16 << 20:
            return True
    return False


def copy():
    """Another user, who copies images all the time."""
    number = 0
    while not over.is_set():
        source = fresh[number % len(fresh)]
        start = time.monotonic()
        code, output = run(
            "cp", as_user(victim, "cp", f"{images}/{source}", f"{mount}/incoming/{source}")
        )
        if code == 0:
            acknowledged.add(known[source])
            number += 1
        elif code is not None and "No space left" in output and is_full():
            # As README says: a full disk is not away. Somebody has filled it, and status says so.
            until_status("a user has filled a disk", lambda health: health["level"] != "safe")
        elif code is not None and trouble.bound(start) == bound:
            fault(f"cp failed: {output.strip()} ({facts(f'{mount}/incoming/{source}')})")
        over.wait(0.05)


def read():
    """Another user, who looks at images."""
    own = random.Random(seed + 1)
    while not over.is_set():
        wanted, path = own.choice(old)
        start = time.monotonic()
        code, output = run("reading an image", as_user(victim, "sha256sum", path))
        if code == 1:
            # What was open when its disk went cannot be read on; opened again it can.
            code, output = run("reading an image", as_user(victim, "sha256sum", path))
        if code == 0:
            if output.split()[0] != wanted:
                fault(f"{path} has other bytes")
        elif code is not None:
            fault(f"{path} cannot be read: {output}")
        over.wait(0.05)


def status():
    code, output = run("status", [pacsfs, "status", "--archive", archive, "--json"])
    if code is None:
        return {"health": {"level": "nothing", "reasons": []}}
    return json.loads(output[output.index("{"):])


def until_status(what, condition):
    end = time.monotonic() + notice
    while True:
        found = status()
        if condition(found["health"]):
            return True
        if time.monotonic() > end:
            fault(f"{what}; status says {json.dumps(found['health'])}")
            return False
        time.sleep(0.2)


def sh(command, *arguments):
    return subprocess.run(["bash", "-euc", command, *arguments], check=True)


def freeze(volume):
    sh('fsfreeze -f "$0"', volume)


def thaw(volume):
    sh('fsfreeze -u "$0"', volume)


def fill(volume):
    # All that is left, but for what the file system itself needs.
    left = os.statvfs(volume)
    sh('fallocate -l "$1" "$0/filler"', volume, str(left.f_bavail * left.f_frsize - (1 << 20)))


def unfill(volume):
    os.unlink(volume + "/filler")


def pull(volume):
    """Every access fails with EIO: EXT4_IOC_SHUTDOWN of linux/ext4.h, flushing the log."""
    descriptor = os.open(volume, os.O_RDONLY)
    try:
        libc.ioctl(descriptor, ctypes.c_ulong(0x8004587D), ctypes.byref(ctypes.c_uint32(1)))
    finally:
        os.close(descriptor)


def unplug(volume):
    pull(volume)
    sh('umount -l "$0"', volume)


def plug(volume):
    """Mounts the disk as another device, as a disk that is plugged in again is. In a file of its
    own: the kernel writes to the device that went as long as somebody has a file of it open."""
    sh(
        'umount -l "$0" 2>/dev/null || true; '
        'cp --sparse=always "$1" "$1.new"; mv "$1.new" "$1"; '
        'e2fsck -fy "$1" >/dev/null 2>&1 || (($? < 4)); '
        'device=$(losetup --find --show "$1"); mount "$device" "$0"; losetup --detach "$device"',
        volume, volume + ".image",
    )  # fmt: skip


def damage(volume):
    """Blobs become special files, or other bytes. Reading finds and heals them."""
    for wanted, path in choice.sample(old, 3):
        blob = f"{volume}/blobs/{wanted[:2]}/{wanted[2:4]}/{wanted}.dcm"
        if not os.path.exists(blob):
            continue
        mode = os.stat(blob).st_mode & 0o777
        if choice.random() < 0.5:
            os.unlink(blob)
            os.mkfifo(blob, mode)
        else:
            with open(blob, "r+b") as file:
                file.seek(200)
                file.write(b"other bytes")


def heal(volume):
    """Reading one copy is enough for a reader; the scrub reads all. Else the same image may be
    damaged on the other disk next, and is lost."""
    # It reads everything, which takes as long as it takes.
    scrub = [pacsfs, "scrub", "--archive", archive]
    code = subprocess.run(scrub, stdout=subprocess.DEVNULL, timeout=120).returncode
    if code not in (0, 1):
        fault(f"scrub ended with {code}")


def open_to_all(volume):
    os.chmod(volume + "/blobs", 0o777)


def close_again(volume):
    os.chmod(volume + "/blobs", 0o700)


#: What happens to a disk, how it ends, and whether status has to speak of it.
kinds = [
    ("does not answer", freeze, thaw, True),
    ("is full", fill, unfill, True),
    ("is unplugged", unplug, plug, True),
    ("is pulled", pull, plug, True),
    ("has damaged blobs", damage, heal, False),
    ("is open to all", open_to_all, close_again, True),
]


def make_trouble():
    order = kinds * 2
    choice.shuffle(order)
    for what, begin_it, end_it, shows in order:
        if over.is_set():
            return
        volume = choice.choice(volumes)
        print(f"{time.monotonic() - begin:.1f} s: {volume} {what}", flush=True)
        trouble.set(True)
        begin_it(volume)
        try:
            if shows:
                until_status(f"{volume} {what}", lambda health: health["level"] != "safe")
            over.wait(choice.uniform(0, patience + 2))
        finally:
            end_it(volume)
            trouble.set(False)
        if shows and not until_status(
            f"{volume} is well again", lambda health: volume not in json.dumps(health)
        ):
            # What follows would follow from this.
            return


def main():
    global libc, begin, known, fresh, old, acknowledged
    libc = ctypes.CDLL(None, use_errno=True)
    begin = time.monotonic()
    names = sorted(os.listdir(images))
    known = {name: digest(f"{images}/{name}") for name in names}
    fresh = names[len(names) // 2:]
    acknowledged = {known[name] for name in names[: len(names) // 2]}
    paths = [
        f"{place}/{file}" for place, _, files in os.walk(mount + "/by-uid") for file in files
    ]
    old = [(digest(path), path) for path in paths]
    assert {sum for sum, _ in old} == acknowledged
    usual = remount()

    log = open(archive + "/receive.log", "w+")
    receiver = subprocess.Popen(
        [pacsfs, "receive", "--archive", archive, "--port", "0", "--aet", "PACS", "--bind",
         "127.0.0.1"], stderr=log,
    )  # fmt: skip
    port = None
    while port is None:
        assert receiver.poll() is None, "there is no receiver"
        found = re.search(r" receives on port (\d+),", open(archive + "/receive.log").read())
        port = found and found[1]
        time.sleep(0.05)
    users = [
        subprocess.Popen(
            as_user(uid, sys.executable, here + "/attacker.py", mount, images, str(seed + uid),
                    str(count // len(attackers)), port),
            cwd="/", stderr=subprocess.DEVNULL,
        )
        for uid in attackers
    ]  # fmt: skip
    threads = [threading.Thread(target=each) for each in [copy, read, make_trouble]]
    for thread in threads:
        thread.start()
    for user, uid in zip(users, attackers):
        try:
            user.wait(240)
        except subprocess.TimeoutExpired:
            fault(f"the attacker {uid} had not ended after 240 s")
    threads[2].join()
    over.set()
    for thread in threads:
        thread.join()
    for user in users:
        user.kill()
        user.wait(60)
    receiver.terminate()
    receiver.wait(60)
    print(f"{time.monotonic() - begin:.1f} s: kill -9", flush=True)
    taken = remount()
    if taken > usual + 5:
        fault(f"the start after kill -9 took {taken:.1f} s instead of {usual:.1f} s")
    check()
    return 1 if faults else 0


def remount():
    """Kills the daemon, and returns how long the start takes, in seconds."""
    daemon = int(re.sub(r"\D", "", open(archive + "/lock").read()))
    os.kill(daemon, 9)
    subprocess.run(["fusermount3", "-u", "-z", mount])
    while os.path.exists(f"/proc/{daemon}") and "Z" not in state(daemon):
        time.sleep(0.02)
    start = time.monotonic()
    subprocess.run([pacsfs, "mount", mount, "--archive", archive], check=True)
    return time.monotonic() - start


def state(process):
    try:
        return open(f"/proc/{process}/stat").read().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def check():
    """Every image that a program was told to be safe is there."""
    end = time.monotonic() + 30
    while True:
        there, unreadable = set(), []
        for place, _, files in os.walk(mount + "/by-uid"):
            for file in files:
                try:
                    there.add(digest(f"{place}/{file}"))
                except OSError as error:
                    unreadable.append(str(error))
        lost = acknowledged - there
        if not lost and not unreadable:
            break
        if time.monotonic() > end:
            return fault(
                f"{len(lost)} acknowledged images are lost: {sorted(lost)[:3]}; {unreadable[:3]}"
            )
        time.sleep(0.5)
    found = subprocess.run(
        [pacsfs, "verify", "--archive", archive], capture_output=True, text=True
    )
    # What the attackers left may still want attention.
    if found.returncode != 0 and "nothing was changed or lost" not in found.stdout:
        fault(f"verify: {found.stdout}{found.stderr}")


sys.exit(main())
