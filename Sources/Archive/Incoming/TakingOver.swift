import Foundation
import Storage
import System

/// A volume cannot leave the archive yet; why is noted with it.
struct RetirementWaits: Error {}

// Files on a volume that are not images: those that wait in `/incoming`, and rejected ones. They
// go to the volume that `/incoming` and `/rejected` show.
extension VolumeAdministration {
    /// Takes over everything from a volume that is to leave.
    ///
    /// - Parameter isStopping: Asked before each file: what is left then is so at the next start.
    /// - returns: what could not be taken over, and why
    func takeOverAll(
        of member: VolumeSet.Member, unless isStopping: () -> Bool
    ) -> [String] {
        guard let source = member.volume else {
            return [
                """
                It is absent. Bring it back, or put another in its place: pacsfs volume replace \
                \(member.place.path) NEW-DIR.
                """
            ]
        }
        let target = volumes.staging
        guard target !== source else { return ["No other volume can be written to."] }
        return takeOverIncoming(of: source, unless: isStopping)
            + rejected.carry(from: source, to: target, unless: isStopping)
    }

    /// Takes over what waits in `/incoming` as it lies on a volume. What is being written is left.
    ///
    /// - Parameter isStopping: Asked before each file; a change that somebody waits for is not
    ///   interrupted.
    /// - returns: what could not be taken over, and why
    func takeOverIncoming(
        of source: Volume, unless isStopping: () -> Bool = { false }
    ) -> [String] {
        let target = volumes.staging
        guard target !== source else { return [] }
        do {
            return try Recovery(takingOverFrom: source, archive: intake)
                .takeOver(on: target, unless: isStopping)
        } catch {
            return ["What waits in incoming of \(source.path) cannot be listed: \(error)"]
        }
    }
}

extension Recovery {
    /// Takes over what waits: what is whole or has a temporary name is moved, so that it waits on
    /// the other volume as it did here; about the rest is decided as after an interruption.
    ///
    /// - Parameter isStopping: Asked before each file.
    /// - returns: what had to stay, and why
    /// - Throws: What waits cannot be listed.
    func takeOver(on target: Volume, unless isStopping: () -> Bool) throws -> [String] {
        var problems: [String] = []
        for file in try incomingFiles() {
            if isStopping() {
                problems.append("pacsfs was stopped; the rest waits on \(volume.path)")
                break
            }
            do {
                guard !archive.observers.isInUse(incoming: file.inode, on: staging) else {
                    throw Self.busy
                }
                if try waits(file) {
                    try move(file, to: target)
                } else {
                    try settle(file)
                    guard archive.volumes.isWritable(volume) else { continue }
                    let stays = try volume.onDisk { [volume] () throws(StorageError) in
                        (try? FileFacts.of(file.path, in: volume.incomingDescriptor)) != .some(nil)
                    }
                    if stays {
                        throw ArchiveError(.storage, "It could be neither archived nor set aside.")
                    }
                }
            } catch {
                problems.append("\(file.shown) of incoming stays on \(volume.path): \(error)")
            }
        }
        if problems.isEmpty { try? removeEmptyFolders() }
        return problems
    }

    /// Whether a file is to wait on: for its rename, to be unpacked, because somebody has moved it
    /// from `rejected`, or because it is whole and could not be archived yet.
    private func waits(_ incoming: IncomingFile) throws -> Bool {
        guard let file = open(incoming) else { return false }
        var facts = facts(of: incoming, file)
        switch IncomingDecision(facts) {
        case .wait, .archive: return true
        case .discard: return false
        case .setAside: break
        }
        guard let digest = try digest(of: incoming, file), try !isIndexed(digest),
            try volume.isStaged(digest)
        else { return false }
        facts.ending = .closed
        return IncomingDecision(facts) == .archive
    }
}
