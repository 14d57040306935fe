import Foundation
import TestSupport
import Testing

/// Disks that are taken home, as a practice has them: mounted, unmounted, pulled out, hanging.
@Suite(
    "Removable disks of a mounted archive", .serialized,
    .enabled(
        if: PacsfsProgram.canMount && LosableDisk.isPossible, "loop devices need root and FUSE"))
struct RemovableMountTests {
    /// An archive with images, and a disk that is a removable volume.
    private func with(
        patience: Int? = nil, _ body: (MountedArchive, LosableDisk) throws -> Void
    ) throws {
        var disk: LosableDisk?
        defer { disk?.unmount() }
        try MountedArchive.with(minimumCopies: 1) { archive in
            if let patience {
                try archive.unmount()
                try archive.configure {
                    $0.replacing("patience = 30", with: "patience = \(patience)")
                }
                try archive.mount()
            }
            let usb = try LosableDisk(at: archive.folder.path("usb"))
            disk = usb
            // Before the folder is removed that it is mounted in.
            defer { usb.unmount() }
            try archive.importSamples()
            let add = try archive.pacsfs(
                "volume", "add", "\(usb.path)/pacsfs", "--role", "removable")
            try #require(add.succeeded, "\(add.report)")
            try body(archive, usb)
        }
    }

    private func wait(_ text: String, _ archive: MountedArchive) throws {
        let isSo = try eventually(within: 60) {
            try archive.pacsfs("status").output.contains(text)
        }
        let status = try archive.pacsfs("status").output
        try #require(isSo, "\(text): \(status)")
    }

    /// Everything that the first volume has, and nothing else.
    private func expectSame(_ archive: MountedArchive, _ disk: LosableDisk) throws {
        try archive.mustShell(
            """
            diff -r '\(archive.volumes[0])/blobs' '\(disk.path)/pacsfs/blobs'
            diff -r '\(archive.volumes[0])/ledger' '\(disk.path)/pacsfs/ledger'
            """)
    }

    @Test("Plugged in it catches up and may be removed; another takes turns; it can be given up")
    func life() throws {
        try with { archive, disk in
            let place = "\(disk.path)/pacsfs"
            try wait("complete, may be removed", archive)
            try expectSame(archive, disk)
            #expect(try archive.pacsfs("volume", "list").output.contains("Removable  \(place)"))
            #expect(try archive.pacsfs("doctor").output.contains("removable volume \(place)"))
            // It is in nobody's use.
            try archive.mustShell("umount '\(disk.path)'")
            try wait("not here", archive)
            try archive.importSeries(1...2)
            #expect(try archive.pacsfs("status").output.contains("4 images since"))
            try disk.mount()
            try wait("complete, may be removed", archive)
            try expectSame(archive, disk)
            try archive.mustShell("test -s '\(place)/README.txt'")
            // Another disk, at the same path.
            try disk.replaceByEmpty()
            try wait("not here", archive)
            let add = try archive.pacsfs("volume", "add", place, "--role", "removable")
            try #require(add.succeeded, "\(add.report)")
            try wait("complete, may be removed", archive)
            try expectSame(archive, disk)
            let lines = try archive.pacsfs("status").lines.filter { $0.hasPrefix("Removable") }
            #expect(lines.count == 2)
            let retire = try archive.pacsfs("volume", "retire", place)
            #expect(retire.succeeded && retire.output.contains("They keep what they have"))
            #expect(try !archive.pacsfs("status").output.contains("Removable"))
            try archive.mustShell("test -s '\(place)/README.txt'; umount '\(disk.path)'")
        }
    }

    @Test("Pulled out in the middle it lacks what it lacks, and catches up")
    func pulled() throws {
        try with { archive, disk in
            try wait("complete, may be removed", archive)
            try archive.importSeries(1...30, images: 4)
            let isUnderWay = eventually(within: 30) {
                let run = try? ProgramRun(
                    ["find", disk.path + "/pacsfs/blobs", "-name", "*.dcm"])
                return (run?.lines.count ?? 0) > 20
            }
            #expect(isUnderWay)
            try disk.lose(.pulled)
            try wait("INCOMPLETE", archive)
            // Nobody else notices.
            try archive.importSeries(40...41)
            try disk.bringBack()
            try wait("complete, may be removed", archive)
            try expectSame(archive, disk)
            try archive.mustShell("\"$PACSFS\" verify >/dev/null || test $? = 1")
        }
    }

    @Test("One that hangs holds up nobody, and is complete when it answers again")
    func hanging() throws {
        try with(patience: 2) { archive, disk in
            try wait("complete, may be removed", archive)
            try archive.mustShell("fsfreeze -f '\(disk.path)'")
            defer { _ = try? ProgramRun(["fsfreeze", "-u", disk.path]) }
            try archive.importSeries(1...2)
            try wait("INCOMPLETE", archive)
            // Images come and are read as before, and status answers.
            try archive.importSeries(3...4)
            try archive.mustShell("find \"$M/by-uid\" -type f -exec cat {} + >/dev/null")
            try archive.mustShell("fsfreeze -u '\(disk.path)'")
            try wait("complete, may be removed", archive)
            try expectSame(archive, disk)
        }
    }
}
