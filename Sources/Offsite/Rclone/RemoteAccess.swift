import Glibc
import System

/// A remote, ready to be used. One job runs at a time; ``stop()`` ends it from any thread.
public final class RemoteAccess: Sendable {
    public let configuration: RemoteConfiguration
    let rclone: Rclone
    let environment: RcloneEnvironment

    private struct State {
        var isStopping = false
        var job: RcloneJob?
    }

    private let state = Lock(State())

    /// - Throws: `noRclone`, or `configuration` when the keys cannot be used.
    public init(_ configuration: RemoteConfiguration, _ rclone: Rclone) throws(OffsiteError) {
        self.configuration = configuration
        self.rclone = rclone
        environment = try rclone.environment(for: configuration)
    }

    private init(sharing other: RemoteAccess) {
        (configuration, rclone) = (other.configuration, other.rclone)
        environment = other.environment
    }

    /// The same remote for another user, who has a job of their own at the same time.
    public func another() -> RemoteAccess { RemoteAccess(sharing: self) }

    /// Ends the job that runs, and lets no other begin.
    public func stop() {
        let job = state.withLock { state in
            state.isStopping = true
            return state.job
        }
        job?.stop()
    }

    /// What is on the remote as its server sees it, encrypted if it is. Without a slash at its end
    /// the path could be a file's; 1.75 takes it for one where the credentials are wrong.
    package func base(_ object: String = "") -> String {
        let path = configuration.location.path
        let folder = path.isEmpty || path.hasSuffix("/") ? path : path + "/"
        return "base:\(folder)\(object)"
    }

    /// What is on the remote as it was before it went there.
    package func plain(_ object: String = "") -> String {
        configuration.isEncrypted ? "sealed:\(object)" : base(object)
    }

    /// Runs rclone for this remote.
    ///
    /// - Throws: `noRclone`, `stopped`, and what `output` throws.
    package func run(
        _ arguments: [String], input: [UInt8] = [], _ what: String,
        isWanted: (() -> Bool)? = nil,
        environment other: RcloneEnvironment? = nil,
        output: (UnsafeRawBufferPointer) throws(OffsiteError) -> Void = { _ in },
        progress: (TransferProgress) -> Void = { _ in }
    ) throws(OffsiteError) -> RcloneJob.Result {
        let job = try RcloneJob(
            rclone, arguments + Self.patience, other ?? environment, input: input, what: what)
        let isStopping = state.withLock { state in
            if !state.isStopping { state.job = job }
            return state.isStopping
        }
        if isStopping {
            throw OffsiteError(.stopped, what, remedy: "Run it again.")
        }
        defer { state.withLock { $0.job = nil } }
        return try job.run(isWanted: isWanted, output: output, progress: progress)
    }

    /// Pauses after failures are the business of the caller, who knows what is to be done
    /// meanwhile: rclone would try for minutes.
    private static let patience = [
        "--retries", "1", "--low-level-retries", "3", "--contimeout", "20s", "--timeout", "60s",
    ]

    /// A list of objects for `--files-from-raw -`.
    static func list(_ objects: some Sequence<String>) -> [UInt8] {
        Array(objects.map { $0 + "\n" }.joined().utf8)
    }

    /// The names that objects have on the server, by their plain names.
    ///
    /// - Throws: `badAnswer` when rclone leaves one out.
    public func serverNames(of objects: [String]) throws(OffsiteError) -> [String: String] {
        guard configuration.isEncrypted else {
            return Dictionary(objects.map { ($0, $0) }) { $1 }
        }
        // "lsjson --encrypted" would do, but 1.60 refuses it for a remote that is configured by
        // variables; "cryptdecode" takes ten names.
        let names =
            objects.count > Self.mostDecoded
            ? try namesByCopy(objects) : try namesByDecoding(objects)
        if let missing = objects.first(where: { names[$0] == nil }) {
            throw OffsiteError(
                .badAnswer, "rclone does not say what an object is called on the server",
                path: missing, remedy: "See the log.")
        }
        return names
    }

    private static let mostDecoded = 10

    private func namesByDecoding(_ objects: [String]) throws(OffsiteError) -> [String: String] {
        var names: [String: String] = [:]
        if objects.isEmpty { return names }
        var output: [UInt8] = []
        // Names are no secrets.
        try run(
            ["cryptdecode", "--reverse", "sealed:"] + objects, "A name cannot be encrypted",
            output: { output.append(contentsOf: $0) }
        ).check()
        for line in String(decoding: output, as: UTF8.self).split(separator: "\n") {
            // The name, a blank, a tab, a blank, the other name.
            let parts = line.split(separator: "\t")
            guard parts.count == 2 else { continue }
            names[String(parts[0].dropLast())] = String(parts[1].dropFirst())
        }
        return names
    }

    /// Has rclone encrypt a small file of each name into a folder of this machine. Each has another
    /// size, by which it is found there.
    private func namesByCopy(_ objects: [String]) throws(OffsiteError) -> [String: String] {
        let folder = try TemporaryFiles()
        for (number, object) in objects.enumerated() {
            try folder.write([UInt8](repeating: 0, count: number + 1), to: "plain/\(object)")
        }
        try run(
            [
                "copy", "\(folder.path)/plain", "sealed:", "--files-from-raw", "-", "--no-traverse",
                "--log-level", "NOTICE", "--transfers", "16",
            ], input: Self.list(objects), "Names cannot be encrypted",
            environment: environment.sealing("\(folder.path)/sealed")
        ).check()
        var names: [String: String] = [:]
        for file in try folder.files(in: "sealed") {
            let number = Int(file.bytes - configuration.remoteBytes(of: 1))
            if objects.indices.contains(number) { names[objects[number]] = file.name }
        }
        return names
    }
}
