import Archive
import Glibc
import System

/// What `user.pacsfs.state` says of a file of `/incoming`: one word, for programs. README lists
/// them.
enum IncomingStateWord: String {
    case writing, temporary, ignored, archiving, archived, consumed, refused, failed
}

extension IncomingTree {
    /// What getxattr(2) says of a file: how far it is, and one or more sentences for a person, if
    /// there is a reason why it is still here.
    ///
    /// - Throws: `ESTALE` for a number that was never given or has been forgotten.
    func extendedAttributes(of number: UInt64) throws(Errno) -> [(name: String, value: String)] {
        if number == root {
            return refusalReason.map { [(ExtendedAttribute.reason, $0)] } ?? []
        }
        let (file, path, lastUse) = try locked { (contents) throws(Errno) in
            let node = try contents.tree.node(number)
            return (contents.files[number], contents.tree.path(of: number), node.lastUse)
        }
        guard let file, file.isOurs, has(name: number) else { return [] }
        let (word, reason) = state(of: file, path: path, lastUse: lastUse)
        var attributes = [(ExtendedAttribute.state, word.rawValue)]
        if let reason { attributes.append((ExtendedAttribute.reason, reason)) }
        return attributes
    }

    private func has(name number: UInt64) -> Bool {
        locked { $0.tree.place(of: number) != nil }
    }

    private func state(
        of file: IncomingFile, path: [UInt8], lastUse: Int64
    ) -> (IncomingStateWord, reason: String?) {
        switch file.state {
        case .archived: return (.archived, nil)
        case .consumed, .foreign: return (.consumed, nil)
        case .archiving(let attempt): return (.archiving, Self.progress(of: attempt.unpacking))
        case .whole where file.isLeftover:
            return (.archiving, "Left by an earlier run of pacsfs, which now looks at it.")
        case .whole:
            return (
                .archiving,
                file.isZip == true ? "Waiting to be unpacked." : Self.progress(of: nil)
            )
        case .refused(let reason), .settingAside(_, let reason):
            return (.refused, "Will be set aside: \(reason)")
        case .failed(let error, let failures):
            let left = max(0, lastUse + failures.pause - clock.now) / 1_000_000_000
            return (.failed, "Not stored: \(error) It is tried again in \(left) s.")
        case .writing: break
        }
        let facts = file.facts(path: path, archive.settings)
        switch IncomingDecision(facts) {
        case .discard:
            return (
                .ignored,
                """
                Goes quietly, if it is no image: its name is on the list \"ignore\" of pacsfs.toml.
                """
            )
        case .wait:
            return (
                .temporary,
                "Waiting: written under a temporary name, archived when it is renamed."
            )
        case .setAside(let reason) where file.bytes.error != nil || file.handles == 0:
            return (.refused, "Will be set aside: \(reason)")
        case .archive, .setAside:
            let reason =
                file.handles > 0
                ? "Waiting: it is open, and archived when whoever writes it closes it."
                : "Waiting: it was not closed yet."
            return (.writing, reason)
        }
    }

    private static func progress(of unpacking: Unpacking?) -> String {
        guard let unpacking else { return "On its way into the archive." }
        guard let (done, files) = unpacking.progress else {
            return "Waiting to be unpacked: others are before it."
        }
        return "Being unpacked: \(done) of \(files) files."
    }
}
