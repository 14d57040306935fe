import Glibc
import SyntheticStudy

/// Something a program asks of a file system. Names are relative to the folder that is compared;
/// handles are numbers of open files.
enum FileOperation {
    case open(String, Int32, mode_t)
    case close(Int)
    case duplicate(Int)
    case read(Int, Int)
    case readAt(Int, Int, Int)
    case write(Int, [UInt8])
    case writeAt(Int, [UInt8], Int)
    case seek(Int, Int, Int32)
    case truncateOpen(Int, Int)
    case truncate(String, Int)
    case allocate(Int, Int32, Int, Int)
    case sync(Int, dataOnly: Bool)
    case syncFolder(String)
    /// Writes through a shared mapping.
    case map(Int, [UInt8], Int)
    case rename(String, String, UInt32)
    case unlink(String)
    case makeFolder(String, mode_t)
    case removeFolder(String)
    case link(String, String)
    case symbolicLink(String)
    case makeFIFO(String)
    case status(String)
    case statusOpen(Int)
    case setMode(String, mode_t)
    case setModeOpen(Int, mode_t)
    case setOwner(String, uid_t, gid_t)
    case setTimes(String, Int)
    case setTimesOpen(Int, Int)
    case access(String, Int32)
    case list(String)
}

/// Draws operations, so that names and handles are met again often.
struct FileOperations {
    private var random: SeededRandom
    /// Writes a whole image, which is archived when it is closed; other files are rejected.
    private let image: [UInt8]
    /// To whom files are given, or cannot be.
    private let owners: [uid_t]
    /// At most so many files are open.
    static let mostHandles = 8

    init(seed: UInt64, image: [UInt8], owners: [uid_t]) {
        random = SeededRandom(seed: seed, 0x6d6f64)
        self.image = image
        self.owners = owners
    }

    private mutating func below(_ limit: Int) -> Int { random.below(limit) }

    private static let folders = ["", "d/", "d/e/", "f/", "d/e/g/"]
    private static let files = ["a", "b", "c.dcm", "a.part", ".b.Xy12Zq", "Thumbs.db", "ä ö.dcm"]

    private mutating func name() -> String {
        Self.folders[below(Self.folders.count)] + Self.files[below(Self.files.count)]
    }

    private mutating func folder() -> String {
        String(Self.folders[1 + below(Self.folders.count - 1)].dropLast())
    }

    /// A file, sometimes a folder, rarely an impossible name.
    private mutating func anyName() -> String {
        switch below(20) {
        case 0...3: folder()
        case 4: name() + "/below"
        case 5: String(repeating: "n", count: 256)
        default: name()
        }
    }

    private mutating func bytes() -> [UInt8] {
        let byte = UInt8(truncatingIfNeeded: below(256))
        return (0..<[1, 7, 511, 4096, 5000, 20_000][below(6)]).map {
            UInt8(truncatingIfNeeded: $0 / 3) ^ byte
        }
    }

    private mutating func offset() -> Int {
        below(4) == 0 ? 4096 * below(20) : below(60_000)
    }

    /// - parameter handles: how many files are open
    mutating func next(handles: Int) -> FileOperation {
        if handles == 0 || below(14) == 0, handles < Self.mostHandles { return openFile() }
        if handles == Self.mostHandles, below(3) == 0 { return .close(below(handles)) }
        return handles > 0 && below(10) < 6 ? onHandle(below(handles)) : onName()
    }

    private mutating func openFile() -> FileOperation {
        var flags = [O_RDONLY, O_WRONLY, O_RDWR, O_RDWR][below(4)]
        if below(4) > 0 { flags |= O_CREAT }
        for flag in [O_EXCL, O_TRUNC, O_APPEND, O_NOFOLLOW, O_NONBLOCK] where below(7) == 0 {
            flags |= flag
        }
        for flag in [O_DIRECTORY, O_SYNC, O_DSYNC] where below(40) == 0 { flags |= flag }
        // Linux 6.4 and later refuse these two together; earlier ones did not.
        if flags & O_DIRECTORY != 0 { flags &= ~O_CREAT }
        return .open(anyName(), flags, [0o644, 0o600, 0o666, 0o755, 0o444][below(5)])
    }

    private mutating func onHandle(_ handle: Int) -> FileOperation {
        switch below(26) {
        case 0...4: .write(handle, bytes())
        case 5...8: .writeAt(handle, bytes(), offset())
        case 9: .writeAt(handle, image, 0)
        case 10: .truncateOpen(handle, image.count)
        case 11...12: .read(handle, 1 + below(30_000))
        case 13...14: .readAt(handle, 1 + below(30_000), offset())
        case 15: .seek(handle, offset() - 1000, [SEEK_SET, SEEK_CUR, SEEK_END][below(3)])
        case 16: .truncateOpen(handle, offset())
        // KEEP_SIZE, PUNCH_HOLE with it, ZERO_RANGE, and with KEEP_SIZE (linux/falloc.h).
        case 17: .allocate(handle, [0, 1, 3, 16, 17, 2][below(6)], offset(), below(30_000))
        case 18: below(4) == 0 ? .sync(handle, dataOnly: below(2) == 0) : .statusOpen(handle)
        case 19: .map(handle, bytes(), offset())
        case 20: .duplicate(handle)
        case 21: .statusOpen(handle)
        case 22: .setModeOpen(handle, [0o644, 0o600, 0o440, 0o777][below(4)])
        case 23: .setTimesOpen(handle, 1_600_000_000 + below(100_000))
        default: .close(handle)
        }
    }

    private mutating func onName() -> FileOperation {
        switch below(30) {
        case 0...5: .rename(anyName(), anyName(), [0, 0, 1][below(3)])
        case 6: .rename(folder(), folder(), 0)
        case 7...9: .unlink(anyName())
        case 10...13:
            .makeFolder(below(5) == 0 ? anyName() : folder(), [0o755, 0o700, 0o750][below(3)])
        case 14...15: .removeFolder(below(5) == 0 ? anyName() : folder())
        case 16: .link(anyName(), anyName())
        case 17: .symbolicLink(anyName())
        case 18: .makeFIFO(anyName())
        case 19: .truncate(anyName(), below(2) == 0 ? 0 : offset())
        case 20...21: .status(anyName())
        case 22: .setMode(anyName(), [0o644, 0o600, 0o755, 0o440, 0o000][below(5)])
        case 23: .setOwner(anyName(), owners[below(owners.count)], owners[below(owners.count)])
        case 24: .setTimes(anyName(), 1_500_000_000 + below(100_000))
        case 25: .access(anyName(), [F_OK, R_OK, W_OK][below(3)])
        case 26: .syncFolder(folder())
        default: .list(below(3) == 0 ? "." : folder())
        }
    }
}
