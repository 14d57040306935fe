/// A new ledger, made from other sources because no volume has a usable one. It is written in a
/// folder of its own, and takes the place of the old one when it is complete; the old one is kept
/// beside it.
///
/// ```
/// VOLUME/ledger/<site>                    the ledger
/// VOLUME/ledger/<site>.new                being made; cleared when it is begun again
/// VOLUME/ledger/<site>.unusable-<time>    the ledger before
/// ```
public struct LedgerReplacement {
    /// The new ledger, to append to.
    public let ledger: Ledger
    private let site: String
    private let volumes: [Volume]

    /// Whether the ledger on a volume cannot be read from its first record to its last.
    public static func isNeeded(on volume: Volume, site: String) -> Bool {
        do {
            var chain = try LedgerChain(volume: volume, site: site, policy: .recovering)
            while try chain.next() != nil {}
            return chain.position.number == 0
        } catch {
            return true
        }
    }

    /// Begins a new ledger.
    ///
    /// - Parameters:
    ///   - site: The name of the ledger it will replace.
    ///   - volumes: At least one, all writable.
    /// - Throws: What a system call says.
    public init(site: String, on volumes: [Volume]) throws(StorageError) {
        self.site = site
        self.volumes = volumes
        for volume in volumes {
            // An interrupted run left it. All of it came from the blobs, which are still there.
            guard try volume.ledger.facts(Self.name(site)) != nil else { continue }
            let folder = try volume.ledger.openDirectory(Self.name(site))
            for name in try folder.entries() { try folder.remove(name) }
        }
        ledger = try Ledger.open(on: volumes, site: Self.name(site))
    }

    private static func name(_ site: String) -> String { site + ".new" }

    /// Gives the new ledger the place of the old one, on all volumes.
    ///
    /// The old ones go first: a volume that a crash leaves without a ledger gets that of the
    /// others at the next start.
    ///
    /// - Throws: What a system call says.
    public func install(at time: Timestamp = .now()) throws(StorageError) {
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
