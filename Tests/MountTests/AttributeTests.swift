import TestSupport
import Testing

/// The output of `show --json` for real files, compared with the results of two other readers.
@Suite(
    "Attributes of real files",
    // They are not part of the package.
    .enabled(if: Corpus.shared != nil, Corpus.isAbsent))
struct AttributeTests {
    /// A value with which we differ and believe that we are right.
    private struct Difference: Hashable {
        let path: String
        let attribute: String
        let ours: String?
        let reason: String
    }

    /// None among the valid files; those of malformed ones are in DICOMTests.
    private static let differences: Set<Difference> = []

    @Test(
        "show --json has the attributes of every valid, cross-checked file, or they are listed here"
    )
    func attributes() throws {
        let corpus = try #require(Corpus.shared)
        try MountedArchive.with(isMounted: false) { archive in
            try corpus.copy(to: archive.work)
            let run = try archive.pacsfs("import", "samples", "series", timeout: 120)
            try #require(run.code == 1, "\(run.report)")
            var compared = 0
            var met: Set<Difference> = []
            // A DICOMDIR is valid, but no image.
            let entries = try corpus.entries().filter {
                $0.isValidAndCrossChecked && !$0.path.contains("/DICOMDIR")
            }
            // Digests are asked for one by one in other tests; here all studies at once are
            // quicker.
            var images: [String: ImageDetails] = [:]
            for study in Set(entries.compactMap { $0.expected["StudyInstanceUID"] ?? nil })
            where !study.isEmpty {
                let shown = try archive.pacsfs("show", "--json", study)
                for image in try shown.json(ShownImages.self).images {
                    images[image.sha256] = image
                }
            }
            for entry in entries {
                let found = try images[entry.sha256] ?? archive.image(entry.sha256)
                let image = try #require(found, "\(entry.path) is not archived")
                for (attribute, value) in entry.expected where image.attributes[attribute] != value
                {
                    let ours = image.attributes[attribute]
                    let known = Self.differences.first {
                        $0.path == entry.path && $0.attribute == attribute && $0.ours == ours
                    }
                    #expect(
                        known != nil,
                        "\(entry.path) \(attribute): \(ours ?? "absent"), not \(value ?? "absent")")
                    if let known { met.insert(known) }
                }
                compared += entry.expected.count
            }
            #expect(entries.count > 800 && compared >= 26 * entries.count)
            #expect(met == Self.differences, "A difference that is listed does not exist.")
        }
    }
}
