import Archive

/// What commands say to the running daemon over `control.sock`: a JSON object a line, each
/// answered by one. A scrub is answered by many, the last of which says what came of it; it ends
/// when the command goes away.
enum ControlRequest: Codable, Sendable {
    case status
    /// Reads `pacsfs.toml` again.
    case reload
    case importFiles([ImportFile])
    /// Of these volumes, or all; bytes a second.
    case scrub(volumes: [String], rate: Int64?)
    case addVolume(path: String, domain: String?)
    case retireVolume(String)
    case replaceVolume(String, with: String?, acceptingLoss: Bool)

    /// Whether a directory becomes a volume by it.
    var bringsDirectory: Bool {
        switch self {
        case .addVolume, .replaceVolume: true
        default: false
        }
    }
}

enum ControlResponse: Codable, Sendable {
    case status(ArchiveStatus)
    case reloaded(ReloadSummary)
    case imported([ImportResult])
    case scrubbing(ScrubProgress)
    case scrubbed(ScrubReport)
    case volume(VolumeChange)
    case failed(String)
}
