import System

// Where a rejected file lies. Volumes that were away at different times may have it under different
// names: at its path, or with a suffix from its digest.
extension RejectedFolder {
    /// The path of a rejected file below the folder; `nil` when it is not there. Its bytes are not
    /// read.
    ///
    /// - Parameters:
    ///   - path: Where it was rejected to, below `rejected`.
    ///   - digest: What stands for its bytes: `Digest.ofRejected`.
    ///   - bytes: Its size.
    public func place(of path: String, _ digest: Digest, bytes: Int64) -> String? {
        let found = try? onDisk { [self] () throws(StorageError) in
            Self.places(of: path, digest, in: directory).first { $0.bytes == bytes }?.path
        }
        return found ?? nil
    }

    /// All files under the names that a rejected file may have.
    static func places(
        of path: String, _ digest: Digest, in directory: borrowing Directory
    ) -> [(path: String, bytes: Int64)] {
        guard let parts = try? RelativePath.components(path), let last = parts.last else {
            return []
        }
        var folder = ""
        for part in parts.dropLast() {
            let name = candidates(for: part, digest).first { name in
                ((try? directory.facts(folder + name)) ?? nil)?.isDirectory == true
            }
            guard let name else { return [] }
            folder += name + "/"
        }
        return candidates(for: last, digest).compactMap { name in
            guard let facts = (try? directory.facts(folder + name)) ?? nil, facts.isRegular else {
                return nil
            }
            return (folder + name, facts.bytes)
        }
    }
}

/// How a rejected file is on a volume.
public enum RejectedState: Hashable, Sendable {
    /// It is there, and its bytes are those that were rejected.
    case good
    /// Nothing, or only other files, have its names.
    case missing
    /// What has its name has other bytes, and is no other rejected file.
    case altered(path: String)
    case unreadable(path: String, String)
}

extension InspectedVolume {
    /// Reads a rejected file.
    ///
    /// - Parameters:
    ///   - path: As in ``RejectedFolder/place(of:_:bytes:)``.
    ///   - isOther: Whether a digest is that of another rejected file.
    public func state(
        ofRejected path: String, _ digest: Digest, bytes: Int64, isOther: (Digest) -> Bool
    ) -> RejectedState {
        guard let folder = try? root.openDirectory(Volume.Name.rejected) else { return .missing }
        var result = RejectedState.missing
        for place in RejectedFolder.places(of: path, digest, in: folder) {
            let shown = "\(Volume.Name.rejected)/\(place.path)"
            do throws(StorageError) {
                let file = try folder.openFile(place.path)
                let found = try Digest.ofRejected(
                    descriptor: file.number, bytes: file.facts(path: shown).bytes, path: shown)
                if found == digest { return .good }
                if !isOther(found) { result = .altered(path: shown) }
            } catch {
                result = .unreadable(path: shown, "\(error)")
            }
        }
        return result
    }
}
