import Foundation
import Storage

// The ledgers with each other, with the identity files, with the index and with a noted head.
extension Verification {
    /// The ledger that the others are compared with: it has the noted head, the last record that
    /// the index took in, and the most records, in this order of weight.
    func reference(among volumes: [VolumeCheck]) -> VolumeCheck? {
        func rank(_ check: VolumeCheck) -> (Int, Int, Int64) {
            (
                noted != nil && check.notedAt != nil ? 1 : 0,
                check.agreesWithIndex == true ? 1 : 0, check.end.number
            )
        }
        // The first of equals.
        return volumes.max { rank($0) < rank($1) }
    }

    func compare(
        _ volumes: [VolumeCheck], with reference: VolumeCheck, _ indexed: LedgerPosition?,
        _ copies: RecordedCopies, _ rejected: inout RecordedRejections
    ) throws {
        guard reference.ledger != nil else { return }
        report.records = reference.end.number
        report.head = reference.end.head.hex
        // The events of the reference, and its hashes where the others end.
        let ends = Set(volumes.map(\.end.number))
        var heads: [Int64: Digest] = [0: .zero]
        var identities: [Int: VolumeEvent] = [:]
        var again = try reference.volume.ledger(of: site)
        while again.position.number < reference.end.number, !shouldStop(),
            let record = try again.next()
        {
            if ends.contains(record.number) { heads[record.number] = record.end.head }
            let event: LedgerEvent
            do throws(RecordError) {
                event = try LedgerEvent(record.entry)
            } catch {
                add(
                    error.isNewer ? .newer : .fault, reference,
                    file: again.path(record.end.segment), line: again.line,
                    record: record.number, error.reason)
                continue
            }
            try copies.add(event, record: record.number)
            rejected.add(event, record: record.number)
            if case .volume(let volume) = event, case .add = volume {
                identities[volume.ordinal] = volume
            }
        }
        if shouldStop() { return }
        if let fault = again.fault {
            // It was good when it was read first.
            add(fault, of: reference, file: again.path(fault.segment))
        }
        for check in volumes where check !== reference {
            guard heads[check.end.number] == check.end.head else {
                try nameFirstDifference(between: check, and: reference)
                continue
            }
            if check.fault == nil { compareSegments(of: check, with: reference) }
        }
        for check in volumes {
            let isWhole = try check.fault == nil && isTailWhole(of: check, reference, indexed)
            if isWhole, check.end.number < reference.end.number { reportBehind(check, reference) }
            compareIdentity(of: check, with: identities, records: reference.end.number)
        }
        compareWithIndex(volumes, reference, indexed)
        compareWithNote(volumes, reference)
    }

    private func compareSegments(of check: VolumeCheck, with reference: VolumeCheck) {
        func goodBytes(_ check: VolumeCheck) -> [Int64] {
            (check.ledger?.goodBytes ?? [:]).sorted { $0.key < $1.key }.map(\.value)
        }
        let (sizes, others) = (goodBytes(check), goodBytes(reference))
        let isSame =
            sizes.count <= others.count
            && zip(sizes, others).dropLast().allSatisfy { $0 == $1 }
            && (sizes.isEmpty || sizes[sizes.count - 1] <= others[sizes.count - 1])
        if !isSame {
            add(
                .fault, check, file: "\(check.path)/ledger/\(site)",
                """
                The ledger has the same records as that of \(reference.path), but its segments \
                begin elsewhere: it was rewritten.
                """
            )
        }
    }

    private func reportBehind(_ check: VolumeCheck, _ reference: VolumeCheck) {
        add(
            .attention, check, file: check.ledger?.path(check.end.segment),
            record: check.end.number + 1,
            """
            The ledger ends with record \(check.end.number), that of \(reference.path) with \
            record \(reference.end.number). The next start adds what is missing, as for every \
            volume that was away; if this one was not, somebody removed these records.
            """
        )
    }

    /// Reads both ledgers side by side up to the first record that differs.
    private func nameFirstDifference(
        between check: VolumeCheck, and reference: VolumeCheck
    ) throws {
        var one = try check.volume.ledger(of: site)
        var other = try reference.volume.ledger(of: site)
        while let left = try one.next() {
            guard let right = try other.next() else {
                add(
                    .fault, check, file: one.path(left.end.segment), line: one.line,
                    record: left.number,
                    """
                    The record is not in the ledger of \(reference.path), which fits better with \
                    what else is known.
                    """
                )
                return
            }
            if left.end.head != right.end.head {
                let agreement =
                    reference.notedAt != nil || reference.agreesWithIndex == true
                    ? "with the index or the noted head"
                    : "no better: with two ledgers alone nobody can say which of them was changed"
                add(
                    .fault, check, file: one.path(left.end.segment), line: one.line,
                    record: left.number,
                    """
                    The record is another one in the ledger of \(reference.path) (segment \
                    \(right.end.segment), line \(other.line ?? 0)), which fits \
                    \(agreement).
                    """
                )
                return
            }
            if shouldStop() { return }
        }
    }

