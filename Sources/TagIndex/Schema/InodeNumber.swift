/// Inode numbers: a row id with its table in the bits from 48 up. They need no table in
/// memory, survive a remount and a rebuild, are never given twice, and stay below 2^53, so
/// that programs which keep them in a double do not confuse them.
///
/// A study or series that a search has found is one inode for programs (``study(_:)``,
/// ``series(_:)``), but the kernel can have a directory in one place only: to it, it is another
/// in every search (``foundStudy(_:search:)``, ``foundSeries(_:search:)``).
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
    /// A folder of `/search`, by its number: ``firstPassingSearch`` says what that is.
    case search(UInt64)
    /// The text in a folder of `/search` that explains it, by the number of the folder.
    case searchNote(UInt64)
    /// A study in `/search`, as programs see it: `study.id`.
    case study(Int64)
    /// A series in `/search`, likewise: `series.id`.
    case series(Int64)
    /// A study in one search, for the kernel alone.
    case foundStudy(Int64, search: UInt64)
    /// A series in one search, likewise.
    case foundSeries(Int64, search: UInt64)

    /// Searches that are kept have `search.id` as their number, below this; others are
    /// numbered by the daemon from here to ``endOfSearches``, for as long as it runs.
    public static let firstPassingSearch: UInt64 = 1 << 25
    public static let endOfSearches: UInt64 = 1 << 26

    // Behind two bits that say which: 26 bits for the search, 36 for the row.
    private static let rowBits: UInt64 = 36
    private static let rowMask: UInt64 = (1 << rowBits) - 1

    private static let shift: UInt64 = 48
    private static let mask: UInt64 = (1 << shift) - 1

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
