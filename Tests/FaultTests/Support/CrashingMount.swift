import Foundation
import TestSupport
import Storage
import Testing

/// A mounted archive with two volumes, whose daemon runs under the interposer and dies on command,
/// and writers that copy files into it meanwhile.
final class CrashingMount {
    let folder: TemporaryFolder
    private let number: Int
    private var base: String { "\(folder.path)/\(number)" }
    var archive: String { base + "/archive" }
    var volumes: [String] { [1, 2].map { "\(base)/volume\($0)" } }
    var mountpoint: String { folder.path + "/mount" }
    var trace: String { base + "/trace" }
    private var program: String { PacsfsProgram.path ?? "pacsfs" }

    /// Makes an archive in a folder where others may have been before.
    init(in folder: TemporaryFolder, number: Int) throws {
        self.folder = folder
        self.number = number
        mkdir(mountpoint, 0o755)
        mkdir(base, 0o755)
        let run = try ProgramRun([
            program, "init", "--archive", archive, "--volume", volumes[0], "--volume", volumes[1],
        ])
        guard run.succeeded else { throw ProgramError(description: run.report) }
        try settle(after: 1)
    }

    /// Names go from incoming after so many seconds.
    func settle(after seconds: Int) throws {
        try configure {
            $0.replacing(/(?m)^settle = .*$/, with: "settle = \(seconds)")
                .replacing(/(?m)^min_copies = .*$/, with: "min_copies = 2")
        }
    }

    /// Rewrites `pacsfs.toml`.
    func configure(_ change: (String) -> String) throws {
        let settings = archive + "/pacsfs.toml"
        try Files.write(Array(change(try Files.text(settings)).utf8), to: settings)
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
            writer() { n=$1; shift; for f; do n=$((n + 1)); cp -- "$f" "$I/$n-${f##*/}" \
            2>/dev/null && echo "$f" || return; done; }
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
        if let daemon { kill(daemon, SIGKILL) }
        // A process that dies shows no command any more before it closes its files.
        guard eventually(within: 10, { isFree }) else {
            throw ProgramError(description: "The daemon of \(archive) does not die.")
        }
    }

    /// Whether no process has the archive.
    private var isFree: Bool {
        let file = open(archive + "/lock", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return true }
        defer { close(file) }
        return flock(file, LOCK_SH | LOCK_NB) == 0
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
            folder.keepLogs()
            _ = try? ProgramRun(["rm", "-rf", "--one-file-system", "--", base])
        }
    }

    // MARK: Checking

    /// What `Scripts/check-archive` finds wrong.
    ///
    /// - Parameters:
    ///   - given: All that was ever copied here.
    ///   - acknowledged: What must be there, on both volumes.
    func problems(
        given: [ArchiveCheck.Given], acknowledged: [ArchiveCheck.Given],
        options: [ArchiveCheck.Option] = []
    ) throws -> [String] {
        try ArchiveCheck(
            archive: archive, volumes: volumes, given: given, acknowledged: acknowledged,
            asking: program, options: options
        ).problems
    }

    /// Whether the views show an image.
    func shows(_ digest: String) throws -> Bool {
        let run = try ProgramRun([program, "show", "--json", digest, "--archive", archive])
        struct Shown: Decodable {
            struct Image: Decodable { var paths: [String] }
            var images: [Image]
        }
        guard run.succeeded, let path = try run.json(Shown.self).images.first?.paths.first else {
            return false
        }
        return try Digest.of(Files.read(path)).hex == digest
    }
}
