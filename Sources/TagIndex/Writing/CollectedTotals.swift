import DICOM
import GRDB

/// The changes of one transaction to the sums that the index keeps, written once at its end.
struct CollectedTotals {
    /// Nanoseconds of a day.
    static let day: Int64 = 86_400_000_000_000

    private struct Intake: Hashable {
        /// UTC, since 1970.
        var day: Int64
        var modality: String
    }

    private var instances: Int64 = 0
    private var bytes: Int64 = 0
    private var versions: Int64 = 0
    /// Patients and studies that are new.
    var patients: Int64 = 0
    var studies: Int64 = 0
    private var byVolumes: [[Int]: Int64] = [:]
    private var intake: [Intake: (instances: Int64, bytes: Int64)] = [:]

    /// Counts a new image.
    ///
    /// - Parameter modality: Of its series.
    mutating func add(_ record: InstanceRecord, modality: String?) {
        instances += 1
        bytes += record.bytes
        if record.flags & Int64(HeaderFlags.sameDataSet.rawValue) != 0 { versions += 1 }
        let intake = Intake(day: record.received / Self.day, modality: modality ?? "")
        self.intake[intake, default: (0, 0)].instances += 1
        self.intake[intake, default: (0, 0)].bytes += record.bytes
        byVolumes[record.volumes.sorted(), default: 0] += 1
    }

    /// Counts images that are on other volumes than before.
    ///
    /// - Parameters:
    ///   - old: Ordinals of the volumes of their copies, in any order.
    ///   - new: The same.
    mutating func move(_ images: Int64, from old: [Int], to new: [Int]) {
        byVolumes[old.sorted(), default: 0] -= images
        byVolumes[new.sorted(), default: 0] += images
    }

    /// Adds the changes to the tables `totals`, `intake` and `placement`.
    func write(to db: Database) throws {
        if instances > 0 || studies > 0 || patients > 0 {
            let update = try db.cachedStatement(
                sql: """
                    UPDATE totals
                    SET instances = instances + ?, bytes = bytes + ?, versions = versions + ?,
                        patients = patients + ?, studies = studies + ?
                    """)
            try update.execute(arguments: [instances, bytes, versions, patients, studies])
        }
        for (intake, added) in intake {
            let update = try db.cachedStatement(
                sql: """
                    INSERT INTO intake VALUES (?, ?, ?, ?) ON CONFLICT(day, modality) DO UPDATE
                    SET instances = instances + excluded.instances, bytes = bytes + excluded.bytes
                    """)
            try update.execute(
                arguments: [intake.day, intake.modality, added.instances, added.bytes])
        }
        for (volumes, change) in byVolumes where change != 0 {
            let update = try db.cachedStatement(
                sql: """
                    INSERT INTO placement VALUES (?, ?)
                    ON CONFLICT(volumes) DO UPDATE SET instances = instances + excluded.instances
                    """)
            try update.execute(arguments: [PlacedImages.text(volumes), change])
        }
        // A row of zero would only tell that transactions passed through it. Such a row comes about
        // where something was taken away.
        if byVolumes.values.contains(where: { $0 < 0 }) {
            try db.execute(sql: "DELETE FROM placement WHERE instances = 0")
        }
    }
}

extension PlacedImages {
    /// `1,3`.
    ///
    /// - Parameter volumes: Ordinals, ascending.
    static func text(_ volumes: [Int]) -> String {
        volumes.map(String.init).joined(separator: ",")
    }
}
