import Storage

/// `metrics.prom`: the status of an archive for the textfile collector of Prometheus' node
/// exporter, in the text format 0.0.4. Names follow https://prometheus.io/docs/practices/naming.
public struct StatusMetrics {
    private let status: ArchiveStatus

    public init(_ status: ArchiveStatus) { self.status = status }

    /// - Parameter time: When the status was made.
    public func text(at time: Timestamp) -> String {
        var metrics = Metrics()
        Self.addTime(time, isKnown: true, to: &metrics)
        addHealth(to: &metrics)
        addImages(to: &metrics)
        addVolumes(to: &metrics)
        addRoom(to: &metrics)
        addIntake(to: &metrics)
        addRemotes(to: &metrics)
        addRestore(to: &metrics)
        return metrics.text
    }

    /// What is said while there is no status: that there is none.
    public static func withoutStatus(at time: Timestamp) -> String {
        var metrics = Metrics()
        addTime(time, isKnown: false, to: &metrics)
        return metrics.text
    }

    private static func addTime(_ time: Timestamp, isKnown: Bool, to metrics: inout Metrics) {
        metrics.gauge("pacsfs_up", "Whether the status could be found out (1), or not (0).")
        metrics.value(isKnown ? 1 : 0)
        metrics.gauge("pacsfs_status_change_timestamp_seconds", "Since when these values are so.")
        metrics.value(time.seconds)
    }

    private func addHealth(to metrics: inout Metrics) {
        metrics.gauge("pacsfs_safe", "Whether pacsfs status begins with Safe (1), or not (0).")
        metrics.value(status.health.level == .safe ? 1 : 0)
        metrics.gauge("pacsfs_health", "The answer of pacsfs status: 1 for the level that it is.")
        for level in Health.Level.allCases {
            metrics.value(status.health.level == level ? 1 : 0, ["level": level.rawValue])
        }
        metrics.gauge("pacsfs_problems", "Problems that pacsfs status names.")
        metrics.value(Int64(status.health.reasons.count))
    }

    private func addImages(to metrics: inout Metrics) {
        let copies = status.copies
        for (name, help, value) in [
            ("pacsfs_images", "Images in the archive.", status.instances),
            ("pacsfs_studies", "Studies in the archive.", status.studies),
            ("pacsfs_patients", "Patients in the archive.", status.patients),
            ("pacsfs_images_bytes", "Bytes of all images, each counted once.", status.bytes),
            ("pacsfs_copies_wanted", "Copies that each image should have.", Int64(copies.wanted)),
            (
                "pacsfs_images_lacking_copies", "Images with fewer copies than are wanted.",
                copies.underReplicated
            ),
            (
                "pacsfs_images_on_one_disk", "Images that would be lost if one disk failed now.",
                copies.oneDisk
            ),
            (
                "pacsfs_images_offline", "Images whose copies are all on absent volumes.",
                copies.offlineOnly
            ),
            ("pacsfs_images_lost", "Images without any good copy.", copies.lost),
            (
                "pacsfs_incoming_files", "Files in incoming that are not archived yet.",
                Int64(status.incoming.pending)
            ),
            ("pacsfs_rejected_files", "Files that were set aside in rejected.", status.rejected),
        ] {
            metrics.gauge(name, help)
            metrics.value(value)
        }
        metrics.counter("pacsfs_ledger_records_total", "Records of the ledger.")
        metrics.value(status.ledger.records)
        guard let time = status.verification.time else { return }
        metrics.gauge("pacsfs_verify_timestamp_seconds", "When pacsfs verify last ended.")
        metrics.value(time.seconds)
        metrics.gauge("pacsfs_verify_faults", "Things that did not fit then.")
        metrics.value(Int64(status.verification.faults))
    }

    private func addVolumes(to metrics: inout Metrics) {
        func each(
            _ name: String, _ help: String,
            _ value: (ArchiveStatus.Volume) -> Int64?
        ) {
            let values = status.volumes.compactMap { volume in
                volume.ordinal.flatMap { ordinal in
                    value(volume).map { (ordinal, volume.path, $0) }
                }
            }
            guard !values.isEmpty else { return }
            metrics.gauge(name, help)
            for (ordinal, path, value) in values {
                metrics.value(value, ["volume": String(ordinal), "path": path])
            }
        }
        each("pacsfs_volume_up", "Whether a volume is there (1), or not (0).") {
            $0.state == .absent ? 0 : 1
        }
        each("pacsfs_volume_online", "Whether a volume is there and takes new images (1).") {
            $0.state == .online ? 1 : 0
        }
        each("pacsfs_volume_images", "Images that a volume holds.") { $0.blobs }
        each("pacsfs_volume_bad_copies", "Bad copies since it was last read without any.") {
            $0.errors
        }
        each("pacsfs_volume_free_bytes", "Bytes that new files can take.") {
            $0.state == .absent ? nil : $0.free
        }
        each("pacsfs_volume_size_bytes", "Size of its file system.") {
            $0.state == .absent ? nil : $0.total
        }
        each(
            "pacsfs_volume_scrub_timestamp_seconds", "Since when every copy on it has been read."
        ) { $0.scrubbed?.seconds }
    }

