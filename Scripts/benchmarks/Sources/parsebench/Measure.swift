import DICOM
import Glibc
import System

struct Usage: Error, CustomStringConvertible {
    var description: String { "usage: parsebench DIR | parsebench generate DIR COUNT" }
}

/// A system call that failed.
struct SystemError: Error, CustomStringConvertible {
    let what: String
    let number = errno
    var description: String { "\(what): \(String(cString: strerror(number)))" }
}

/// The result of a walk over a directory.
struct Tally {
    var files = 0
    var unreadable = 0
    var values = 0
    var textBytes = 0
}

/// Walks over a directory with one thread, reads every header with all attributes and
/// prints how long that took.
func measure(_ directory: String) throws {
    let start = now()
    var reader = HeaderReader()
    var tally = Tally()
    try walk(directory, AT_FDCWD, &reader, &tally)
    let seconds = now() - start
    let rate = Double(tally.files) / seconds
    print(
        "\(tally.files) files, \(tally.unreadable) unreadable, \(tally.values) values, "
            + "\(rounded(seconds, 3)) s, \(Int(rate)) files/s")
}

private func walk(
    _ path: String, _ parent: Int32, _ reader: inout HeaderReader, _ tally: inout Tally
) throws {
    let descriptor = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0, let stream = fdopendir(descriptor) else {
        throw SystemError(what: "open \(path)")
    }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
        let type = Int(entry.pointee.d_type)
        try withUnsafePointer(to: &entry.pointee.d_name) { tuple in
            let name = UnsafeRawPointer(tuple).assumingMemoryBound(to: CChar.self)
            if type == DT_DIR {
                if strcmp(name, ".") == 0 || strcmp(name, "..") == 0 { return }
                try walk(String(cString: name), descriptor, &reader, &tally)
            } else if type == DT_REG {
                try readHeader(name, descriptor, &reader, &tally)
            }
        }
    }
}

private func readHeader(
    _ name: UnsafePointer<CChar>, _ directory: Int32, _ reader: inout HeaderReader,
    _ tally: inout Tally
) throws {
    let file = openat(directory, name, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw SystemError(what: "open \(String(cString: name))") }
    defer { close(file) }
    tally.files += 1
    do {
        let header = try reader.read(try FileSource(file))
        for attribute in Attribute.allCases {
            guard let length = header.withUTF8(attribute, { $0.count }) else { continue }
            tally.values += 1
            tally.textBytes += length
        }
    } catch {
        tally.unreadable += 1
    }
}

/// An open file, read as pacsfs does.
private struct FileSource: ByteSource {
    let descriptor: Int32
    let size: UInt64

    init(_ descriptor: Int32) throws {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SystemError(what: "fstat") }
        self.descriptor = descriptor
        size = UInt64(status.st_size)
    }

    func read(
        at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(ReadError) -> Int {
        let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
        guard count >= 0 else {
            throw .unreadable("The file cannot be read", Errno.last, offset: offset)
        }
        return count
    }
}

/// Seconds of the monotonic clock.
func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

func rounded(_ number: Double, _ digits: Int) -> String {
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let whole = Int((number * scale).rounded())
    let fraction = String(whole % Int(scale))
    return "\(whole / Int(scale))." + String(repeating: "0", count: digits - fraction.count)
        + fraction
}
