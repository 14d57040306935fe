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

    /// The operation as it is done in the plain folder: root may read and write everything there, but
    /// for another user a mode without 0600 (0700 for folders), which incoming adds, is a locked door.
    static func onPlainFolder(_ operation: FileOperation, in side: FileSide) -> FileOperation {
        guard geteuid() != 0 else { return operation }
        return switch operation {
        case .open(let name, let flags, let mode): .open(name, flags, mode | 0o600)
        case .makeFolder(let name, let mode): .makeFolder(name, mode | 0o700)
        case .setMode(let name, let mode):
            .setMode(name, mode | (side.isFolder(name) ? 0o700 : 0o600))
        case .setModeOpen(let handle, let mode):
            .setModeOpen(handle, mode | (side.isFolder(handle) ? 0o700 : 0o600))
        default: operation
        }
    }

    /// Takes back what the plain folder did and incoming did not.
    static func undo(_ operation: FileOperation, _ plain: FileOutcome, in side: FileSide) {
        guard plain == .done else { return }
        switch operation {
        case .link(_, let name), .symbolicLink(let name), .makeFIFO(let name):
            _ = side.perform(.unlink(name))
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
