import Foundation
import Logging
import Storage
import System
import TagIndex

extension ArchiveCore {
    /// Opens the volumes, the ledger on them, and the index.
    ///
    /// - Parameter settings: What `pacsfs.toml` says.
    /// - Throws: ``ArchiveError``: none of the volumes is there, one is in use, or the newest
    ///   records are on a volume that is away.
    static func open(
        at path: String, settings: Settings, log: Logger, clock: any MonotonicClock,
        patience: DiskPatience
    ) throws -> ArchiveCore {
        let identity = try Archive.identity(of: path)
        let volumes = try VolumeSet(
            settings.volumes, archive: identity.archive,
            known: Dictionary(identity.volumes.map { ($0.path, $0.ordinal) }) { first, _ in first },
            patience: patience)
        volumes.remember(identity.volumes)
        volumes.followRoom(copies: settings.copies)
        for member in volumes.members {
            guard let problem = member.problem else { continue }
            let state = member.isReadOnly ? "read-only" : "absent"
            log.error("The volume \(member.place.path) is \(state): \(problem)")
        }
        let ledger = try openLedger(on: volumes, archive: identity.archive, log)
        let (index, catalogue) = try openIndex(
            at: path, ledger, volumes, settings: settings, log: log, clock: clock)
        return ArchiveCore(
            path: path, id: identity.archive, currentSettings: CurrentSettings(settings),
            volumes: volumes, index: index, catalogue: catalogue, observers: Observers(),
            refusals: ShareRefusals(log: log, clock: clock), clock: clock, log: log)
    }

    private static func openLedger(
        on volumes: VolumeSet, archive: String, _ log: Logger
    ) throws -> Ledger {
        let (ledger, recovery) = try Ledger.open(on: volumes.online, archive: archive)
        for volume in recovery.volumes {
            if let failure = volume.failure {
                log.error("The ledger of volume \(volume.volume): \(failure)")
            }
            if let torn = volume.tornTail {
                log.notice(
                    """
                    Cut off \(torn.bytes) unfinished bytes of the ledger of volume \
                    \(volume.volume).
                    """
                )
            }
        }
        return ledger
    }

    /// Opens the index and brings it to the state of the ledger. A useless index is made anew.
    private static func openIndex(
        at path: String, _ ledger: Ledger, _ volumes: VolumeSet, settings: Settings, log: Logger,
        clock: any MonotonicClock
    ) throws -> (TagIndex, Catalogue) {
        let opening = IndexOpening(archive: path, ledger: ledger, volumes: volumes, log: log)
        func start(_ index: TagIndex) throws -> Catalogue {
            let catalogue = try Catalogue(
                index: index, ledger: ledger, volumes: volumes, settings: settings,
                actor: NSUserName(), log: log, clock: clock)
            let replayed = try catalogue.start(settings)
            if replayed > 0 { log.notice("Took \(replayed) records of the ledger into the index.") }
            return catalogue
        }
        let index = try opening.open()
        try requireNewest(ledger, volumes, for: index)
        do {
            return (index, try start(index))
        } catch  where isIndexUseless(error) {
            let index = try opening.rebuild(
                because: "The index does not fit the ledger, or is damaged: \(error)",
                replacing: index)
            return (index, try start(index))
        }
    }

    /// When the index knows records that the volumes here lack, the volume that has them is away.
    /// Going on without it would write other records in their place, and that volume could not be
    /// taken up again.
    ///
    /// - Throws: ``ArchiveError`` that names the volumes to look for.
    private static func requireNewest(
        _ ledger: Ledger, _ volumes: VolumeSet, for index: TagIndex
    ) throws {
        guard let known = try? index.read({ try $0.position() }),
            known.number > UInt64(ledger.position.number)
        else { return }
        let taking = ledger.volumes
        let missing = volumes.members.filter { $0.volume == nil || !taking.contains($0.ordinal) }
        guard !missing.isEmpty else { return }
        let paths = missing.map(\.place.path).joined(separator: " or ")
        throw ArchiveError(
            .storage,
            """
            The volumes that are here end with record \(ledger.position.number), and record \
            \(known.number) was written.
            """,
            remedy:
                """
                Bring back \(paths), which has the records since then. If that is lost for good, \
                \"pacsfs rebuild\" goes on with what is here.
                """
        )
    }

    /// Whether another index would help.
    private static func isIndexUseless(_ error: any Error) -> Bool {
        switch error {
        // The index knows records that the ledger lacks: the volumes that are here are older
        // than it. Their images are shown.
        case let error as StorageError: error.code == .corrupt
        case let error as ArchiveError: error.code == .index
        default: IndexError.isDamage(error)
        }
    }
}
