import Foundation
import TestSupport
import Storage
import SyntheticStudy
import Testing

/// The power fails while files are copied into a mount. Every file that `cp` copied without an
/// error must be there.
@Suite(
    "A power cut under a mount",
    .enabled(
        if: PacsfsProgram.canMount && PacsfsProgram.path != nil,
        "there is no /dev/fuse, or no pacsfs"))
struct MountPowerCutTests {
    /// Copies the files one after the other, and writes into the trace which of them are safe.
    private func copy(_ sources: [TestArchive.Source], into mount: CrashingMount) throws {
        let trace = open(mount.trace, O_WRONLY | O_APPEND)
        defer { close(trace) }
        for source in sources {
            let safe = try mount.write([[source.path]], to: "cut")
            try #require(safe == [source.path])
            let mark = TraceRecord.mark("archived\t\(source.path)\n")
            try #require(Glibc.write(trace, mark, mark.count) == mark.count)
        }
    }

    /// Writes a file and syncs it; it is closed after the mark says that it is safe.
    private func sync(_ source: TestArchive.Source, into mount: CrashingMount) throws {
        let folder = "\(mount.mountpoint)/incoming/open/below"
        let made = try ProgramRun(["mkdir", "-p", folder])
        try #require(made.succeeded, "\(made.report)")
        let file = open(folder + "/synced.txt", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        defer { close(file) }
        let bytes = try Files.read(source.path)
        try #require(Glibc.write(file, bytes, bytes.count) == bytes.count && fsync(file) == 0)
        let trace = open(mount.trace, O_WRONLY | O_APPEND)
        defer { close(trace) }
        let mark = TraceRecord.mark("archived\t\(source.path)\n")
        try #require(Glibc.write(trace, mark, mark.count) == mark.count)
    }

    /// Copies a zip archive; its members are safe then.
    private func copyZip(_ members: [TestArchive.Source], into mount: CrashingMount) throws
        -> TestArchive.Source
    {
        let zip = mount.folder.path + "/sources/set.zip"
        let made = try ProgramRun(
            ["python3", "-m", "zipfile", "-c", zip] + members.map(\.path))
        try #require(made.succeeded, "\(made.report)")
        try #require(try mount.write([[zip]], to: "cut") == [zip])
        let trace = open(mount.trace, O_WRONLY | O_APPEND)
        defer { close(trace) }
        let mark = TraceRecord.mark(members.map { "archived\t\($0.path)\n" }.joined())
        try #require(Glibc.write(trace, mark, mark.count) == mark.count)
        return TestArchive.Source(
            path: zip, digest: Digest.of(try Files.read(zip)).hex, isImage: false)
    }

    /// Waits until a file that is no image has gone from incoming to rejected.
    private func waitUntilSetAside(_ name: String, in mount: CrashingMount) throws {
        let isSetAside = eventually {
            let run = try? ProgramRun(["find", mount.mountpoint + "/rejected", "-name", name])
            let left = try? ProgramRun(["find", mount.mountpoint + "/incoming", "-name", name])
            return run?.lines.count == 1 && left?.lines.isEmpty == true
        }
        #expect(isSetAside)
    }

    @Test(
        """
        leaves everything that was copied, was synced and is still open, lay in a zip archive, or \
        is set aside
        """
    )
    func cut() throws {
        let folder = try TemporaryFolder()
        let notes = Array("Rex was very good.\n".utf8)
        let study = SyntheticStudy(seed: 5, imagesPerSeries: 5, side: 24)
        let sources =
            try study.images().enumerated().map { number, image in
                let bytes = image.write()
                let path = "\(folder.path)/sources/\(number).dcm"
                try Files.write(bytes, to: path)
                return TestArchive.Source(path: path, digest: Digest.of(bytes).hex, isImage: true)
            }
            + [
                TestArchive.Source(
                    path: "\(folder.path)/sources/notes.txt", digest: Digest.of(notes).hex,
                    isImage: false)
            ]
        let letter = Array("Dear client\n".utf8)
        let synced = TestArchive.Source(
            path: "\(folder.path)/sources/letter.txt", digest: Digest.of(letter).hex, isImage: false
        )
        try Files.write(letter, to: synced.path)
        try Files.write(notes, to: "\(folder.path)/sources/notes.txt")
        let members = try (0..<4).map { number in
            let bytes =
                number == 3
                ? SyntheticStudy(seed: 6, imagesPerSeries: 1, side: 24).image(series: 0, index: 0)
                    .write()
                : Array("Page \(number)\n".utf8)
            let path = "\(folder.path)/sources/member\(number)"
            try Files.write(bytes, to: path)
            return TestArchive.Source(
                path: path, digest: Digest.of(bytes).hex, isImage: number == 3)
        }
        let mount = try CrashingMount(in: folder, number: 1)
        defer { mount.remove() }
        let roots = mount.volumes + [mount.archive]
        let model = try DiskModel(roots: roots)
        // The interposer cannot trace what the kernel writes without the daemon.
        let started = try mount.mount(isTraced: true, passthrough: false)
        try #require(started.succeeded, "\(started.report)")
        try copy(sources, into: mount)
        try waitUntilSetAside("*notes.txt", in: mount)
        let zip = try copyZip(members, into: mount)
        try sync(synced, into: mount)
        try mount.unmount()
        let given = sources + members + [synced, zip]
        let trace = try TraceRecord.all(in: mount.trace)

        var random = SeededRandom(seed: FaultSeed.value, 0x6d6f)
        var heard = ""
        var cuts = 0
        for (number, record) in trace.enumerated() {
            if record.kind == .mark || record.isSync && random.below(4) == 0 {
                try check(mount, model, heard, given, number, nil)
                if random.below(2) == 0 {
                    try check(
                        mount, model, heard, given, number,
                        .init(seed: FaultSeed.value &+ UInt64(number)))
                }
                cuts += 1
            }
            try model.apply(record)
            if record.kind == .mark { heard += String(decoding: record.payload, as: UTF8.self) }
        }
        try check(mount, model, heard, given, trace.count, nil)
        #expect(cuts >= 15)
    }

    private func check(
        _ mount: CrashingMount, _ model: DiskModel, _ heard: String,
        _ sources: [TestArchive.Source], _ number: Int,
        _ chance: Survivor.Chance?
    ) throws {
        for path in mount.volumes + [mount.archive] {
            let removal = try ProgramRun(["rm", "-rf", "--", path])
            try #require(removal.succeeded, "\(removal.report)")
        }
        var survivor = Survivor(chance)
        try survivor.put(model)
        let place: Comment =
            """
            cut before call \
            \(number)\(chance == nil ? "" : ", PACSFS_FAULT_SEED=\(FaultSeed.value)")
            """
        let safe = ImportRun.acknowledged(ImportRun.outcomes(in: heard), of: sources)
        let problems = try mount.problems(
            given: sources, acknowledged: safe, options: [.afterPowerLoss])
        #expect(problems == [], place)
    }
}
