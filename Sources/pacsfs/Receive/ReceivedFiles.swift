import CLinux
import Foundation
import System

/// The folder below `/incoming` into which the images of one association are written.
///
/// `storescp` writes under a temporary name, closes the file, whether or not that succeeds, and
/// answers that all is well. Before the answer goes on to the sender, the file gets its
/// final name here: `rename` returns when the image is archived, or fails. What is left under
/// a temporary name, half received or refused, is never shown in a view.
final class ReceivedFiles {
    /// What `storescp` appends to the names of files.
    static let unfinished = ".part"
    private static let finished = ".dcm"

    let path: String
    private let parent: String
    /// As long as somebody has it open, the daemon does not clear it away.
    private let folder: Int32
    private var refused = 0

    /// Makes the folder `incoming/receive AET/sender time`.
    ///
    /// - throws: ``AssociationError``
    init(mountpoint: String, aeTitle: String, sender: String) throws(AssociationError) {
        let parent = "\(mountpoint)/incoming/receive \(Self.portable(aeTitle))"
        let time = Date.now.formatted(
            .iso8601.dateSeparator(.omitted).timeSeparator(.omitted).dateTimeSeparator(.standard))
        var number = 1
        for _ in 0..<1000 {
            let path =
                "\(parent)/\(Self.portable(sender)) \(time)" + (number == 1 ? "" : " \(number)")
            if mkdir(path, 0o755) == 0 {
                let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                guard folder >= 0 else { throw Self.failure("\(path) cannot be opened") }
                (self.path, self.parent, self.folder) = (path, parent, folder)
                return
            }
            switch errno {
            case EEXIST: number += 1
            // The folder above goes when it is empty, perhaps just now.
            case ENOENT where mkdir(parent, 0o755) == 0 || errno == EEXIST: break
            default: throw Self.failure("\(path) cannot be made")
            }
        }
        throw AssociationError("\(parent) is full")
    }

    deinit { close(folder) }

    /// What stands between a sender and a file system: `/`, and what Windows does not like.
    private static func portable(_ name: String) -> String {
        String(name.map { "/\\:*?\"<>|".contains($0) ? "_" : $0 })
    }

    private static func failure(_ what: String) -> AssociationError {
        AssociationError("\(what): \(String(cString: strerror(errno)))")
    }

    /// Archives the file that was received last. When this returns `nil` it is on as many volumes
    /// as are wanted and in the catalogue; otherwise it is what to tell the sender, and why.
    func archive() -> (status: StoreResponse.Status, reason: String)? {
        let names = unfinished()
        guard names.count == 1, let name = names.first else {
            return (.processingFailure, "storescp has written \(names.count) files instead of one")
        }
        // As long as somebody has it open it is not set aside, and can be asked what became of it.
        let file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else {
            return (.processingFailure, "it cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { close(file) }
        let stem = String(name.dropLast(Self.unfinished.count))
        for number in 1...1000 {
            let final = stem + (number == 1 ? "" : " \(number)") + Self.finished
            if renameat2(folder, name, folder, final, UInt32(PACSFS_RENAME_NOREPLACE)) == 0 {
                return rejection(of: file).map { (.cannotUnderstand, $0) }
            }
            if errno == EEXIST { continue }
            let error = errno
            // It stays, and the next file is another one.
            refused += 1
            _ = renameat(folder, name, folder, "\(stem) refused \(refused).tmp")
            return (
                error == ENOSPC ? .outOfResources : .processingFailure,
                "\(String(cString: strerror(error))); see «pacsfs status»"
            )
        }
        return (.processingFailure, "there are a thousand files of this name")
    }

    /// Why a file that has its final name is to be set aside in `/rejected`; `nil` for an image.
    private func rejection(of file: Int32) -> String? {
        while true {
            switch attribute("user.pacsfs.state", of: file) {
            case "archived", "consumed": return nil
            // Once more, after a disk had failed.
            case "writing", "archiving": usleep(20_000)
            // Anything else is not known to be safe.
            case nil: return "what became of it cannot be read: \(Errno.last)"
            case .some: return attribute("user.pacsfs.reason", of: file) ?? "it is not archived"
            }
        }
    }

    /// The text of an extended attribute; `nil` when it cannot be read, see `errno`.
    private func attribute(_ name: String, of file: Int32) -> String? {
        var text = [UInt8](repeating: 0, count: 4096)
        let count = fgetxattr(file, name, &text, text.count)
        return count < 0 ? nil : String(decoding: text.prefix(count), as: UTF8.self)
    }

    private func unfinished() -> [String] {
        let again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard again >= 0, let stream = fdopendir(again) else {
            if again >= 0 { close(again) }
            return []
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasSuffix(Self.unfinished) { names.append(name) }
        }
        return names
    }

    /// Removes what was not received whole: the sender was never told that it is stored. The
    /// folder goes as well, when nothing is in it; the daemon clears it away otherwise.
    func cleanUp() {
        for name in unfinished() { unlinkat(folder, name, 0) }
        rmdir(path)
        rmdir(parent)
    }
}
