import Archive

/// What commands say to the running daemon over `control.sock`: a JSON object a line, each
/// answered by one.
enum ControlRequest: Codable, Sendable {
    case status
    case importFiles([ImportFile])
    case addVolume(path: String, domain: String?)
    case retireVolume(String)
    case replaceVolume(String, with: String?, acceptingLoss: Bool)
}

enum ControlResponse: Codable, Sendable {
    case status(ArchiveStatus)
    case imported([ImportResult])
    case volume(VolumeChange)
    case failed(String)
}
