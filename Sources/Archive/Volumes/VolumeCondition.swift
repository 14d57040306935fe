import Storage

/// How a volume is now, as users see it. The ledger's part of it is `VolumeState`.
public enum VolumeCondition: String, Codable, Sendable, CaseIterable {
    /// It can be read and takes files.
    case online
    /// It can be read, and takes nothing: its file system is mounted read-only.
    case readOnly = "read_only"
    /// It is not there.
    case absent
    /// It takes files, but many of its copies were bad.
    case failing
    /// It is being emptied, and takes no images.
    case retiring
}

extension VolumeSet.Member {
    /// - Parameter space: What its file system says just now; `nil` when it does not answer.
    func condition(_ space: FileSystemSpace?) -> VolumeCondition {
        guard volume != nil, let space else { return .absent }
        if space.isReadOnly || isReadOnly { return .readOnly }
        return switch state {
        case .failing: .failing
        case .retiring: .retiring
        case .active, .retired: .online
        }
    }
}
