import Glibc

/// The differences in README.md, "What differs from a plain disk", that random operations can meet.
/// Everything else must be the same.
enum PublishedDifferences {
    /// - Returns: The answer that incoming must give when a plain folder answered `plain`.
    static func expected(_ operation: FileOperation, _ plain: FileOutcome) -> FileOutcome {
        switch (operation, plain) {
        // No symbolic links, hard links or devices in incoming.
        case (.link, .done), (.symbolicLink, .done), (.makeFIFO, .done): .error(EPERM)
        // The owner of a file can always read and write it, with every mode.
        case (_, .status(let status)): .status(status.owned)
        default: plain
        }
    }

    /// The operation for the plain folder. Root may read and write everything there. For another
    /// user, the mode gets 0600 (0700 for folders), which incoming adds too; without it the user
    /// could not go on.
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

    /// Reverts in the plain folder what incoming refused.
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
