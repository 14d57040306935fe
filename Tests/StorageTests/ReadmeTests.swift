import TestSupport
import Foundation
import JSON
import Testing

@testable import Storage

@Suite("README.txt of a volume") struct ReadmeTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Runs a command of the README as it stands there, in the volume's folder.
    private func run(_ command: String, in volume: Volume) throws -> (output: String, status: Int32)
    {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", command]
        process.currentDirectoryURL = URL(fileURLWithPath: volume.path)
        process.environment = ["HOME": folder.path, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"]
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (String(decoding: output, as: UTF8.self), process.terminationStatus)
    }

    private func commands(of volume: Volume) throws -> [String] {
        try text(volume.path + "/README.txt").split(separator: "\n")
            .filter { $0.hasPrefix("    ") }.map { String($0.dropFirst(4)) }
    }

    @Test("recovers by hand: checks, copies, finds, and follows the chain") func commands() throws {
        let volume = try folder.volume()
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive)
        for seed in 1...3 as ClosedRange<UInt64> {
            let source = try folder.file("\(seed)", content(seed))
            let staged = StagedBlob(digest: .of(content(seed)), bytes: 1000)
            try volume.stageCopy(from: source.number, as: staged.digest, bytes: 1000)
            _ = try volume.commit([staged])
            let body: JSONObject = [
                "sha256": .string(staged.digest.hex),
                "patient": seed == 2 ? "SMITH^REX" : "A\\B \"C\"",
            ]
            _ = try ledger.append([LedgerEntry(kind: "ingest", by: "test", body: body)])
        }
        let commands = try commands(of: volume)
        #expect(commands.count == 4)
        let (check, copy, find, chain) = (commands[0], commands[1], commands[2], commands[3])

        #expect(try run(check, in: volume) == ("", 0))
        #expect(try run(copy, in: volume) == ("", 0))
        #expect(
            Set(try files(below: folder.path("recovered")))
                == Set((1...3).map { Digest.of(content($0)).hex + ".dcm" }))
        let found = try run(find, in: volume).output
        #expect(
            found.contains(Digest.of(content(2)).hex) && found.split(separator: "\n").count == 1)
        #expect(try run(chain, in: volume) == ("", 0))

        // Damage shows.
        let blob = volume.path + "/" + volume.blobPath(.of(content(1)))
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: blob)
        try write(content(9), to: blob)
        let checked = try run(check, in: volume)
        #expect(checked.output.contains("FAILED") && checked.status != 0)
        let segment = volume.path + "/ledger/6f1d9c1e/000001.jsonl"
        try write(Array(try text(segment).replacing("REX", with: "MAX").utf8), to: segment)
        #expect(try run(chain, in: volume).output.contains("\"n\":3,"))
    }

    @Test("is about ten lines long") func length() {
        #expect(VolumeReadme.text.split(separator: "\n").count <= 14)
    }
}
