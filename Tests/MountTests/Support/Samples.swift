import TestSupport
import SyntheticStudy
import Testing

extension MountedArchive {
    /// Writes the sample images, 17 files of 5 studies, below `samples` in ``work``.
    ///
    /// - Parameter mark: stands at the end of each, so that they are other images than those of
    ///   another test
    /// - Returns: their paths
    @discardableResult
    func writeSamples(markedWith mark: String = "") throws -> [String] {
        let paths = try SampleArchive.files().map { sample in
            let path = "\(work)/samples/\(sample.path)"
            try Files.write(sample.bytes + mark.utf8, to: path)
            return path
        }
        try handOver()
        return paths
    }

    /// Writes some of the sample images as `1.dcm`, `2.dcm` and so on in ``work``. Each is
    /// between 8 and 210 kB.
    ///
    /// - Parameter mark: stands at the end of each, so that they are other images than those of
    ///   another test
    /// - Returns: their paths
    @discardableResult
    func writeImages(_ count: Int = 1, markedWith mark: String = "") throws -> [String] {
        let images = SampleArchive.files().prefix(count)
        try #require(images.count == count)
        let paths = try images.enumerated().map { index, sample in
            let path = "\(work)/\(index + 1).dcm"
            try Files.write(sample.bytes + mark.utf8, to: path)
            return path
        }
        try handOver()
        return paths
    }

    /// Archives the sample images by way of `import`.
    func importSamples() throws {
        try writeSamples()
        let run = try pacsfs("import", "samples")
        try #require(run.succeeded, "\(run.report)")
    }

    /// The views that a new archive has. Each sample image is in all of them.
    static let views = [
        "by-accession", "by-date", "by-id", "by-microchip", "by-modality", "by-owner", "by-patient",
        "by-species",
        "by-uid",
    ]
    /// Those of them that leave images out: the ones without an accession number, or without a
    /// chip.
    static let selectiveViews: Set = ["by-accession", "by-microchip"]
    /// The others: every image is in each of these.
    static let completeViews = views.filter { !selectiveViews.contains($0) }
}
