import Foundation
import System

/// The program rclone, which does everything that leaves the machine. Each job is a process of its
/// own: its remote control (`rcd`) would be a shell for everybody who reaches its port.
///
/// See: 'man 1 rclone'
public struct Rclone: Sendable {
    /// Its name, which is looked up in `PATH`, or its path.
    public var program: String
    /// The variables of this process, of which rclone gets a few.
    var own: [String: String]
    /// How long it may be silent; it says something every second.
    var patience = ChildProcess.Patience(silence: 300_000_000_000)

    /// - Parameters:
    ///   - program: `nil` for what `PACSFS_RCLONE` says, else `rclone`.
    public init(
        program: String? = nil,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        self.program = program ?? environment["PACSFS_RCLONE"] ?? "rclone"
        own = environment
    }

    /// The same program, whose jobs are given up when nothing has moved for so long, in ns.
    public func givingUp(after silence: Int64) -> Rclone {
        var other = self
        other.patience = ChildProcess.Patience(silence: silence)
        return other
    }

    /// The version of the program.
    ///
    /// - Throws: `noRclone` when there is none, `badAnswer` when it is something else.
    public func version() throws(OffsiteError) -> RcloneVersion {
        let text = try text(of: ["version"], "The version of rclone cannot be read")
        guard let version = RcloneVersion(answer: text) else {
            throw OffsiteError(
                .badAnswer, "This is no version of rclone: \(text.prefix(40))", path: program,
                remedy: "Install rclone (Debian: apt-get install rclone).")
        }
        return version
    }

    /// Where something is that a user has written.
    ///
    /// - Parameter text: A folder, `NAME:PATH` with a name of the user's own configuration of
    ///   rclone, or a connection string.
    /// - Throws: `configuration` when there is no such remote, or nothing can be kept there.
    public func location(of text: String) throws(OffsiteError) -> RemoteLocation {
        let location: RemoteLocation =
            switch try RemoteLocation.Written(text) {
            case .folder(let path): RemoteLocation(folder: path)
            case .complete(let location): location
            case .section(let name, let path):
                RemoteLocation(options: try section(name), path: path)
            }
        try location.check()
        return location
    }

    private func section(_ name: String) throws(OffsiteError) -> [String: String] {
        let text = try text(
            of: ["config", "dump"], "The configuration of rclone cannot be read",
            RcloneEnvironment(ofUser: own))
        let sections = try? JSONDecoder().decode(
            [String: [String: String]].self, from: Data(text.utf8))
        guard let options = sections?[name] else {
            throw OffsiteError(
                .configuration, "rclone knows no remote \"\(name)\"",
                remedy: "Make it with \"rclone config\", as the same user.")
        }
        return options
    }

    /// The variables that rclone needs for a remote. The keys are obscured anew, which gives
    /// another text each time.
    ///
    /// - Throws: `noRclone` and the like.
    func environment(
        for remote: RemoteConfiguration
    ) throws(OffsiteError) -> RcloneEnvironment {
        var obscured: CryptKeys?
        if let keys = remote.keys {
            obscured = CryptKeys(
                password: try obscure(keys.password), salt: try obscure(keys.salt))
        }
        return RcloneEnvironment(remote.location, obscured: obscured, inheriting: own)
    }

    /// A password as rclone's configuration has it. It goes through a pipe: everybody on the
    /// machine sees arguments.
    func obscure(_ secret: String) throws(OffsiteError) -> String {
        let text = try text(
            of: ["obscure", "-"], "rclone cannot obscure a password", input: Array(secret.utf8))
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// What a short job prints.
    private func text(
        of arguments: [String], _ what: String, _ environment: RcloneEnvironment? = nil,
        input: [UInt8] = []
    ) throws(OffsiteError) -> String {
        var output: [UInt8] = []
        let job = try RcloneJob(
            self, arguments, environment ?? RcloneEnvironment(inheriting: own), input: input,
            what: what)
        try job.run(output: { output.append(contentsOf: $0) }).check()
        return String(decoding: output, as: UTF8.self)
    }
}
