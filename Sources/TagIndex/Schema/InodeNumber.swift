/// Inode numbers: a row id, with its table in the bits from 48 up. They need no table in memory,
/// survive a remount and a rebuild, and are never given twice. They stay below 2^53, so that
/// programs which keep them in a double do not confuse them.
///
/// A study or series found by searches is one inode for programs (``study(_:)``,
/// ``series(_:)``). But the kernel allows a directory in one place only; so for the kernel it is a
/// different inode in every search (``foundStudy(_:search:)``, ``foundSeries(_:search:)``).
public enum InodeNumber: Hashable, Sendable {
    /// The root and the other entries that always exist.
    case fixed(UInt64)
    /// A directory of a view: `node.id`.
    case node(Int64)
    /// An archived image: `instance.id`, the same in every view.
    case instance(Int64)
    /// An entry of `/incoming`, numbered by the daemon while it runs.
    case incoming(UInt64)
    /// An entry of `/rejected`, numbered in the same way.
    case rejected(UInt64)
    /// A folder of `/search`, by its number, see ``firstPassingSearch``.
    case search(UInt64)
    /// The text that explains a folder of `/search`, by the number of the folder.
    case searchNote(UInt64)
    /// A study in `/search`, as programs see it: `study.id`.
    case study(Int64)
    /// A series in `/search`, as programs see it: `series.id`.
    case series(Int64)
    /// A study in one search, only for the kernel.
    case foundStudy(Int64, search: UInt64)
    /// A series in one search, only for the kernel.
    case foundSeries(Int64, search: UInt64)

    /// The first number of a search that is not kept; the daemon numbers these while it runs.
    /// Kept searches have smaller numbers: `search.id`.
    public static let firstPassingSearch: UInt64 = 1 << 25
    /// The end of the numbers of searches.
    public static let endOfSearches: UInt64 = 1 << 26

    // Below two bits for the kind: 26 bits for the search, 36 for the row.
    private static let rowBits: UInt64 = 36
    private static let rowMask: UInt64 = (1 << rowBits) - 1

    private static let shift: UInt64 = 48
    private static let mask: UInt64 = (1 << shift) - 1

    /// Decodes an inode number; `nil` when it is not one of ours.
    public init?(rawValue: UInt64) {
        let (row, search) = (
            Int64(rawValue & Self.rowMask), rawValue >> Self.rowBits & (Self.endOfSearches - 1)
        )
        switch rawValue >> 62 {
        case 0: break
        case 1:
            self = .foundStudy(row, search: search)
            return
        case 2:
            self = .foundSeries(row, search: search)
            return
        default: return nil
        }
        let value = rawValue & Self.mask
        switch rawValue >> Self.shift {
        case 0: self = .fixed(value)
        case 1: self = .node(Int64(value))
        case 2: self = .instance(Int64(value))
        case 3: self = .incoming(value)
        case 4: self = .rejected(value)
        case 5: self = .search(value)
        case 6: self = .searchNote(value)
        case 7: self = .study(Int64(value))
        case 8: self = .series(Int64(value))
        default: return nil
        }
    }

    /// The inode number.
    public var rawValue: UInt64 {
        switch self {
        case .fixed(let value): value
        case .node(let id): 1 << Self.shift | UInt64(id)
        case .instance(let id): 2 << Self.shift | UInt64(id)
        case .incoming(let number): 3 << Self.shift | number & Self.mask
        case .rejected(let number): 4 << Self.shift | number & Self.mask
        case .search(let number): 5 << Self.shift | number
        case .searchNote(let number): 6 << Self.shift | number
        case .study(let id): 7 << Self.shift | UInt64(id)
        case .series(let id): 8 << Self.shift | UInt64(id)
        case .foundStudy(let id, let search): 1 << 62 | search << Self.rowBits | UInt64(id)
        case .foundSeries(let id, let search): 2 << 62 | search << Self.rowBits | UInt64(id)
        }
    }
}
