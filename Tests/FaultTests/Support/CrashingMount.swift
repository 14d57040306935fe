import Foundation
import Programs
import Storage
import Testing

/// A mounted archive with two volumes, whose daemon runs under the interposer and dies on command,
/// and writers that copy files into it meanwhile.
final class CrashingMount {
    let folder: TestFolder
    private let number: Int
    private var base: String { "\(folder.path)/\(number)" }
    var archive: String { base + "/archive" }
    var volumes: [String] { [1, 2].map { "\(base)/volume\($0)" } }
    var mountpoint: String { folder.path + "/mount" }
    var trace: String { base + "/trace" }
    private var program: String { PacsfsProgram.path ?? "pacsfs" }

    /// Makes an archive in a folder where others may have been before.
    init(in folder: TestFolder, number: Int) throws {
        self.folder = folder
        self.number = number
        mkdir(mountpoint, 0o755)
        mkdir(base, 0o755)
        let run = try ProgramRun([
            program, "init", "--archive", archive, "--volume", volumes[0], "--volume", volumes[1],
        ])
        guard run.succeeded else { throw ProgramError(description: run.report) }
        let settings = archive + "/pacsfs.toml"
        let text = try Files.text(settings).replacing(/(?m)^settle = .*$/, with: "settle = 1")
        try Files.write(Array(text.utf8), to: settings)
    }

    /// Mounts, also where a dead daemon has left its mount.
    func mount(_ rules: [FaultRule] = [], isTraced: Bool = false, passthrough: Bool = true) throws
        -> ProgramRun
    {
        let environment = try Interposer.environment(
            roots: volumes + [archive], rules: rules, trace: isTraced ? trace : nil)
        let options = passthrough ? [] : ["--no-passthrough"]
        return try ProgramRun(
            [program, "mount", mountpoint, "--archive", archive] + options, environment: environment
        )
    }

    /// Each writer copies its files one after another.
    ///
    /// - Returns: Paths of the files that `cp` copied without an error, which are safe.
    func write(_ writers: [[String]], to name: String) throws -> [String] {
        let script = """
            mkdir -p "$1" 2>/dev/null; shift; IFS=:
            writer() { n=$1; shift; for f; do n=$((n + 1)); cp -- "$f" "$I/$n-${f##*/}" 2>/dev/null && echo "$f" || return; done; }
            n=0; for files; do n=$((n + 100)); writer $n $files & done; wait
            """
        let run = try ProgramRun(
            ["bash", "-c", script, "writers", "\(mountpoint)/incoming/\(name)"]
                + writers.map { $0.joined(separator: ":") },
            environment: ["I": "\(mountpoint)/incoming/\(name)"], timeout: 60)
        guard !run.timedOut else { throw ProgramError(description: run.report) }
        return run.lines
    }

    /// The process that serves the mount, if it lives.
    var daemon: pid_t? {
        guard let text = try? Files.text(archive + "/lock"),
            let process = pid_t(text.filter(\.isNumber)),
            let command = try? Files.text("/proc/\(process)/cmdline"),
            command.split(separator: "\0").contains(Substring(archive))
        else { return nil }
        return process
    }

    /// Makes sure that the daemon is dead.
    func killDaemon() throws {
        guard let process = daemon else { return }
        kill(process, SIGKILL)
        let end = ProgramRun.now() + 10
        while daemon == process {
            guard ProgramRun.now() < end else {
                throw ProgramError(description: "The daemon \(process) does not die.")
            }
            usleep(1000)
        }
    }

    /// Ends it as its users do.
    func unmount() throws {
        let run = try ProgramRun([program, "unmount", mountpoint], timeout: 30)
        guard run.succeeded else { throw ProgramError(description: run.report) }
    }

    private var isMounted: Bool {
        ((try? Files.text("/proc/self/mountinfo")) ?? "").split(separator: "\n").contains { line in
            line.split(separator: " ").dropFirst(4).first.map(String.init) == mountpoint
        }
    }

    /// Leaves neither a process nor a mount nor a file.
    func remove() {
        try? killDaemon()
        if isMounted { _ = try? ProgramRun(["fusermount3", "-uz", "--", mountpoint], timeout: 10) }
        if isMounted {
            Issue.record("\(mountpoint) is still mounted, and was left as it is.")
        } else {
            _ = try? ProgramRun(["rm", "-rf", "--one-file-system", "--", base])
        }
    }

    // MARK: Checking

    /// What is wrong. Both ledgers must be the same, with an unbroken chain, and every acknowledged
    /// file must have its record and a whole copy on each volume.
    ///
    /// - Parameter digests: Of the acknowledged images.
    func problems(acknowledged digests: Set<String>) throws -> [String] {
        var problems: [String] = []
        let ledgers = try volumes.map { volume -> [UInt8] in
            let folder = volume + "/ledger"
            return try FileManager.default.subpathsOfDirectory(atPath: folder).sorted()
                .filter { $0.hasSuffix(".jsonl") }.flatMap { try Files.read(folder + "/" + $0) }
        }
        if ledgers[0] != ledgers[1] { problems.append("the ledgers differ") }
        var recorded: Set<String> = []
        var (previous, number) = (String(repeating: "0", count: 64), 0)
        for line in ledgers[0].split(separator: UInt8(ascii: "\n")) {
            number += 1
            guard
                let record = try? JSONSerialization.jsonObject(with: Data(line)) as? [String: Any],
                record["n"] as? Int == number, record["prev"] as? String == previous
            else {
                problems.append("the ledger breaks at record \(number)")
                break
            }
            previous = Digest.of(Array(line)).hex
            guard record["kind"] as? String == "ingest", let digest = record["sha256"] as? String
            else { continue }
            if !recorded.insert(digest).inserted { problems.append("\(digest) is archived twice") }
        }
        for volume in volumes {
            let staged = try FileManager.default.contentsOfDirectory(
                atPath: volume + "/staging/commit")
            if !staged.isEmpty { problems.append("in staging/commit of \(volume): \(staged)") }
            for hex in recorded {
                let path =
                    "\(volume)/blobs/\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex).dcm"
                if (try? Files.read(path)).map({ Digest.of($0).hex }) != hex {
                    problems.append("\(path) is not whole")
                }
            }
            let count = try FileManager.default.subpathsOfDirectory(atPath: volume + "/blobs")
                .count { $0.hasSuffix(".dcm") }
            if count != recorded.count {
                problems.append("\(volume) has \(count) blobs, the ledger \(recorded.count)")
            }
        }
        return problems + digests.subtracting(recorded).map { "LOST: \($0) was said to be safe" }
    }

    /// Whether the views show an image.
    func shows(_ digest: String) throws -> Bool {
        let run = try ProgramRun([program, "show", "--json", digest, "--archive", archive])
        struct Details: Decodable { var paths: [String] }
        guard run.succeeded, let path = try run.json(Details.self).paths.first else { return false }
        return try Digest.of(Files.read(path)).hex == digest
    }
}