    /// Reports a torn end.
    ///
    /// - Returns: Whether it is none, or one that a crash left.
    private func isTailWhole(
        of check: VolumeCheck, _ reference: VolumeCheck, _ indexed: LedgerPosition?
    ) throws -> Bool {
        guard let torn = check.tornTail else { return true }
        let file = check.ledger?.path(torn.segment) ?? check.path
        let line = check.place.line + 1
        let bytes =
            try check.ledger?.bytes(of: torn.segment, at: torn.offset, count: Int(torn.bytes)) ?? []
        let known =
            try reference.end.number > check.end.number
            ? reference.ledger?.bytes(of: torn.segment, at: torn.offset, count: bytes.count) ?? []
            : []
        // A crash leaves the bytes that were to be written, or zeros.
        let differs = !known.isEmpty && zip(bytes, known).contains { $0 != 0 && $0 != $1 }
        let isKnown = reference.end.number < indexed?.number ?? 0
        if differs || isKnown {
            add(
                .fault, check, file: file, line: line, record: check.end.number + 1,
                differs
                    ? """
                    The last line was changed: it is not the beginning of what \
                    \(reference.path) has there.
                    """
                    : "The last line was changed: the index knows it as a whole record.")
        } else {
            add(
                .attention, check, file: file, line: line, record: check.end.number + 1,
                """
                The last \(torn.bytes) bytes are an unfinished record, as a crash leaves it. \
                That is no tampering; the next start cuts it off.
                """
            )
        }
        return !differs && !isKnown
    }

    private func compareIdentity(
        of check: VolumeCheck, with records: [Int: VolumeEvent], records count: Int64
    ) {
        guard let identity = check.identity, count > 0 else { return }
        let file = check.path + "/pacsfs-volume.json"
        guard case .add(_, let id, let domain, let created)? = records[identity.ordinal] else {
            add(
                .fault, check, file: file,
                "The ledger knows no volume with number \(identity.ordinal).")
            return
        }
        let pairs = [
            ("id", identity.volume, id), ("domain", identity.domain, domain),
            ("created", identity.created, created),
        ]
        for (key, found, known) in pairs where found != known {
            add(
                .fault, check, file: file,
                """
                The identity file was changed: it says \(key) \"\(found)\", the ledger says \
                \"\(known)\".
                """
            )
        }
    }

    // MARK: With the index and a noted head

    private func compareWithIndex(
        _ volumes: [VolumeCheck], _ reference: VolumeCheck, _ indexed: LedgerPosition?
    ) {
        guard let indexed, let index = paths?.index else { return }
        if indexed.number > reference.end.number {
            let lost = "\(reference.end.number + 1) to \(indexed.number)"
            if isWhole {
                add(
                    .fault, reference, file: reference.place.file, record: reference.end.number + 1,
                    """
                    The ledger ends before: the index knows the records \(lost), and no volume \
                    has them.
                    """
                )
            } else {
                add(
                    .attention, reference, file: reference.place.file,
                    record: reference.end.number + 1,
                    """
                    The ledger ends before: the index knows the records \(lost). Other volumes \
                    may have them.
                    """
                )
            }
        } else if reference.agreesWithIndex != true {
            add(
                .fault, nil, file: index, record: indexed.number,
                """
                The index has taken in another record \(indexed.number) than the ledgers have: \
                that or one before was changed, or the index is of another archive.
                """
            )
        } else if indexed.number < reference.end.number, !isInUse {
            add(
                .attention, nil, file: index, record: indexed.number + 1,
                """
                The index has not taken in the records \(indexed.number + 1) to \
                \(reference.end.number). A crash leaves that, and the next start takes them in; \
                if there was none, somebody appended them.
                """
            )
        }
    }

    private func compareWithNote(_ volumes: [VolumeCheck], _ reference: VolumeCheck) {
        guard let noted else { return }
        report.notedHeadFound = false
        for check in volumes {
            if let place = check.notedAt, noted.number == nil || noted.number == place.record {
                report.notedHeadFound = true
            } else if let place = check.notedAt {
                add(
                    .fault, check, file: place.file, line: place.line, record: place.record,
                    "The noted head is that of record \(place.record), not of \(noted.number ?? 0)."
                )
            } else if let place = check.placeOfNotedNumber {
                add(
                    .fault, check, file: place.file, line: place.line, record: place.record,
                    """
                    Record \(place.record) has not the hash that was noted: it or one before was \
                    changed since.
                    """
                )
            } else if check === reference || check.end.number == reference.end.number {
                add(
                    .fault, check, file: check.place.file, record: noted.number,
                    noted.number.map {
                        """
                        The ledger ends with record \(check.end.number), and the head of record \
                        \($0) was noted: records were removed.
                        """
                    }
                        ?? """
                        No record has the hash that was noted: records were changed or \
                        removed since.
                        """
                )
            }
        }
    }
}
