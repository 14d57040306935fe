import TestSupport
import DICOM
import Naming
import TagIndex
import TemporaryArchive

/// An index in a temporary folder, and a short way to fill it.
final class IndexFixture {
    let folder: TemporaryFolder
    let index: TagIndex
    let views: [View]
    /// The records of a ledger, from which a second index can be built.
    private(set) var series: [Int64: SeriesRecord] = [:]
    private(set) var records: [Record] = []
    private var clock: Int64 = 1_700_000_000_000_000_000

    enum Record {
        case series(SeriesRecord)
        case instance(InstanceRecord, uid: String?)
    }

    init(views: [View] = DefaultViews.all) throws {
        folder = try TemporaryFolder()
        index = try TagIndex(path: folder.path("index.sqlite"))
        self.views = views
        try index.write { try $0.setViews(views, at: 1) }
    }

    deinit { index.close() }

    var file: IndexFile { IndexFile(folder.path("index.sqlite")) }

    /// Adds an image, in a new transaction unless `writer` is given.
    ///
    /// - Parameter seed: Of its digest: with the same seed, two images have the same bytes.
    @discardableResult
    func add(
        _ attributes: AttributeSet, seed: UInt64, bytes: Int64 = 1000, volumes: [Int] = [1, 2],
        in writer: IndexWriter? = nil
    ) throws -> IndexWriter.Assignment {
        guard let writer else {
            return try index.write {
                try add(attributes, seed: seed, bytes: bytes, volumes: volumes, in: $0)
            }
        }
        clock += 1_000
        let digest = digest(seed)
        let place = try writer.assign(attributes, hex: hex(digest), received: clock, views: views)
        if let new = place.newSeries {
            series[new.id] = new
            records.append(.series(new))
        }
        let record = InstanceRecord(
            id: place.instance, series: place.series, sha256: digest, bytes: bytes, received: clock,
            name: place.name, uidName: place.uidName, flags: 0, source: "/data/\(seed).dcm",
            volumes: volumes, difference: place.difference)
        try writer.apply(record, sopInstanceUID: attributes[.sopInstanceUID])
        records.append(.instance(record, uid: attributes[.sopInstanceUID]))
        return place
    }

    /// The path of each view in which a series is shown.
    func paths(_ place: IndexWriter.Assignment) throws -> [String] {
        try index.read { try $0.details(place.instance) }?.paths.map { $0.joined(separator: "/") }
            ?? []
    }

    /// The path of an image in one view.
    func path(_ place: IndexWriter.Assignment, in view: String) throws -> String {
        try paths(place).first { $0.hasPrefix(view + "/") } ?? ""
    }
}

/// 32 bytes that look random and are the same for the same seed.
func digest(_ seed: UInt64) -> [UInt8] {
    var state = seed &+ 1
    return (0..<32).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

extension AttributeSet {
    init(_ values: [Attribute: String]) {
        self.init()
        for (attribute, value) in values { self[attribute] = value }
    }

    func with(_ changes: [Attribute: String?]) -> AttributeSet {
        var result = AttributeSet()
        for (attribute, value) in present where changes[attribute] == nil {
            result[attribute] = value
        }
        for (attribute, value) in changes {
            if let value { result[attribute] = value }
        }
        return result
    }
}

/// An X-ray of Rex.
let rex = AttributeSet([
    .patientName: "Smith^Rex", .patientID: "1001", .responsiblePerson: "Smith^Mary",
    .studyInstanceUID: "1.2.3", .seriesInstanceUID: "1.2.3.1", .sopInstanceUID: "1.2.3.1.1",
    .studyDate: "20240314", .modality: "DX", .studyDescription: "Hip dysplasia",
    .seriesDescription: "Hip VD", .seriesNumber: "1", .instanceNumber: "1",
    .accessionNumber: "A101", .manufacturer: "Examplinger", .bodyPartExamined: "HIP",
])
