import Glibc
import TestSupport
import Testing

/// Programs that read the archive. Every one is run with both ways of reading, and by a user who is
/// not root.
@Suite(
    "Programs that read", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .sharedArchives { try $0.importSamples() })
struct ReadingTests {
    /// Names that the 17 sample images have together.
    private static let names = 17 * MountedArchive.views.count

    @Test("status says how images are read", arguments: Setting.allCases)
    func readMode(_ setting: Setting) throws {
        let archive = try SharedArchives.archive(in: setting)
        let expected: ReadMode =
            setting.mode == .passthrough && ReadMode.hasPassthrough ? .passthrough : .cached
        #expect(try archive.status().readMode == expected.rawValue)
        // It also checks that the setting is what it claims.
        let daemon = try #require(archive.daemon)
        let user = setting == .unprivileged && geteuid() == 0 ? OtherUser.uid : geteuid()
        #expect(
            try archive.mustShell("id -u; stat -c %u /proc/\(daemon)").lines == [
                "\(user)", "\(user)",
            ])
        let readme = try archive.readBelowMount("README.txt")
        #expect(try archive.mustShell("cat \"$M/README.txt\"").outputBytes == readme)
    }

    @Test("find sees every image once in every view", arguments: Setting.allCases)
    func find(_ setting: Setting) throws {
        let archive = try SharedArchives.archive(in: setting)
        for view in MountedArchive.views {
            let run = try archive.mustShell("find \"$M/\(view)\" -type f -name '*.dcm'")
            #expect(run.lines.count == 17, "\(run.report)")
            #expect(Set(run.lines).count == 17)
        }
        // Searches by depth and by size: find trusts link counts.
        let deep = try archive.mustShell("find \"$M\" -mindepth 2 -size +1k -type f | wc -l")
        #expect(deep.output == "\(Self.names)\n")
        #expect(
            try archive.mustShell("find \"$M\" -type f -readable -newermt 2020-01-01 | wc -l")
                .output == "\(Self.names + 4)\n")
    }

    @Test(
        "ls -lR and ls -li show sizes and inodes without a complaint", arguments: Setting.allCases)
    func list(_ setting: Setting) throws {
        let archive = try SharedArchives.archive(in: setting)
        let run = try archive.mustShell("ls -lR \"$M\"")
        #expect(run.errors.isEmpty)
        #expect(
            run.lines.count { $0.hasPrefix("-r--r--r--") && $0.hasSuffix(".dcm") } == Self.names)
        let sizes = try archive.mustShell("find samples -name '*.dcm' -printf '%s\\n' | sort -n")
        let shown = try archive.mustShell("find \"$M/by-date\" -type f -printf '%s\\n' | sort -n")
        #expect(sizes.output == shown.output)
    }

    @Test("tar reads everything, and compares it to be the same", arguments: Setting.allCases)
    func tar(_ setting: Setting) throws {
        let archive = try SharedArchives.archive(in: setting)
        let run = try archive.mustShell(
            """
            tar -C \"$M\" -cf - . | tar -C \"$M\" -df -; tar -C \"$M\" -cf tar.tar by-patient; \
            mkdir tar; tar -C tar -xf tar.tar; diff -r tar/by-patient \"$M/by-patient\"
            """
        )
        #expect(run.output.isEmpty && run.errors.isEmpty, "\(run.report)")
    }

    @Test(
        "rsync -a transfers everything once, and nothing again, also after a remount",
        arguments: Setting.allCases)
    func rsync(_ setting: Setting) throws {
        let archive = try SharedArchives.archive(in: setting)
        let transfer = "rsync -a --itemize-changes \"$M/\" rsync/"
        #expect(
            try archive.mustShell(transfer).lines.count { $0.hasPrefix(">f") } == Self.names + 4)
        #expect(try archive.mustShell(transfer).output == "")
        #expect(try archive.mustShell("rsync -ac --itemize-changes \"$M/\" rsync/").output == "")
        try archive.unmount()
        try archive.mount()
        #expect(try archive.mustShell(transfer).output == "")
        // With -H, the names of an image are one file.
        try archive.mustShell("rsync -aH \"$M/\" linked/")
        #expect(
            try archive.mustShell(
                "find linked -name '*.dcm' -links \(MountedArchive.views.count) | wc -l"
            ).output == "\(Self.names)\n")
    }

    @Test(
        "md5sum, cp -a, dd and cat read the bytes that were archived", arguments: Setting.allCases)
    func bytes(_ setting: Setting) throws {
        let archive = try SharedArchives.archive(in: setting)
        let run = try archive.mustShell(
            """
            find samples -type f -exec md5sum {} + | cut -c1-32 | sort >expected
            for view in "$M"/by-*; do
                find "$view" -type f -exec md5sum {} + | cut -c1-32 | sort | diff expected -
            done
            cp -a "$M/by-id" copy
            diff -r copy "$M/by-id"
            test "$(stat -c %Y copy/*/*/*/00001.dcm | head -1)" = "$(stat -c %Y \
            "$M"/by-id/*/*/*/00001.dcm | head -1)"
            find "$M/by-uid" -type f | while IFS= read -r image; do
                dd if="$image" bs=1000 skip=3 status=none | cmp - <(tail -c +3001 "$image")
                dd if="$image" bs=7 skip=500 count=100 status=none | cmp - <(cat "$image" | tail \
            -c +3501 | head -c 700)
                dd if="$image" bs=512 iflag=direct status=none | cmp - "$image"
            done
            """)
        #expect(run.output.isEmpty, "\(run.report)")
    }

    @Test("A memory map reads the same as read()", arguments: Setting.allCases)
    func memoryMap(_ setting: Setting) throws {
        let archive = try SharedArchives.archive(in: setting)
        let run = try archive.python(
            """
            count = 0
            for folder, _, names in os.walk(M + '/by-patient'):
                for name in names:
                    with open(folder + '/' + name, 'rb') as file:
                        shared = mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ)
                        private = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | \
            mmap.PROT_WRITE)
                        last = shared[-1]
                        bytes = file.read()
                        assert shared[:] == bytes == private[:] and bytes[-1] == last
                        private[0] = 255 - private[0]
                        file.seek(0)
                        assert file.read() == bytes == shared[:]
                        count += 1
            print(count)
            """)
        #expect(run.output == "17\n")
    }

    @Test("Sixteen readers at once read the same bytes", arguments: Setting.allCases)
    func parallel(_ setting: Setting) throws {
        let archive = try SharedArchives.archive(in: setting)
        let run = try archive.mustShell(
            """
            find samples -type f -exec sha256sum {} + | cut -c1-64 | sort >expected
            seq 16 | xargs -P 16 -I{} bash -c '
                find "$M"/by-* -type f -print0 | shuf -z --random-source=<(yes {}) \
                    | xargs -0 sha256sum | cut -c1-64 | sort -u >seen.{}'
            for i in $(seq 16); do cmp expected seen.$i; done
            """)
        #expect(run.output.isEmpty, "\(run.report)")
    }

    @Test(
        "du counts an image once, and df shows the space for incoming",
        arguments: Setting.allCases)
    func space(_ setting: Setting) throws {
        let archive = try SharedArchives.archive(in: setting)
        let original = try archive.mustShell("cat $(find samples -type f | tr ' ' '?') | wc -c")
        let shown = try archive.mustShell(
            "du -sb --apparent-size \"$M/by-date\" \"$M/by-patient\" | cut -f1")
        #expect(
            shown.lines == [original.lines[0]] || shown.lines == [original.lines[0], "0"],
            "\(shown.report)")
        let free = try archive.mustShell("df --output=avail,size,iavail \"$I\" | tail -1").output
            .split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        #expect(free.count == 3 && free.allSatisfy { $0 > 0 } && free[0] <= free[1])
        let volume = try archive.mustShell("df --output=avail ../volume1 | tail -1").output
            .split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        #expect(free[0] <= volume[0])
    }

    @Test(
        "An image is one inode in all views, with a link for each, and keeps it after a remount",
        arguments: Setting.allCases)
    func inodes(_ setting: Setting) throws {
        let archive = try SharedArchives.archive(in: setting)
        let full =
            """
            find \"$M\" -path \"$I\" -prune -o -path \"$M/rejected\" -prune -o -printf '%P %i %n \
            %s %m %u %g %T@ %C@ %y\\n' | sort
            """
        let first = try archive.mustShell(full)
        for view in MountedArchive.views {
            let images = try archive.mustShell(
                "find \"$M/\(view)\" -type f -printf '%i %n\\n' | sort")
            let other = try archive.mustShell(
                "find \"$M/by-uid\" -type f -printf '%i \(MountedArchive.views.count)\\n' | sort")
            #expect(images.output == other.output)
            #expect(Set(images.lines).count == 17)
        }
        let all = try archive.mustShell(
            "find \"$M\" -type d -printf '%i\\n' -o -name README.txt -printf '%i\\n'"
        ).lines
        #expect(Set(all).count == all.count, "Two directories have one inode number.")
        try archive.unmount()
        try archive.mount()
        #expect(try archive.mustShell(full).output == first.output)
        // d_ino, as readdir gives it, is st_ino.
        try archive.python(
            """
            for folder, directories, files in os.walk(M):
                for entry in os.scandir(folder):
                    assert entry.inode() == os.lstat(entry.path).st_ino, entry.path
            """)
    }

    @Test("Files of two views are the same for diff", arguments: Setting.allCases)
    func diff(_ setting: Setting) throws {
        let archive = try SharedArchives.archive(in: setting)
        let run = try archive.mustShell(
            """
            for view in patient owner; do
                mkdir $view
                find "$M/by-$view" -type f | while IFS= read -r image; do
                    ln -s "$image" "$view/$(stat -c %i "$image")"
                done
            done
            ls patient | wc -l
            diff -r patient owner
            """)
        #expect(run.output == "17\n", "\(run.report)")
    }

    @Test(
        "Directories can be read with a small buffer, and from an earlier position",
        arguments: Setting.allCases)
    func directoryPositions(_ setting: Setting) throws {
        let archive = try SharedArchives.archive(in: setting)
        try archive.python(
            """
            import ctypes
            libc = ctypes.CDLL(None, use_errno=True)
            libc.opendir.restype = libc.readdir.restype = ctypes.c_void_p
            libc.opendir.argtypes = [ctypes.c_char_p]
            libc.readdir.argtypes = libc.telldir.argtypes = libc.closedir.argtypes = \
            [ctypes.c_void_p]
            libc.telldir.restype = ctypes.c_long
            libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
            def name(stream):
                entry = libc.readdir(stream)
                return ctypes.string_at(entry + 19) if entry else None
            for folder in [M] + [root for root, _, _ in os.walk(M + '/by-modality')]:
                stream = libc.opendir(folder.encode())
                names, places = [], []
                while True:
                    places.append(libc.telldir(stream))
                    found = name(stream)
                    if found is None: break
                    names.append(found)
                assert len(names) == len(set(names)) == len(os.listdir(folder)) + 2
                for index in reversed(range(len(names))):
                    libc.seekdir(stream, places[index])
                    assert name(stream) == names[index]
                libc.closedir(stream)
            """)
    }
}
