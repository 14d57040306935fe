import Foundation
import TestSupport
import Testing

/// An archive with two volumes in a directory of its own, mounted; and the means to use it as
/// people do.
final class MountedArchive: Sendable {
    let folder: TemporaryFolder
    let mode: ReadMode
    /// Whose it is, when it is not that of the user who runs the tests.
    let user: OtherUser?
    var mountpoint: String { folder.path + "/mount" }
    var incoming: String { mountpoint + "/incoming" }
    var archive: String { folder.path + "/archive" }
    var volumes: [String] { [1, 2].map { "\(folder.path)/volume\($0)" } }
    /// The folder for the files of tests; the working directory of ``shell(_:_:timeout:)``.
    var work: String { folder.path + "/work" }

    /// Names are gone from `/incoming` after this many seconds.
    static let settle = 1
    /// The same while ``keepNames()`` holds.
    private static let longest = 3599

    private init(_ mode: ReadMode, isUnprivileged: Bool = false) throws {
        guard let program = PacsfsProgram.path else {
            throw ProgramError(
                description:
                    "There is no pacsfs beside the tests. Build it, or name it in PACSFS_BINARY.")
        }
        self.mode = mode
        folder = try TemporaryFolder()
        do {
            user =
                isUnprivileged && geteuid() == 0
                ? try OtherUser(in: folder.path, program: program) : nil
        } catch {
            try folder.remove()
            throw error
        }
        self.program = user?.program ?? program
    }

    /// Makes and mounts one, runs `body`, and takes everything away whatever happened.
    ///
    /// - Parameters:
    ///   - isUnprivileged: it is that of a user who is not root, who also runs the programs
    ///   - prepare: is called before the volumes are made, to mount disks there.
    @discardableResult
    static func with<R>(
        _ mode: ReadMode = .passthrough, isMounted: Bool = true, isUnprivileged: Bool = false,
        minimumCopies: Int = 2,
        prepare: (MountedArchive) throws -> Void = { _ in }, _ body: (MountedArchive) throws -> R
    ) throws -> R {
        let archive = try MountedArchive(mode, isUnprivileged: isUnprivileged)
        defer { archive.tearDown() }
        try prepare(archive)
        try archive.make()
        try archive.configure {
            $0.replacing(
                "\nmin_copies = 1\n",
                with: minimumCopies < 2 ? "\nmin_copies = 1\n" : "\n# min_copies = 1\n")
        }
        if isMounted { try archive.mount() }
        return try body(archive)
    }

    /// As ``with(_:isMounted:_:)``, for an asynchronous body.
    @discardableResult
    static func with<R>(
        _ mode: ReadMode = .passthrough, isUnprivileged: Bool = false,
        _ body: (MountedArchive) async throws -> R
    ) async throws -> R {
        let archive = try MountedArchive(mode, isUnprivileged: isUnprivileged)
        defer { archive.tearDown() }
        try archive.make()
        try archive.mount()
        return try await body(archive)
    }

    private func make() throws {
        for directory in [work, mountpoint] { try must(["mkdir", directory], in: folder.path) }
        try must([
            program, "init", "--archive", archive, "--volume", volumes[0], "--volume", volumes[1],
        ])
        try configure { $0.replacing(/(?m)^settle = .*$/, with: "settle = \(Self.settle)") }
    }

    /// Rewrites `pacsfs.toml`.
    func configure(_ change: (String) -> String) throws {
        let settings = archive + "/pacsfs.toml"
        try Files.write(Array(change(try Files.text(settings)).utf8), to: settings)
    }

    /// Has names stay in `/incoming` until ``settled(within:)`` is called: between two commands of
    /// a test a busy machine may take longer than a name stays otherwise.
    func keepNames() throws { try setSettle(Self.longest) }

    /// Ends ``keepNames()``.
    func letNamesGo() throws {
        if try Files.text(archive + "/pacsfs.toml").contains("\nsettle = \(Self.longest)\n") {
            try setSettle(Self.settle)
        }
    }

    private func setSettle(_ seconds: Int) throws {
        try configure { $0.replacing(/(?m)^settle = .*$/, with: "settle = \(seconds)") }
        let run = try pacsfs("reload")
        try #require(run.succeeded, "\(run.report)")
    }

    private let program: String

    // MARK: Programs

