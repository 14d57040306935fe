import Foundation
import TestSupport
import SyntheticStudy
import Testing

/// Copies of the whole mount, kept up to date: no file is copied twice.
@Suite(
    "Repeated backups", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct RepeatedBackupTests {
    /// One copy with every name a file of its own, one with the names of an image as links.
    private static let copies = [("-a", "plain"), ("-aH", "linked")]

    /// The changes that `rsync` makes to a copy, one line of `--itemize-changes` each.
    private func rsync(_ archive: MountedArchive, _ copy: (String, String)) throws -> [String] {
        try archive.mustShell("rsync \(copy.0) --delete --itemize-changes \"$M/\" \(copy.1)/").lines
    }

    /// Archives images that differ from each other in their UIDs only, some of each series.
    private func importImages(
        _ numbers: Range<Int>, ofSeries series: Range<UInt64>, _ archive: MountedArchive
    ) throws {
        try archive.mustShell("rm -rf new && mkdir new")
        for seed in series {
            var image = SyntheticImage(seed: seed)
            image.picture = .thorax(rows: 16, columns: 16, seed: seed)
            let (uid, bytes) = (Array(image.sopInstanceUID.utf8), image.write())
            let places = bytes.indices.filter {
                bytes[$0] == uid[0] && bytes[$0...].starts(with: uid)
            }
            try #require(places.count == 2)
            for number in numbers {
                var copy = bytes
                let digits = Array(String(number).utf8)
                for place in places {
                    copy.replaceSubrange(place + uid.count - 4..<place + uid.count, with: digits)
                }
                let url = URL(fileURLWithPath: "\(archive.work)/new/\(seed)-\(number)")
                try Data(copy).write(to: url)
            }
        }
        let run = try archive.pacsfs("import", "new")
        try #require(run.succeeded, "\(run.report)")
    }

    /// The changes without those of the status, of which there is news: both files, and each once.
    private func withoutStatus(_ changes: [String]) throws -> [String] {
        let documents = changes.filter {
            $0.hasSuffix(" status.html") || $0.hasSuffix(" metrics.prom")
        }
        #expect(documents.count == 2 && documents.allSatisfy { $0.hasPrefix(">f") }, "\(documents)")
        return changes.filter { !documents.contains($0) }
    }

    @Test(
        """
        rsync of the whole mount copies only new files, after a remount, a rebuild, a change of \
        views and 1,000 more images
        """,
        // Both read modes, and a user who is not root.
        arguments: Setting.modes)
    func rsyncAgain(_ setting: Setting) throws {
        // Without root, rsync -H reports changes of modes that it made itself.
        let copies = setting == .unprivileged ? Array(Self.copies.prefix(1)) : Self.copies
        try MountedArchive.with(setting, isMounted: false) { archive in
            // Three views are as good as nine, and have fewer files to take away at the end.
            try archive.configure { text in
                let isKept = { (line: Substring) in
                    !line.hasPrefix("by-")
                        || ["by-id", "by-date", "by-uid"].contains { line.hasPrefix($0 + " ") }
                }
                return text.split(separator: "\n", omittingEmptySubsequences: false).filter(isKept)
                    .joined(separator: "\n")
            }
            try archive.importSamples()
            if let corpus = Corpus.shared {
                try corpus.copy(["samples"], to: archive.work + "/corpus")
                try archive.handOver()
                // Some are refused.
                try archive.mustShell("\"$PACSFS\" import corpus >/dev/null 2>&1 || test $? = 1")
            }
            try archive.mount()
            try importImages(1000..<1010, ofSeries: 1..<5, archive)
            let first = try archive.status().instances
            try #require(first >= 57 + (Corpus.shared == nil ? 0 : 300))
            // The rejected files are among them.
            #expect(try archive.namesThatAreNotPortable() == [])
            for copy in copies { #expect(try rsync(archive, copy).count > first * 3) }
            for step in ["true", "\"$PACSFS\" rebuild >/dev/null 2>&1"] {
                for copy in copies { #expect(try rsync(archive, copy) == []) }
                try archive.unmount()
                try archive.mustShell(step)
                try archive.mount()
            }
            for copy in copies { #expect(try rsync(archive, copy) == []) }

            let identified = Set(try archive.mustShell("cd \"$M\" && find by-id -type f").lines)
            try archive.changeViews {
                $0.replacing("by-id = \"{PatientID}/", with: "by-id = \"id {PatientID}/")
            }
            let renamed = Set(try archive.mustShell("cd \"$M\" && find by-id -type f").lines)
                .subtracting(identified).count
            #expect((57...first).contains(renamed))
            for copy in copies {
                let changes = try rsync(archive, copy)
                #expect(changes.count { $0.hasPrefix(copy.0 == "-a" ? ">f" : "hf") } == renamed)
                let elsewhere = changes.filter {
                    !$0.contains(" by-id/") && !$0.hasSuffix(" ./")
                        && !$0.hasPrefix("*deleting   by-id/")
                }
                #expect(elsewhere == [])
            }

            let before = Set(try archive.mustShell("cd \"$M\" && find by-* -type f").lines)
            // Of a known series and of new ones.
            try importImages(1010..<1135, ofSeries: 4..<12, archive)
            let names = Set(try archive.mustShell("cd \"$M\" && find by-* -type f").lines)
            #expect(names.isSuperset(of: before))
            let plain = try withoutStatus(
                try rsync(archive, copies[0]).filter {
                    !$0.hasPrefix("cd") && !$0.hasPrefix(".d")
                })
            #expect(
                Set(plain.map { $0.drop { $0 != " " }.dropFirst() })
                    == Set(names.subtracting(before).map { $0[...] }))
            #expect(plain.allSatisfy { $0.hasPrefix(">f+++++++++ ") } && plain.count == 1000 * 3)
            guard copies.count > 1 else { return }
            // Of each image one name is copied, the others are linked.
            let linked = try withoutStatus(
                try rsync(archive, copies[1]).filter {
                    !$0.hasPrefix("cd") && !$0.hasPrefix(".d")
                })
            #expect(linked.count { $0.hasPrefix(">f+++++++++ ") } == 1000)
            #expect(
                linked.allSatisfy { $0.hasPrefix(">f+++++++++ ") || $0.hasPrefix("hf+++++++++ ") }
                    && linked.count == plain.count)
            #expect(
                try archive.mustShell("rsync -aHn --delete --itemize-changes \"$M/\" linked/")
                    .output == "")
        }
    }
}
