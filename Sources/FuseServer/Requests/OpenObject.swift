import Archive
import System

/// What a program has open. The kernel keeps a number for it (`fuse_file_info.fh`), which it
/// hands back with each request about the open object.
///
/// The number is the address of an object of this one class, so that a request about a handle of
/// another kind than it expects is answered, and never reads memory of another type.
final class OpenObject: Sendable {
    enum Kind: Sendable {
        /// An image of a view or a search.
        case image(OpenImage)
        /// A text of the daemon's own, as it was at OPEN; whether what the kernel has cached of
        /// it may stay.
        case text([UInt8], keepsCache: Bool)
        /// A document that was made for this program, whatever others have open meanwhile.
        case document([UInt8])
        /// A file of `/incoming`.
        case file(IncomingHandle)
        /// A file of `/rejected`.
        case rejected(SharedDescriptor)
        case directory(OpenDirectory)
    }

    let kind: Kind
    /// Counts it among what its user has open.
    private let share: UserShares.Place?

    private init(_ kind: Kind, _ share: UserShares.Place?) {
        (self.kind, self.share) = (kind, share)
    }

    /// Keeps an object until ``close(_:)``.
    ///
    /// - Parameter share: Of its user, given back with it.
    /// - Returns: The number by which the kernel refers to it.
    static func open(_ kind: Kind, share: UserShares.Place?) -> UInt64 {
        UInt64(UInt(bitPattern: Unmanaged.passRetained(OpenObject(kind, share)).toOpaque()))
    }

    /// What the kernel refers to.
    ///
    /// - Parameter handle: A number that ``open(_:)`` returned and ``close(_:)`` has not been
    ///   given.
    /// - Returns: `nil` for 0, which stands for no handle.
    static func kind(of handle: UInt64) -> Kind? {
        UnsafeRawPointer(bitPattern: UInt(handle)).map {
            Unmanaged<OpenObject>.fromOpaque($0).takeUnretainedValue().kind
        }
    }

    /// Lets an object go.
    ///
    /// - Returns: What it was.
    static func close(_ handle: UInt64) -> Kind? {
        UnsafeRawPointer(bitPattern: UInt(handle)).map {
            Unmanaged<OpenObject>.fromOpaque($0).takeRetainedValue().kind
        }
    }
}

extension OpenObject.Kind {
    /// A file of `/incoming`; `nil` for anything else.
    var file: IncomingHandle? { if case .file(let handle) = self { handle } else { nil } }

    var directory: OpenDirectory? {
        if case .directory(let directory) = self { directory } else { nil }
    }
}
