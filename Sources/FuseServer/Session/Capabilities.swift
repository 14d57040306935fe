import System

/// Rights of this process that otherwise only root has.
///
/// See: 'man 7 capabilities'
public struct Capabilities: OptionSet, Sendable {
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Give files to others.
    static let chown = Capabilities(rawValue: 1 << 0)
    /// Read and write files whatever their modes say.
    static let overrideAccess = Capabilities(rawValue: 1 << 1)
    /// Change modes and times of others' files.
    static let fileOwner = Capabilities(rawValue: 1 << 3)
    /// Mount without fusermount3, let others in, and have the kernel read by itself (passthrough).
    public static let systemAdministration = Capabilities(rawValue: 1 << 21)

    /// The capabilities of this process; none when /proc cannot be read.
    ///
    /// See: 'man 5 proc_pid_status', CapEff
    public static let effective: Capabilities = {
        for line in ProcFile.lines(of: "/proc/self/status") where line.hasPrefix("CapEff:\t") {
            if let value = UInt64(line.dropFirst(8), radix: 16) {
                return Capabilities(rawValue: value)
            }
        }
        return []
    }()

    /// Whether files of `/incoming` can belong to the users who write them on disk too.
    static let canGiveFilesAway = effective.isSuperset(of: [.chown, .overrideAccess, .fileOwner])
}
