import Foundation
import Glibc
import Storage
import System
import TagIndex

/// Makes the status of an open archive.
struct StatusReport {
    let core: ArchiveCore
    /// Zip archives that wait or are being unpacked.
    let unpacking: [Unpacking]
    let resilver: ResilverProgress
    let rejected: RejectedFiles
    let waiting: WaitingFiles
    let offsite: OffsiteRemotes
    /// How far a restore is; `nil` when there is none.
    let restoring: String?
    /// The same in numbers.
    let restore: ArchiveStatus.Restore?
    let drills: Drills
    /// Why views cannot be made; `nil` when they can.
    let viewsProblem: String?
    /// Why `pacsfs.toml` was not taken into use when it was read again; `nil` when it was.
    let configurationProblem: String?
    var alerts = ArchiveStatus.Alerts()
    let removable: RemovableVolumes

    private var index: TagIndex { core.index }
    private var volumes: VolumeSet { core.volumes }

    /// See ``Archive/status(pending:readMode:mountpoint:)``.
    func status(
        pending: Int?, readMode: ArchiveStatus.ReadMode?, mountpoint: String?
    ) throws -> ArchiveStatus {
        volumes.checkBriefly()
        let totals = try index.read { try $0.totals() }
        let known = try index.read { try $0.volumes() }
        let position = core.catalogue.position
        let members = volumes.members
        let layout = DiskLayout(members)
        var result = ArchiveStatus(
            health: Health(level: .safe, headline: "", reasons: []), archive: core.path,
            instances: totals.instances - totals.versions,
            studies: totals.studies, patients: totals.patients, blobs: totals.instances,
            bytes: totals.bytes,
            copies: try copies(totals, layout),
            volumes: try members.map { try status(of: $0, totals, known, on: layout) },
            readMode: readMode,
            mountpoint: mountpoint,
            incoming: .init(
                pending: try pendingFiles(shown: pending), unpacking: unpacking.map { .init($0) },
                underReplicated: waiting.lackingCopies),
            rejected: totals.rejected,
            rejectedUnderReplicated: try rejected.countMissingCopies(),
            refusals: core.refusals.recent,
            ledger: .init(
                records: position.number, head: position.head.hex,
                ordinals: core.catalogue.ledger.volumes.sorted()),
            freeSpace: try forecast(), archiveFree: ArchiveDisk.free(of: core.path),
            resilver: resilver,
            indexRebuilt: IndexOpening.note(of: core.path),
            indexDamage: TagIndex.damage(of: ArchivePaths(core.path).index),
            views: try index.read { try ViewStatus.list($0, wanted: core.wantedViews) },
            configurationProblem: configurationProblem, viewsProblem: viewsProblem,
            intake: try intake(),
            verification: VerificationNote(of: core.path).map { .init($0) } ?? .init(),
            time: Timestamp(nanoseconds: core.clock.utc), restoring: restoring,
            restore: restore,
            remotes: try offsite.status(), alerts: alerts,
            removable: removable.status(images: totals.instances),
            drills: try drills.status(at: core.clock.utc))
        result.volumes += Self.unlisted(known, members)
        result.health = Health(of: result)
        let now = Timestamp(nanoseconds: core.clock.utc)
        let texts = result.remotes.flatMap { $0.findings(at: now) } + result.drillFindings
        for text in texts {
            result.health.add(attention: text)
        }
        return result
    }

    /// Volumes that hold images, but that pacsfs.toml does not name.
    private static func unlisted(
        _ known: [VolumeRecord], _ members: [VolumeSet.Member]
    ) -> [ArchiveStatus.Volume] {
        known.filter { record in
            record.state != .retired && !members.contains { $0.ordinal == record.ordinal }
        }.map {
            ArchiveStatus.Volume(
                ordinal: $0.ordinal, id: $0.id, path: $0.domain, domain: $0.domain, state: .absent,
                problem:
                    """
                    The ledger has volume \($0.ordinal), and pacsfs.toml does not name its path. \
                    Add it there as a [[volume]], or put another in its place: \
                    pacsfs volume replace \($0.ordinal) NEW-DIR
                    """,
                blobs: 0, free: 0, total: 0, errors: $0.errors, scrubbed: nil, isUnlisted: true)
        }
    }

