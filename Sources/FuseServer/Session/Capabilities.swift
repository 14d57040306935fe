import Glibc

/// The privileges of this process that otherwise only root has: capabilities(7).
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

    /// Those of this process. See: 'man 5 proc_pid_status', CapEff
    public static let effective: Capabilities = {
        guard let file = fopen("/proc/self/status", "re") else { return [] }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        while getline(&line, &capacity, file) > 0, let line {
            let fields = String(cString: line).split { $0 == ":" || $0 == "\t" || $0 == "\n" }
            guard fields.count == 2, fields[0] == "CapEff", let value = UInt64(fields[1], radix: 16)
            else { continue }
            return Capabilities(rawValue: value)
        }
        return []
    }()

    /// Whether files of `/incoming` can belong to the users who write them on disk too.
    static let canGiveFilesAway = effective.isSuperset(of: [.chown, .overrideAccess, .fileOwner])
}
