import Glibc

/// What of "What differs from a plain disk" in README.md an operation can meet. Everything else
/// must be the same.
enum PublishedDifferences {
    /// - returns: what incoming has to answer where a plain folder answered `plain`
    static func expected(_ operation: FileOperation, _ plain: FileOutcome) -> FileOutcome {
        switch (operation, plain) {
        // No symbolic links, hard links or devices in incoming.
        case (.link, .done), (.symbolicLink, .done), (.makeFIFO, .done): .error(EPERM)
        // Whatever mode is asked for, the owner of a file can read and write it.
        case (_, .status(let status)): .status(status.owned)
        default: plain
        }
    }

    /// Takes back what the plain folder did and incoming did not.
    static func undo(_ operation: FileOperation, _ plain: FileOutcome, in side: FileSide) {
        guard plain == .done else { return }
        switch operation {
        case .link(_, let name), .symbolicLink(let name), .makeFIFO(let name): _ = side.perform(.unlink(name))
        default: break
        }
    }
}

extension FileStatus {
    fileprivate var owned: FileStatus {
        var status = self
        status.mode |= type == S_IFDIR ? 0o700 : 0o600
        return status
    }
}
