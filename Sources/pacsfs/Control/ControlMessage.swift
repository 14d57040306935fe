import Archive

/// What commands ask of the daemon over `control.sock`.
enum ControlRequest: Codable, Sendable {
    case status
    /// Reads `pacsfs.toml` again.
    case reload
    case importFiles([ImportFile])
    /// Scrubs these volumes, or all if none is named; `rate` is bytes a second. It is answered
    /// several times: `scrubbing` says how far it is, and the last answer is `scrubbed` or
    /// `failed`. The scrub ends when the command goes away.
    case scrub(volumes: [String], rate: Int64?)
    case change(VolumeRequest)
    case addRemote(RemoteRequest)
    case forgetRemote(String)
    case removeRemote(String)
    /// Brings everything to a remote. It is answered several times: `pushing` says how far it is,
    /// and the last answer is `pushed` or `failed`. The push goes on when the command goes away.
    case pushRemote(String)
    /// Compares a remote with what was recorded of it; answered like `pushRemote`, with `checking`
    /// and `checked`.
    case checkRemote(String, isFetching: Bool)
    case testWipe(String)
    /// Restores from sources, each alone; answered like `scrub`, with `drilling` and `drilled`. It
    /// ends when the command goes away.
    case drill([String], isFull: Bool)
}

/// What the daemon answers.
enum ControlResponse: Codable, Sendable {
    case status(ArchiveStatus)
    case reloaded(ReloadSummary)
    case imported([ImportResult])
    case scrubbing(ScrubProgress)
    case scrubbed(ScrubReport)
    case changed(VolumeChange)
    case addedRemote(AddedRemote)
    case changedRemote
    case pushing(PushProgress)
    /// Why something did not go, a sentence each.
    case pushed([String])
    case checking(CheckProgress)
    case checked(RemoteCheckReport)
    case testedWipe(ArchiveStatus.Remote.WipeTest)
    case drilling(DrillProgress)
    case drilled([DrillReport])
    /// A sentence: what happened, and what to do.
    case failed(String)
}

/// A change of the volumes.
enum VolumeRequest: Codable, Sendable {
    case add(path: String, domain: String?)
    case addRemovable(path: String)
    case retire(String)
    case replace(String, with: String?, acceptingLoss: Bool, acceptingSharedDisk: Bool)

    /// Whether a directory becomes a volume by it.
    var bringsDirectory: Bool {
        switch self {
        case .add, .addRemovable, .replace: true
        case .retire: false
        }
    }

    /// The directory that becomes a volume; `nil` when none does, or that of the lost one.
    var directory: String? {
        switch self {
        case .add(let path, _), .addRemovable(let path): path
        case .retire: nil
        case .replace(_, let path, _, _): path
        }
    }

    /// - Throws: ``ArchiveError`` when nothing was changed.
    func perform(on archive: Archive) throws(ArchiveError) -> VolumeChange {
        switch self {
        case .add(let path, let domain): try archive.addVolume(at: path, domain: domain)
        case .addRemovable(let path): try archive.addRemovable(at: path)
        case .retire(let name): try archive.retireVolume(name)
        case .replace(let name, let path, let acceptingLoss, let acceptingSharedDisk):
            try archive.replaceVolume(
                name, with: path, acceptingLoss: acceptingLoss,
                acceptingSharedDisk: acceptingSharedDisk)
        }
    }
}
