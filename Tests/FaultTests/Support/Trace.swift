import Foundation
import TestSupport

/// The interposer's record of one call, see `struct record` there.
struct TraceRecord: Sendable {
    enum Kind: UInt32 {
        case create, write, copy, clone, truncate, allocate, chmod, link, rename, unlink, mkdir
        case fsync, fdatasync, syncfs, range, read, open, mark
    }

    var kind: Kind
    /// 0, or the `errno` with which the call failed; -1 for a sync that did nothing.
    var result: Int32
    var flags: UInt32
    var mode: UInt32
    var file: FileID
    /// The folders in which the names are.
    var folder, secondFolder: FileID
    var offset, length: Int
    var name, secondName: String
    var payload: [UInt8]

    var isSync: Bool { [.fsync, .fdatasync, .syncfs].contains(kind) }
}

/// A file or folder as the kernel numbers it.
struct FileID: Hashable, Sendable {
    var device, inode: UInt64

    init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }

    init(path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            throw ProgramError(description: "\(path): \(lastError)")
        }
        self.init(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }
}

extension TraceRecord {
    private static let headBytes = 80
    private static let magic: UInt32 = 0x5041_4353

    /// All records of a trace, in the order in which things were done.
    static func all(in path: String) throws -> [TraceRecord] {
        var records: [TraceRecord] = []
        let bytes = try Files.read(path)
        var offset = 0
        while offset < bytes.count { records.append(try TraceRecord(bytes, &offset)) }
        return records
    }

    /// A record that says something about the moment, as the interposer would write it.
    static func mark(_ text: String) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: headBytes)
        func put(_ number: UInt32, at place: Int) {
            withUnsafeBytes(of: number.littleEndian) {
                bytes.replaceSubrange(place..<place + 4, with: $0)
            }
        }
        put(magic, at: 0)
        put(Kind.mark.rawValue, at: 4)
        put(UInt32(text.utf8.count), at: 76)
        return bytes + Array(text.utf8)
    }

    private init(_ bytes: [UInt8], _ offset: inout Int) throws {
        let start = offset
        func number<N: FixedWidthInteger>(_ place: Int, _ type: N.Type) -> N {
            bytes.withUnsafeBytes {
                N(littleEndian: $0.loadUnaligned(fromByteOffset: start + place, as: N.self))
            }
        }
        guard bytes.count - start >= Self.headBytes, number(0, UInt32.self) == Self.magic,
            let kind = Kind(rawValue: number(4, UInt32.self))
        else { throw ProgramError(description: "The trace is damaged at byte \(start).") }
        self.kind = kind
        result = number(8, Int32.self)
        flags = number(12, UInt32.self)
        let device = number(16, UInt64.self)
        file = FileID(device: device, inode: number(24, UInt64.self))
        // No call reaches from one file system to another.
        folder = FileID(device: device, inode: number(32, UInt64.self))
        secondFolder = FileID(device: device, inode: number(40, UInt64.self))
        self.offset = Int(number(48, Int64.self))
        length = Int(number(56, Int64.self))
        mode = number(64, UInt32.self)
        offset = start + Self.headBytes
        func take(_ count: UInt32) -> ArraySlice<UInt8> {
            defer { offset += Int(count) }
            return bytes[offset..<min(bytes.count, offset + Int(count))]
        }
        name = String(decoding: take(number(68, UInt32.self)), as: UTF8.self)
        secondName = String(decoding: take(number(72, UInt32.self)), as: UTF8.self)
        payload = Array(take(number(76, UInt32.self)))
    }
}
