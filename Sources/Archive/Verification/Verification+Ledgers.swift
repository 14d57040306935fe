import Foundation
import Storage

// Each volume's identity file and ledger by themselves.
extension Verification {
    var site: String { Ledger.site(archive: report.archive ?? "") }

    func checkIdentity(of check: VolumeCheck) {
        let file = check.path + "/pacsfs-volume.json"
        switch check.volume.identity {
        case .failure(let error) where error.code == .newerFormat:
            newerIdentities.append((check, error))
        case .failure(let error):
            add(.fault, check, file: file, "The volume's identity does not fit: \(error)")
        case .success(let identity):
            if identity.archive != report.archive {
                add(
                    .fault, check, file: file,
                    """
                    The volume belongs to archive \(identity.archive), not to \
                    \(report.archive ?? "this one"). It was not looked at.
                    """
                )
            } else if !check.volume.isIdentityAsWritten {
                add(
                    .fault, check, file: file,
                    "The identity file was changed: it is not as pacsfs wrote it.")
            }
        }
        switch check.volume.readme {
        case .asWritten: break
        case .changed: add(.attention, check, file: check.path + "/README.txt", "It was changed.")
        case .missing: add(.attention, check, file: check.path + "/README.txt", "It is missing.")
        }
        for name in check.volume.strayNames {
            add(.attention, check, file: check.path + "/" + name, "It does not belong to a volume.")
        }
    }

    /// A newer pacsfs rewrites the identities of all volumes, and then records what is as new.
    /// Where other volumes are as before, and all records are known, somebody else has changed the
    /// file, or it was interrupted.
    ///
    /// - Parameter areAllKnown: Whether there are records, and none is of a newer pacsfs.
    func reportNewerIdentities(areAllKnown: Bool) {
        for (check, error) in newerIdentities {
            add(
                areAllKnown ? .fault : .newer, check, file: check.path + "/pacsfs-volume.json",
                areAllKnown
                    ? """
                    No record is of a newer pacsfs: the file was changed, or an update of pacsfs \
                    was interrupted. It was not looked at: \(error)
                    """
                    : "It was not looked at: \(error)")
        }
    }

    func readLedger(of check: VolumeCheck, _ indexed: LedgerPosition?) {
        do {
            let names = try check.volume.ledgerNames()
            for name in names.others + names.sites where name != site {
                add(
                    .attention, check, file: "\(check.path)/ledger/\(name)",
                    "It is not the ledger of this archive, and was not looked at.")
            }
            guard names.sites.contains(site) else { return }
            check.ledger = try check.volume.ledger(of: site)
            try readOn(check, indexed)
        } catch {
            add(.fault, check, file: check.path + "/ledger", "The ledger cannot be read: \(error)")
        }
        for name in check.ledger?.strayNames ?? [] {
            add(
                .attention, check, file: "\(check.path)/ledger/\(site)/\(name)",
                "It is not a segment of the ledger.")
        }
        if let fault = check.fault {
            add(fault, of: check, file: check.ledger?.path(fault.segment) ?? check.path)
        }
    }

    /// Reads a ledger to its end as it is now.
    private func readOn(
        _ check: VolumeCheck, _ indexed: LedgerPosition? = nil, through last: Int64? = nil,
        into copies: RecordedCopies? = nil
    ) throws {
        if let indexed, indexed.number == 0 { check.agreesWithIndex = indexed.head == .zero }
        while check.end.number < last ?? .max, !shouldStop(), let record = try check.ledger?.next()
        {
            if let copies, let event = try? LedgerEvent(record.entry) {
                try copies.add(event, record: record.number)
            }
            if let indexed, record.number == indexed.number {
                check.agreesWithIndex = record.end.head == indexed.head
            }
            if record.number == noted?.number { check.placeOfNotedNumber = check.place }
            if record.end.head == noted?.digest { check.notedAt = check.place }
        }
    }

    /// Waits for appends that are under way, until all volumes have the records of the longest
    /// ledger.
    func awaitAppends(to volumes: [VolumeCheck]) {
        for _ in 0..<40 {
            let longest = volumes.map(\.end.number).max() ?? 0
            let late = volumes.filter {
                $0.fault == nil && $0.ledger != nil
                    && ($0.end.number < longest || $0.tornTail != nil)
            }
            if late.isEmpty || !isInUse || shouldStop() { return }
            usleep(50_000)
            // No further than that, or another volume would be late.
            for check in late { readAppended(check, through: max(longest, check.end.number + 1)) }
        }
    }

    /// Reads the records that were appended since, and reports faults.
    ///
    /// - Parameters:
    ///   - last: The number of the last record to read; `nil` reads to the end.
    ///   - copies: Takes the records in; may be `nil`.
    func readAppended(
        _ check: VolumeCheck, through last: Int64? = nil, into copies: RecordedCopies? = nil
    ) {
        guard check.fault == nil, check.ledger != nil else { return }
        check.ledger?.lookAgain()
        do { try readOn(check, through: last, into: copies) } catch {
            add(.fault, check, file: check.path + "/ledger", "The ledger cannot be read: \(error)")
            return
        }
        if let fault = check.fault {
            add(fault, of: check, file: check.ledger?.path(fault.segment) ?? check.path)
        }
    }
}
