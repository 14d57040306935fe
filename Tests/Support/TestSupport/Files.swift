import Foundation
import Glibc

/// Plain files.
public enum Files {
    /// Writes a file, and makes the folders that it is to be in.
    public static func write(_ bytes: [UInt8], to path: String) throws {
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
        var descriptor = open(path, flags, 0o644)
        if descriptor < 0, errno == ENOENT, let slash = path.lastIndex(of: "/") {
            try FileManager.default.createDirectory(
                atPath: String(path[..<slash]), withIntermediateDirectories: true)
            descriptor = open(path, flags, 0o644)
        }
        guard descriptor >= 0 else { throw ProgramError(description: "\(path): \(lastError)") }
        defer { close(descriptor) }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done)
            }
            guard count > 0 else { throw ProgramError(description: "\(path): \(lastError)") }
            done += count
        }
    }

    public static func read(_ path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ProgramError(description: "\(path): \(lastError)") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 { throw ProgramError(description: "\(path): \(lastError)") }
            if count == 0 { return bytes }
            bytes.append(contentsOf: buffer[..<count])
        }
    }

    public static func text(_ path: String) throws -> String {
        String(decoding: try read(path), as: UTF8.self)
    }

    public static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// Whether it is a folder, and not a symbolic link to one.
    public static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The SHA-256 of a file, as `sha256sum` says it.
    public static func digest(_ path: String) throws -> String {
        let run = try ProgramRun(["sha256sum", "-z", "--", path])
        guard run.succeeded else { throw ProgramError(description: run.report) }
        return String(run.output.prefix(64))
    }

    /// The SHA-256 of every regular file below `path`, by its path from there.
    public static func digests(below path: String) throws -> [String: String] {
        try digests { try ProgramRun($0, in: path, timeout: 120) }
    }

    /// As ``digests(below:)``, below the directory in which `run` runs a program.
    public static func digests(run: ([String]) throws -> ProgramRun) throws -> [String: String] {
        let run = try run([
            "bash", "-c", "find . -type f -print0 | sort -z | xargs -0 -r sha256sum -z --",
        ])
        guard run.succeeded else { throw ProgramError(description: run.report) }
        var result: [String: String] = [:]
        for entry in run.outputBytes.split(separator: 0) {
            // Two characters between: ` *` or two blanks; then `./`.
            result[String(decoding: entry.dropFirst(68), as: UTF8.self)] = String(
                decoding: entry.prefix(64), as: UTF8.self)
        }
        return result
    }
}

/// The bytes of a file.
public func contents(of path: String) throws -> [UInt8] { try Files.read(path) }

/// The regular files below a folder, by their path in it, sorted.
public func files(below path: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: path).filter { name in
        var status = stat()
        return lstat(path + "/" + name, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }.sorted()
}