    /// Runs a program as the user whose archive it is.
    ///
    /// - Parameter directory: where; ``work`` when it is left out
    func run(
        _ arguments: [String], in directory: String? = nil, environment: [String: String] = [:],
        timeout: Double = 60
    ) throws -> ProgramRun {
        let directory = directory ?? work
        let launcher = user?.launcher(in: directory) ?? []
        return try ProgramRun(
            launcher + arguments, in: directory, environment: environment, timeout: timeout)
    }

    /// Gives the files that a test has written below ``work`` to that user.
    func handOver() throws { try user?.own(work) }

    /// Runs `pacsfs` for this archive.
    @discardableResult
    func pacsfs(_ arguments: String..., timeout: Double = 60) throws -> ProgramRun {
        try run([program] + arguments, environment: ["PACSFS_ARCHIVE": archive], timeout: timeout)
    }

    /// Runs a script in bash, which ends at the first command that fails. It runs in ``work``;
    /// `$M` is the mount point, `$I` incoming in it, `$PACSFS` the program; `fails COMMAND`
    /// succeeds when the command does not.
    @discardableResult
    func shell(
        _ script: String, _ environment: [String: String] = [:], timeout: Double = 60
    ) throws -> ProgramRun {
        let variables = [
            "M": mountpoint, "I": incoming, "PACSFS": program, "PACSFS_ARCHIVE": archive,
        ]
        return try run(
            ["bash", "-euo", "pipefail", "-c", "fails() { ! \"$@\"; }\n" + script],
            environment: variables.merging(environment) { $1 }, timeout: timeout)
    }

    /// Runs a script in bash that has to succeed.
    @discardableResult
    func mustShell(
        _ script: String, _ environment: [String: String] = [:], timeout: Double = 60,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> ProgramRun {
        let run = try shell(script, environment, timeout: timeout)
        try #require(run.succeeded, "\(run.report)", sourceLocation: sourceLocation)
        return run
    }

    /// Runs a Python script that has to succeed. `M` is the mount point, `I` incoming in it.
    @discardableResult
    func python(
        _ script: String, timeout: Double = 60, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> ProgramRun {
        let beginning =
            "import os, sys, mmap, subprocess\nM = os.environ['M']; I = os.environ['I']\n"
        let run = try run(
            ["python3", "-c", beginning + script],
            environment: [
                "M": mountpoint, "I": incoming, "PACSFS": program, "PACSFS_ARCHIVE": archive,
            ],
            timeout: timeout)
        try #require(run.succeeded, "\(run.report)", sourceLocation: sourceLocation)
        return run
    }

    private func must(_ arguments: [String], in directory: String? = nil) throws {
        let run = try run(arguments, in: directory)
        guard run.succeeded else { throw ProgramError(description: run.report) }
    }

    // MARK: Mounting

    /// - parameter mode: its own, unless told otherwise
    func mount(_ mode: ReadMode? = nil) throws {
        try must(
            [program, "mount", mountpoint, "--archive", archive] + (mode ?? self.mode).arguments)
    }

    func unmount() throws { try must([program, "unmount", mountpoint]) }

    var isMounted: Bool {
        let text = (try? asUser { try Files.text("/proc/thread-self/mountinfo") }) ?? ""
        return text.split(separator: "\n").contains { line in
            line.split(separator: " ").dropFirst(4).first.map(String.init) == mountpoint
        }
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

    /// Kills the daemon as a crash would, and waits until it has gone.
    func killDaemon() throws {
        guard let process = daemon else {
            throw ProgramError(description: "There is no daemon to kill.")
        }
        kill(process, SIGKILL)
        guard eventually(within: 10, { daemon != process }) else {
            throw ProgramError(description: "The daemon \(process) does not die.")
        }
    }

    private func tearDown() {
        if isMounted {
            let run = try? run([program, "unmount", mountpoint], timeout: 20)
            if run?.succeeded != true {
                Issue.record("At the end of the test: \(run?.report ?? "no unmount")")
            }
        }
        for option in ["-u", "-uz"] where isMounted {
            // Its death wakes programs that wait for an answer.
            if option == "-uz", daemon != nil { try? killDaemon() }
            _ = try? run(["fusermount3", option, "--", mountpoint], timeout: 10)
        }
        if daemon != nil { try? killDaemon() }
        if isMounted {
            Issue.record("\(mountpoint) is still mounted, and was left as it is.")
        } else {
            do { try folder.remove() } catch { Issue.record("\(error)") }
        }
    }
}
