import Storage

/// Something that is to be reported, once when it begins and once when it is over.
struct AlertCondition: Equatable, Sendable {
    /// What it is about; the same as long as it lasts, whatever numbers it speaks of.
    var key: String
    /// What is wrong and what to do, a sentence or several.
    var text: String

    /// All that is not as it should be, the worst first.
    ///
    /// - Parameters:
    ///   - status: What is so now.
    ///   - silence: Of the devices.
    ///   - scrubDays: In how many days everything is to be read; 0 for never.
    static func all(
        _ status: ArchiveStatus, silence: [IntakeSilence], scrubDays: Double
    ) -> [AlertCondition] {
        var conditions: [AlertCondition] = []
        // Those that name a day have a key of their own below.
        let dated = Set(
            [status.verification.finding]
                + status.remotes.map(\.proofFinding))
        for reason in status.health.reasons where !dated.contains(reason) {
            let condition = AlertCondition(key: key(of: reason), text: reason)
            if !conditions.contains(where: { $0.key == condition.key }) {
                conditions.append(condition)
            }
        }
        if let days = status.freeSpace.daysLeft, (30..<60).contains(days) {
            conditions.append(
                .init(
                    key: "room",
                    text: """
                        The room will last for \(Figures.time(ofDays: days)). Add a volume: pacsfs \
                        volume add DIR
                        """))
        }
        if let text = status.verification.finding {
            conditions.append(.init(key: "verify", text: text))
        }
        for remote in status.remotes {
            guard let text = remote.proofFinding else { continue }
            conditions.append(.init(key: "proof \(remote.name)", text: text))
        }
        conditions += overdue(status, days: scrubDays)
        conditions += silence.map { .init(key: $0.key, text: $0.text) }
        return conditions
    }

    /// Volumes that were not read whole for twice as long as they should be.
    private static func overdue(_ status: ArchiveStatus, days: Double) -> [AlertCondition] {
        guard days > 0 else { return [] }
        let oldest = status.time.nanoseconds - Int64(days * 2 * 86_400e9)
        return status.volumes.compactMap { volume in
            guard let ordinal = volume.ordinal, volume.state != .absent,
                let scrubbed = volume.scrubbed, scrubbed.nanoseconds < oldest
            else { return nil }
            return .init(
                key: "scrub \(ordinal)",
                text: """
                    Not every copy on \(volume.path) was read since \(scrubbed.date), and that \
                    should happen in \(Int(days)) days. Let the archive be mounted all the time, \
                    or read them now: pacsfs scrub
                    """)
        }
    }

    /// A reason without its numbers: a thing remains the same when more images are concerned. The
    /// digits of a name, such as that of a disk, stay.
    private static func key(of reason: String) -> String {
        reason.split(separator: " ").map { word in
            let number = word.trimmingSuffix { ".,:;".contains($0) }
            let isNumber =
                number.first?.isNumber == true
                && number.allSatisfy { $0.isNumber || $0 == "," }
            return isNumber ? "#" : String(word)
        }.joined(separator: " ")
            .replacing(#/(?:# of )?# images? (?:has|have|is|are)/#, with: "images")
    }
}

extension Substring {
    fileprivate func trimmingSuffix(while isPart: (Character) -> Bool) -> Substring {
        self[..<(lastIndex { !isPart($0) }.map { index(after: $0) } ?? startIndex)]
    }
}
