import Glibc
import TestSupport
import Testing

/// Nobody can change archived images through the mount, not even root.
@Suite(
    "Views are read-only", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct ReadOnlyTests {
    /// Commands on `$F`, an image in a view, and `$D`, its directory.
    private static let commands = [
        "touch \"$F\"", "touch \"$D/new\"", "rm -f \"$F\"", "rm -rf \"$D\"", "rmdir \"$D\"",
        "mv \"$F\" \"$D/other.dcm\"", "mv \"$D\" \"$D.other\"", "mkdir \"$D/new\"",
        "ln \"$F\" \"$D/other.dcm\"", "ln -s \"$F\" \"$D/other.dcm\"", "chmod 600 \"$F\"",
        "chmod 700 \"$D\"", "chown 1:1 \"$F\"", "truncate -s 0 \"$F\"", "truncate -s +1 \"$F\"",
        "bash -c ': >\"$F\"'", "bash -c 'echo x >>\"$F\"'", "bash -c 'exec 3<>\"$F\"'",
        "dd if=/dev/zero of=\"$F\" bs=1 count=1 conv=notrunc status=none", "cp 1.dcm \"$F\"",
        "cp 1.dcm \"$D/new.dcm\"", "mkfifo \"$D/pipe\"", "cp -r samples \"$M/new-view\"",
        "touch \"$M/README.txt\"", "rm -f \"$M/README.txt\"", "mkdir \"$M/by-owner/x\"",
        "rmdir \"$M/by-owner\"", "rmdir \"$M/incoming\"", "mv \"$M/by-id\" \"$M/by-number\"",
        "touch \"$R\"", "rm -f \"$R\"", "mkdir \"$M/rejected/new\"", "bash -c 'echo x >>\"$R\"'",
    ]

    @Test(
        "Every attempt to change a view is refused, for root because the file system is read-only",
        arguments: Setting.modes)
    func changes(_ setting: Setting) throws {
        try MountedArchive.with(setting) { archive in
            try archive.importSamples()
            try archive.writeImages()
            try archive.mustShell(
                "echo no image >text.txt; \"$PACSFS\" import text.txt && exit 9 || test $? = 1")
            let image = try #require(try archive.image(Files.digest(archive.work + "/1.dcm")))
            let path = try #require(image.paths.first { $0.contains("/by-patient/") })
            let rejected = try archive.mustShell("ls \"$M\"/rejected/*/text.txt").lines[0]
            let folder = path.split(separator: "/").dropLast().joined(separator: "/")
            let places = ["F": path, "D": "/" + folder, "R": rejected]
            let before = try Files.digests { try archive.run($0, in: archive.mountpoint) }
            for command in Self.commands {
                let run = try archive.shell(command, places)
                #expect(run.code != 0, "\(command) succeeded")
                // Other users than root are already stopped by the modes.
                let reasons =
                    ["Read-only file system"]
                    + (setting == .unprivileged
                        ? ["Permission denied", "Operation not permitted"] : [])
                #expect(reasons.contains { run.errors.contains($0) }, "\(run.report)")
            }
            #expect(try Files.digests { try archive.run($0, in: archive.mountpoint) } == before)
            #expect(before.count == MountedArchive.views.count * 17 + 6)
            #expect(
                try archive.mustShell("stat -c '%a %h %s' \"$F\"", places).output
                    == "444 \(MountedArchive.views.count) \(image.bytes)\n")
        }
    }

    @Test("Nothing moves between incoming and the views: EXDEV, and EROFS the other way")
    func moves() throws {
        try MountedArchive.with { archive in
            try archive.importSamples()
            try archive.writeImages()
            let run = try archive.python(
                """
                import errno
                def fails(number, call, *names):
                    try: call(*names)
                    except OSError as error: assert error.errno == number, (names, error)
                    else: raise AssertionError(names)
                view = next(f for f, d, n in os.walk(M + '/by-patient') if n)
                image = view + '/' + os.listdir(view)[0]
                open(I + '/a.part', 'wb').close(); os.mkdir(I + '/folder')
                fails(errno.EXDEV, os.rename, I + '/a.part', view + '/new.dcm')
                fails(errno.EXDEV, os.rename, I + '/a.part', image)
                fails(errno.EXDEV, os.rename, I + '/a.part', M + '/a.dcm')
                fails(errno.EXDEV, os.rename, I + '/folder', M + '/by-patient/folder')
                fails(errno.EROFS, os.rename, image, I + '/a.dcm')
                assert sorted(os.listdir(I)) == ['a.part', 'folder']
                os.unlink(I + '/a.part'); os.rmdir(I + '/folder')
                print(image)
                """)
            let message = try archive.shell("mv -T samples \"$M/by-id/new\"")
            #expect(
                message.code != 0 && message.errors.contains("Read-only file system"),
                "\(message.report)")
            let link = try archive.shell("ln \"$F\" \"$I/a.dcm\"", ["F": run.lines[0]])
            #expect(link.code != 0, "\(link.report)")
        }
    }
}
