import System

/// Why something could not be brought away, fetched or proven.
public typealias OffsiteError = CodedError<OffsiteFault>

/// The kinds of failure, for a program to act on.
public enum OffsiteFault: Hashable, Sendable {
    /// There is no rclone, or it cannot be started.
    case noRclone
    /// A setting makes no sense.
    case configuration
    /// The remote does not answer.
    case unreachable
    /// The remote does not accept the credentials, or they may not do this.
    case credentials
    /// The remote is full.
    case noSpace
    /// An object is not there.
    case notFound
    /// An object is there that has other bytes than it should.
    case modified
    /// What arrived is not what was sent.
    case corrupt
    /// The keys of an encrypted remote are not the ones that it was written with.
    case wrongKeys
    /// rclone was ended because nothing had moved for too long.
    case timedOut
    /// Somebody stopped it.
    case stopped
    /// A file of this machine cannot be read or written.
    case local
    /// The disk of this machine on which packs are made is full.
    case noLocalSpace
    /// rclone said something that is not understood.
    case badAnswer
    /// Anything else, which may go away by itself.
    case other

    /// Whether the same may succeed later without anybody doing something.
    public var isWorthRetrying: Bool {
        switch self {
        case .unreachable, .noSpace, .timedOut, .stopped, .corrupt, .noLocalSpace, .other: true
        case .noRclone, .configuration, .credentials, .notFound, .modified, .wrongKeys, .local,
            .badAnswer:
            false
        }
    }
}
