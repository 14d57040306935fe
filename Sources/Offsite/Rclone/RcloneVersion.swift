/// The version of a program rclone.
public struct RcloneVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var major: Int
    public var minor: Int
    public var patch: Int

    public init(_ major: Int, _ minor: Int, _ patch: Int = 0) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// The oldest that pacsfs is tried with: that of Debian 12.
    public static let oldest = RcloneVersion(1, 60, 1)
    /// The first that sets the lock of an object on S3 (`--s3-object-lock-mode`).
    public static let withObjectLock = RcloneVersion(1, 74)

    /// Reads the first line of `rclone version`: `rclone v1.60.1-DEV`.
    public init?(answer text: some StringProtocol) {
        let line = text.prefix { $0 != "\n" }
        guard let mark = line.firstIndex(of: "v") else { return nil }
        let numbers = line[line.index(after: mark)...]
            .prefix { $0.isNumber || $0 == "." }.split(separator: ".").map { Int($0) }
        guard line.hasPrefix("rclone v"), numbers.count >= 2, let major = numbers[0],
            let minor = numbers[1]
        else { return nil }
        self.init(major, minor, numbers.count > 2 ? numbers[2] ?? 0 : 0)
    }

    public static func < (one: RcloneVersion, other: RcloneVersion) -> Bool {
        (one.major, one.minor, one.patch) < (other.major, other.minor, other.patch)
    }

    public var description: String { "\(major).\(minor).\(patch)" }
}