    private func copies(
        _ totals: Totals, _ layout: DiskLayout
    ) throws -> ArchiveStatus.Copies {
        let wanted = core.settings.copies
        let spread = DiskSpread(totals, layout, wanted: wanted)
        let lost = try index.read { reader in
            try reader.underReplicated(below: 1, limit: 100).compactMap {
                try reader.copies(of: $0.id)
            }
        }
        return ArchiveStatus.Copies(
            wanted: wanted, minimum: core.settings.minimumCopies,
            underReplicated: totals.instances(withFewerThan: wanted),
            single: wanted > 1 ? totals.byCopies[1] ?? 0 : 0, lost: totals.byCopies[0] ?? 0,
            lostImages: lost.compactMap { Digest(bytes: $0.sha256)?.hex },
            offlineOnly: totals.offlineOnly(present: volumes.online.map(\.identity.ordinal)),
            oneDisk: spread.oneDisk, fewDisks: spread.fewDisks)
    }

    /// From the rate of the last 30 days, or since the archive was begun. In the first week the
    /// images of many years are imported, which says nothing about the time to come.
    private func forecast() throws -> ArchiveStatus.FreeSpace {
        let free = try core.capacity().free
        let day: Int64 = 86_400_000_000_000
        let now = core.clock.utc
        let (created, added) = try index.read {
            (try $0.created(), try $0.added(since: now - 30 * day))
        }
        let age = (now - created) / day
        let daily = added.bytes / max(1, min(30, age))
        return .init(
            bytes: free, bytesPerDay: daily, daysLeft: daily > 0 && age >= 7 ? free / daily : nil)
    }

    private func intake() throws -> ArchiveStatus.Intake {
        let day: Int64 = 86_400_000_000_000
        let first = core.clock.utc / day - 29
        let (days, modalities, last) = try index.read {
            (try $0.intake(since: first), try $0.intakeByModality(), try $0.lastReceived())
        }
        let silence = try IntakeSilence.all(in: index, at: core.clock.utc)
        return .init(
            days: days.map {
                .init(
                    date: Timestamp(nanoseconds: $0.day * day).date, modality: $0.modality,
                    images: $0.instances, bytes: $0.bytes)
            },
            modalities: modalities.map {
                .init(modality: $0.modality, images: $0.instances, bytes: $0.bytes)
            }, last: last == 0 ? nil : Timestamp(nanoseconds: last),
            silent: silence.map(\.text))
    }

    private func status(
        of member: VolumeSet.Member, _ totals: Totals, _ known: [VolumeRecord],
        on layout: DiskLayout
    ) throws -> ArchiveStatus.Volume {
        let space = member.space
        let scrubs = try index.read { try $0.scrubs(of: member.ordinal) }
        var status = ArchiveStatus.Volume(
            ordinal: member.ordinal > 0 ? member.ordinal : nil,
            id: member.volume?.identity.volume ?? member.id,
            path: member.place.path, domain: member.place.domain,
            state: member.condition(space),
            problem: member.problem ?? member.exposure,
            blobs: totals.blobs(on: member.ordinal),
            free: space.flatMap { member.volume?.freeSpace(in: $0) } ?? 0, total: space?.total ?? 0,
            disk: space == nil ? nil : layout.name(of: member),
            errors: known.first { $0.ordinal == member.ordinal }?.errors ?? 0,
            scrubbed: scrubs.count == 256
                ? scrubs.values.map(\.time).min().map(Timestamp.init(nanoseconds:)) : nil)
        status.isHung = member.volume == nil && !member.givenUp.isEmpty
        status.isRefused = member.volume == nil && member.isRefused
        status.exposure = member.exposure
        return status
    }

    /// Files that wait in `/incoming`, and on other volumes to be taken there.
    ///
    /// - Parameter shown: Those in `/incoming`, when somebody shows that.
    private func pendingFiles(shown: Int?) throws -> Int {
        var count = shown ?? 0
        for volume in volumes.online where shown == nil || volume !== volumes.staging {
            count += try Recovery.incomingFiles(of: volume.incomingDescriptor).count
        }
        return count
    }
}