    private func addRoom(to metrics: inout Metrics) {
        metrics.gauge("pacsfs_room_bytes", "Bytes of images that still fit, with all their copies.")
        metrics.value(status.freeSpace.bytes)
        if let days = status.freeSpace.daysLeft {
            metrics.gauge(
                "pacsfs_room_seconds", "How long that lasts at the rate of the last 30 days.")
            metrics.value(days.multipliedReportingOverflow(by: 86_400).partialValue)
        }
        if let free = status.archiveFree {
            metrics.gauge("pacsfs_index_free_bytes", "Bytes free on the disk of the index.")
            metrics.value(free)
        }
    }

    private func addRemotes(to metrics: inout Metrics) {
        func each(
            _ name: String, _ help: String, _ value: (ArchiveStatus.Remote) -> Int64?
        ) {
            let values = status.remotes.compactMap { remote in
                value(remote).map { (remote.name, $0) }
            }
            guard !values.isEmpty else { return }
            metrics.gauge(name, help)
            for (remote, value) in values { metrics.value(value, ["remote": remote]) }
        }
        each("pacsfs_offsite_images", "Images that are on a remote.") { $0.images }
        each("pacsfs_offsite_waiting_images", "Images that are not there yet.") {
            $0.imagesWaiting
        }
        each("pacsfs_offsite_waiting_bytes", "Bytes of these.") { $0.bytesWaiting }
        each("pacsfs_offsite_oldest_waiting_seconds", "For how long the first has waited.") {
            $0.oldestWaiting ?? 0
        }
        each("pacsfs_offsite_faulty_objects", "Objects there that are not as they should be.") {
            $0.faults
        }
        each("pacsfs_offsite_check_timestamp_seconds", "When it was last compared.") {
            $0.lastCheck?.seconds
        }
        each("pacsfs_offsite_proof_timestamp_seconds", "When the oldest proof was made.") {
            $0.oldestProof?.seconds
        }
        each("pacsfs_offsite_proof_overdue", "Whether that is too long ago (1).") {
            $0.isProofOverdue ? 1 : 0
        }
        each("pacsfs_offsite_wipe_proof", "Whether our own keys cannot destroy it (1).") {
            $0.wipeTest.map { $0.result == .destroyable ? 0 : 1 }
        }
    }

    /// Drills, and a restore that is under way.
    private func addRestore(to metrics: inout Metrics) {
        func each(_ name: String, _ help: String, _ value: (ArchiveStatus.Drill) -> Int64?) {
            let values = status.drills.compactMap { drill in value(drill).map { (drill.name, $0) } }
            guard !values.isEmpty else { return }
            metrics.gauge(name, help)
            for (source, value) in values { metrics.value(value, ["source": source]) }
        }
        each("pacsfs_drill_timestamp_seconds", "When images were last restored for a trial.") {
            $0.last?.seconds
        }
        each("pacsfs_drill_passed", "Whether everything fitted then (1), or not (0).") {
            $0.result.map { $0 == .passed ? 1 : 0 }
        }
        each("pacsfs_drill_overdue", "Whether it should have been repeated before now (1).") {
            $0.isOverdue ? 1 : 0
        }
        each("pacsfs_drill_listed_images", "Images that a listing showed then.") {
            $0.last == nil ? nil : $0.listed
        }
        each("pacsfs_drill_restored_images", "Images that were restored and compared then.") {
            $0.last == nil ? nil : $0.restored
        }
        each("pacsfs_drill_decoded_images", "Images whose pixels were decoded then.") {
            $0.last == nil ? nil : $0.decoded
        }
        each("pacsfs_drill_full_restore_seconds", "How long restoring everything would take.") {
            $0.fullRestoreS
        }
        metrics.gauge("pacsfs_restoring", "Whether a restore is not finished (1).")
        metrics.value(status.restoring == nil ? 0 : 1)
        guard let restore = status.restore else { return }
        metrics.gauge("pacsfs_restore_missing_images", "Images that are still to be restored.")
        metrics.value(max(0, restore.totalImages - restore.images))
        metrics.gauge("pacsfs_restore_missing_bytes", "Bytes of these.")
        metrics.value(max(0, restore.totalBytes - restore.bytes))
    }

    private func addIntake(to metrics: inout Metrics) {
        if !status.intake.modalities.isEmpty {
            metrics.counter("pacsfs_received_images_total", "Images archived, with all versions.")
            for modality in status.intake.modalities {
                metrics.value(modality.images, ["modality": modality.modality])
            }
            metrics.counter("pacsfs_received_bytes_total", "Bytes of images archived.")
            for modality in status.intake.modalities {
                metrics.value(modality.bytes, ["modality": modality.modality])
            }
        }
        guard let last = status.intake.last else { return }
        metrics.gauge(
            "pacsfs_last_image_timestamp_seconds", "When the last image was archived.")
        metrics.value(last.seconds)
    }
}

extension Timestamp {
    /// Whole seconds since 1970.
    fileprivate var seconds: Int64 { nanoseconds / 1_000_000_000 }
}

/// Samples, grouped by metric.
private struct Metrics {
    private(set) var text = ""
    private var name = ""

    mutating func gauge(_ name: String, _ help: String) { begin(name, "gauge", help) }

    mutating func counter(_ name: String, _ help: String) { begin(name, "counter", help) }

    private mutating func begin(_ name: String, _ type: String, _ help: String) {
        self.name = name
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    /// Adds a sample of the metric that was begun last.
    mutating func value(_ value: Int64, _ labels: KeyValuePairs<String, String> = [:]) {
        let list = labels.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
        text += name + (list.isEmpty ? "" : "{\(list)}") + " \(value)\n"
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
