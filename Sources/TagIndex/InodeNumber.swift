/// Inode numbers: a row id with its table in the bits from 48 up. They need no table in
/// memory, survive a remount and a rebuild, are never given twice, and stay below 2^53, so
/// that programs which keep them in a double do not confuse them.
public enum InodeNumber: Hashable, Sendable {
    /// The root and what is always there.
    case fixed(UInt64)
    /// A directory of a view: `node.id`.
    case node(Int64)
    /// An archived image: `instance.id`, the same in every view.
    case instance(Int64)
    /// An entry of `/incoming`, numbered by the daemon for as long as it runs.
    case incoming(UInt64)
    /// An entry of `/rejected`, likewise.
    case rejected(UInt64)

    private static let shift: UInt64 = 48
    private static let mask: UInt64 = (1 << shift) - 1

    public init?(rawValue: UInt64) {
        let value = rawValue & Self.mask
        switch rawValue >> Self.shift {
        case 0: self = .fixed(value)
        case 1: self = .node(Int64(value))
        case 2: self = .instance(Int64(value))
        case 3: self = .incoming(value)
        case 4: self = .rejected(value)
        default: return nil
        }
    }

    public var rawValue: UInt64 {
        switch self {
        case .fixed(let value): value
        case .node(let id): 1 << Self.shift | UInt64(id)
        case .instance(let id): 2 << Self.shift | UInt64(id)
        case .incoming(let number): 3 << Self.shift | number & Self.mask
        case .rejected(let number): 4 << Self.shift | number & Self.mask
        }
    }
}
