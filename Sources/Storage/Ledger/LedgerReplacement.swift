/// A ledger that is made from what is known otherwise, because no volume has one that can be
/// used. It is written in a folder of its own, and takes the place of the old one when it is
/// complete; the old one is kept beside it.
///
/// ```
/// VOLUME/ledger/<site>                    what counts
/// VOLUME/ledger/<site>.new                being made; cleared when it is begun again
/// VOLUME/ledger/<site>.unusable-<time>    what counted before
/// ```
public struct LedgerReplacement {
    /// What is appended to.
    public let ledger: Ledger
    private let site: String
    private let volumes: [Volume]

    /// Whether the ledger on a volume can be read from its first record to its last.
    public static func isNeeded(on volume: Volume, site: String) -> Bool {
        guard let check = try? LedgerVerification.of(volume: volume, site: site) else {
            return true
        }
        return check.fault != nil || check.end.number == 0
    }

    /// Begins a new ledger.
    ///
    /// - Parameter volumes: Those that can be written to; at least one.
    public init(site: String, on volumes: [Volume]) throws(StorageError) {
        self.site = site
        self.volumes = volumes
        for volume in volumes {
            // What an interrupted run left: all of it came from the blobs, which are there.
            guard try volume.ledger.facts(Self.name(site)) != nil else { continue }
            let folder = try volume.ledger.openDirectory(Self.name(site))
            for name in try folder.entries() { try folder.remove(name) }
        }
        ledger = try Ledger.open(on: volumes, site: Self.name(site))
    }

    private static func name(_ site: String) -> String { site + ".new" }

    /// Gives the new ledger the place of the old one, on all volumes.
    ///
    /// The old ones go first: where a crash leaves a volume without a ledger, it gets that of
    /// the others at the next start.
    public func takeIntoUse(at time: Timestamp = .now()) throws(StorageError) {
        let aside =
            site + ".unusable-" + String(time.description.prefix(19)).replacing(":", with: "")
        for volume in volumes where try volume.ledger.facts(site) != nil {
            try volume.ledger.renameWithoutReplacing(site, to: volume.ledger, aside)
        }
        for volume in volumes {
            try volume.ledger.renameWithoutReplacing(Self.name(site), to: volume.ledger, site)
            try volume.ledger.sync()
        }
    }
}
