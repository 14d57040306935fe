import CLinux
import Foundation
import System

/// The folder below `/incoming` into which the images of one association are written.
///
/// `storescp` writes under a temporary name, closes the file, whether or not that succeeds, and
/// answers that all is well. Before the answer goes on to the sender, the file gets its final name
/// here: `rename` returns when the image is archived, or fails. A file that keeps its temporary
/// name, half received or refused, is never shown in a view.
final class ReceivedFiles {
    /// What `storescp` appends to the names of files.
    static let unfinished = ".part"
    private static let finished = ".dcm"

    let path: String
    private let parent: String
    /// The daemon does not remove a folder that is open.
    private let folder: Descriptor
    private var refused = 0

    /// Makes the folder `incoming/receive AET/sender time`.
    ///
    /// - Throws: ``AssociationError``
    init(mountpoint: String, aeTitle: String, sender: String) throws(AssociationError) {
        let common = "\(mountpoint)/incoming/receive \(Self.portable(aeTitle))"
        let time = Date.now.formatted(
            .iso8601.dateSeparator(.omitted).timeSeparator(.omitted).dateTimeSeparator(.standard))
        let name = "\(Self.portable(sender)) \(time)"
        do throws(Errno) {
            (path, parent) = try Self.makeFolder(name, in: common)
            folder = try Descriptor(opening: path, O_RDONLY | O_DIRECTORY)
        } catch {
            throw AssociationError(.incoming, "\(common)/\(name) cannot be made", cause: error)
        }
    }

    /// - Returns: The path of the new folder, with a number if its name is taken, and the path of
    ///   the folder that it is in.
    /// - Throws: The ``Errno`` of `mkdir(2)`; `EEXIST` when a thousand are taken.
    private static func makeFolder(
        _ name: String, in common: String
    ) throws(Errno) -> (path: String, parent: String) {
        var number = 1
        var parent = try ownFolder(common)
        for _ in 0..<1000 {
            let path = "\(parent)/\(name)" + (number == 1 ? "" : " \(number)")
            do throws(Errno) {
                try systemCall { mkdir(path, 0o755) }
                return (path, parent)
            } catch {
                switch error.code {
                case EEXIST: number += 1
                // The folder above goes when it is empty, perhaps just now.
                case ENOENT: parent = try ownFolder(common)
                default: throw error
                }
            }
        }
        throw Errno(EEXIST)
    }

    /// Makes a folder, or finds it. Others may put a file in its place, or a folder that they could
    /// move away with the images in it; then it gets another name, which nobody can foresee.
    ///
    /// - Returns: The path of a folder that belongs to this process.
    /// - Throws: The ``Errno`` of `mkdir(2)`; `EEXIST` when all names are taken.
    private static func ownFolder(_ path: String) throws(Errno) -> String {
        for attempt in 0..<100 {
            let suffix = attempt == 0 ? "" : " \(String(UInt32.random(in: 0...(.max)), radix: 16))"
            try makeIfAbsent(path + suffix)
            var status = stat()
            guard lstat(path + suffix, &status) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid() {
                return path + suffix
            }
        }
        throw Errno(EEXIST)
    }

    private static func makeIfAbsent(_ path: String) throws(Errno) {
        do throws(Errno) {
            try systemCall { mkdir(path, 0o755) }
        } catch {
            if error.code != EEXIST { throw error }
        }
    }

    /// A sender's name as part of a file name: without `/`, and without signs that Windows forbids.
    private static func portable(_ name: String) -> String {
        String(name.map { "/\\:*?\"<>|".contains($0) ? "_" : $0 })
    }

    /// Why an image was not archived, and what the sender is to know of it.
    typealias Failure = (status: StoreResponse.Status, reason: String)

    /// Archives the file that was received last.
    ///
    /// - Returns: `nil` when it has as many copies as are wanted, and is in the catalogue.
    func archive() -> Failure? {
        let names = unfinishedNames()
        guard names.count == 1, let name = names.first else {
            return (
                .processingFailure, "storescp has written \(names.count) files instead of one."
            )
        }
        let file: Descriptor
        do throws(Errno) {
            // A file that is open is not set aside, and can still be asked what became of it.
            file = try Descriptor(opening: name, at: folder.number, O_RDONLY | O_NOFOLLOW)
        } catch {
            return (.processingFailure, "The file of storescp cannot be opened: \(error).")
        }
        do throws(Errno) {
            try rename(name)
        } catch {
            // It stays, and the next file is another one.
            refused += 1
            let stem = name.dropLast(Self.unfinished.count)
            _ = renameat(folder.number, name, folder.number, "\(stem) refused \(refused).tmp")
            return (
                error.code == ENOSPC ? .outOfResources : .processingFailure,
                "\(error); see \"pacsfs status\"."
            )
        }
        return rejection(of: file.number).map { (.cannotUnderstand, $0) }
    }

    /// Gives a file its final name, which archives it.
    ///
    /// - Throws: The ``Errno`` of `rename(2)`; `EEXIST` when a thousand names are taken.
    private func rename(_ name: String) throws(Errno) {
        let stem = name.dropLast(Self.unfinished.count)
        let number = folder.number
        for attempt in 1...1000 {
            let final = stem + (attempt == 1 ? "" : " \(attempt)") + Self.finished
            do throws(Errno) {
                try systemCall {
                    renameat2(number, name, number, final, UInt32(PACSFS_RENAME_NOREPLACE))
                }
                return
            } catch {
                if error.code != EEXIST { throw error }
            }
        }
        throw Errno(EEXIST)
    }

    /// Why a file that has its final name will be set aside in `/rejected`; `nil` for an image.
    private func rejection(of file: Int32) -> String? {
        do throws(Errno) {
            while true {
                switch try attribute("user.pacsfs.state", of: file) {
                case "archived", "consumed": return nil
                // After a disk has failed, the file may be tried once more just now.
                case "writing", "archiving": usleep(20_000)
                // Nobody knows whether a file in any other state is safe.
                default: return try attribute("user.pacsfs.reason", of: file)
                }
            }
        } catch {
            return "What became of it cannot be read: \(error)."
        }
    }

    /// The text of an extended attribute.
    ///
    /// - Throws: The ``Errno`` of `fgetxattr(2)`.
    private func attribute(_ name: String, of file: Int32) throws(Errno) -> String {
        var text = [UInt8](repeating: 0, count: 4096)
        let count = try systemCall { fgetxattr(file, name, &text, text.count) }
        return String(decoding: text.prefix(count), as: UTF8.self)
    }

    /// Files that `storescp` has not finished, or that have no final name yet.
    private func unfinishedNames() -> [String] {
        ((try? DirectoryEntry.names(in: folder.number)) ?? [])
            .map { String(decoding: $0, as: UTF8.self) }.filter { $0.hasSuffix(Self.unfinished) }
    }

    /// Removes what was not received whole: the sender never heard that it is stored. The folder
    /// goes as well if it is empty; otherwise the daemon removes it later.
    func cleanUp() {
        for name in unfinishedNames() { unlinkat(folder.number, name, 0) }
        rmdir(path)
        rmdir(parent)
    }
}
