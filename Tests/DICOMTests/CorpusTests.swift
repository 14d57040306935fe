import TestSupport
import DICOM
import DICOMSupport
import Testing

/// Compares with the results of two other readers on real files.
@Suite(
    "Real files", .enabled(if: Corpus.shared != nil, Corpus.isAbsent))
struct CorpusTests {
    /// Values where we are right and the expected value, of one reader, is wrong.
    private struct Difference: Hashable {
        let path: String
        let attribute: Attribute
        /// What we read.
        let ours: String?
        let reason: String
    }

    private static let differences: [Difference] =
        [
            Difference(
                path: "synthetic/charset/utf8_invalid.dcm", attribute: .patientName,
                ours: "Badÿþ^UtfÃ", reason: "no byte is lost to U+FFFD: what is no UTF-8 is Latin-1"
            ),
            Difference(
                path: "synthetic/malformed/huge_length.dcm", attribute: .patientName, ours: nil,
                reason: "its length runs beyond the file, so it has no value"),
        ]
        + wholeImage(
            "synthetic/malformed/bad_vr.dcm",
            reason: "the letters ?? stand in front of a length of 16 bits, as what follows shows",
            [.patientName, .patientID, .patientBirthDate, .patientSex]
        )
        + wholeImage(
            "synthetic/malformed/ts_lies_big_endian.dcm",
            reason: "big endian is declared, but the bytes are little endian",
            [
                .sopClassUID, .sopInstanceUID, .studyDate, .studyTime, .accessionNumber, .modality,
                .referringPhysicianName, .studyDescription, .seriesDescription, .patientName,
                .patientID, .patientBirthDate, .patientSex,
            ])

    /// The values of the image that the synthetic files are made of, from study to columns as
    /// well as those named.
    private static func wholeImage(
        _ path: String, reason: String, _ attributes: [Attribute]
    ) -> [Difference] {
        let values: [Attribute: String] = [
            .sopClassUID: "1.2.840.10008.5.1.4.1.1.7", .sopInstanceUID: "2.25.101010101010.22",
            .studyDate: "20240131", .studyTime: "120000", .accessionNumber: "", .modality: "OT",
            .referringPhysicianName: "", .studyDescription: "Synthetic",
            .seriesDescription: "Series", .patientName: "Synthetic^Sample", .patientID: "TRUNC1",
            .patientBirthDate: "19700101", .patientSex: "O",
            .studyInstanceUID: "2.25.101010101010.23", .seriesInstanceUID: "2.25.101010101010.24",
            .seriesNumber: "1", .instanceNumber: "1", .rows: "16", .columns: "16",
        ]
        let after: [Attribute] = [
            .studyInstanceUID, .seriesInstanceUID, .seriesNumber, .instanceNumber, .rows, .columns,
        ]
        return (attributes + after).map {
            Difference(path: path, attribute: $0, ours: values[$0], reason: reason)
        }
    }

    /// The files that cannot be read, and why.
    private static let rejected: [String: ReadError.Code] = [
        // Its first byte is missing, so nothing is where it should be.
        "pydicom/test_files/no_meta.dcm": .notDICOM,
        "synthetic/malformed/preamble_only.dcm": .noDataSet,
        "synthetic/malformed/text.dcm": .notDICOM,
        "synthetic/malformed/truncated_in_meta.dcm": .truncatedMeta,
        "synthetic/malformed/zero_length.dcm": .empty,
    ]

    @Test(
        "Every file is read as two other readers do, or listed here",
        arguments: ["samples", "series"])
    func expectedValues(set: String) throws {
        let corpus = try #require(Corpus.shared)
        var reader = HeaderReader()
        var compared = 0
        var met: Set<Difference> = []
        for entry in try corpus.entries(set) {
            let bytes = try entry.bytes()
            do throws(ReadError) {
                let header = try reader.read(GuardedSource(bytes))
                #expect(Self.rejected[entry.path] == nil, "\(entry.path) was read")
                for attribute in entry.compared where header[attribute] != entry.expected(attribute)
                {
                    let known = Self.differences.first {
                        $0.path == entry.path && $0.attribute == attribute
                    }
                    #expect(
                        known.map { $0.ours == header[attribute] } ?? false,
                        "\(entry.path) \(attribute.keyword): \(header[attribute] ?? "absent")")
                    #expect(entry.verdict == "malformed", "\(entry.path)")
                    if let known { met.insert(known) }
                }
                compared += entry.compared.count
            } catch {
                #expect(Self.rejected[entry.path] == error.code, "\(entry.path): \(error)")
                #expect(error.offset <= bytes.count)
                #expect(error.message.count > 10 && !error.remedy.isEmpty)
            }
        }
        #expect(compared >= 26 * (set == "series" ? 600 : 378))
        if set == "samples" { #expect(met == Set(Self.differences)) }
    }

    /// What is unusual about the files, as far as it is.
    private static let flags: [String: HeaderFlags] = [
        "pydicom-data/JLSL_RGB_ILV0.dcm": .noPreamble,
        "pydicom-data/JLSL_RGB_ILV1.dcm": .noPreamble,
        "pydicom-data/JLSL_RGB_ILV2.dcm": .noPreamble,
        "pydicom-data/JLSN_RGB_ILV0.dcm": .noPreamble,
        "pydicom-data/OT-PAL-8-face.dcm": [.noPreamble, .noFileMetaInformation],
        "pydicom/test_files/ExplVR_BigEndNoMeta.dcm": [.noPreamble, .noFileMetaInformation],
        "pydicom/test_files/ExplVR_LitEndNoMeta.dcm": [.noPreamble, .noFileMetaInformation],
        "pydicom/test_files/rtstruct.dcm": [.noPreamble, .noFileMetaInformation],
        "synthetic/malformed/no_meta_explicit.dcm": [.noPreamble, .noFileMetaInformation],
        "synthetic/malformed/no_preamble_meta_first.dcm": .noPreamble,
        "pydicom/test_files/SC_rgb_jpeg.dcm": .wrongTransferSyntax,
        "synthetic/malformed/ts_lies_big_endian.dcm": .wrongTransferSyntax,
        "synthetic/malformed/ts_lies_implicit.dcm": .wrongTransferSyntax,
        "synthetic/charset/no_charset_latin1.dcm": .wrongCharacterSet,
        "synthetic/charset/utf8_invalid.dcm": .wrongCharacterSet,
        "pydicom/test_files/rtplan_truncated.dcm": .truncated,
        "synthetic/malformed/huge_length.dcm": .truncated,
        "synthetic/malformed/truncated_in_element_header.dcm": .truncated,
        "synthetic/malformed/truncated_in_pixels.dcm": .pixelDataTruncated,
        "pydicom/test_files/MR_truncated.dcm": .pixelDataTruncated,
    ]

    /// Preambles that hold something else: old scanners left memory there.
    private static let strangePreambles: Set<String> = [
        "fo-dicom-two/HasFragmentSequence.dcm", "nibabel/0.dcm", "nibabel/1.dcm",
        "nibabel/siemens_dwi_0.dcm", "nibabel/siemens_dwi_1000.dcm",
    ]

    @Test("Flags mark the files that are unusual, and no others")
    func flags() throws {
        let corpus = try #require(Corpus.shared)
        var reader = HeaderReader()
        for entry in try corpus.entries("samples") where Self.rejected[entry.path] == nil {
            let header = try reader.read(BufferSource(try entry.bytes()))
            var expected = Self.flags[entry.path] ?? []
            if Self.strangePreambles.contains(entry.path)
                || entry.path.contains("dicomdirtests/") && header.flags.contains(.unusualPreamble)
            {
                expected.insert(.unusualPreamble)
            }
            #expect(header.flags == expected, "\(entry.path) \(header.flags.rawValue)")
        }
    }

    /// Files that end before their data set does.
    private static let cutOff: Set<String> = [
        "pydicom/test_files/MR_truncated.dcm",
        "pydicom/test_files/rtplan_truncated.dcm", "synthetic/malformed/huge_length.dcm",
        "synthetic/malformed/truncated_in_element_header.dcm",
        "synthetic/malformed/truncated_in_pixels.dcm",
    ]

    @Test("Ten whole frames that lack only their delimiter are an image")
    func noDelimiter() throws {
        let corpus = try #require(Corpus.shared)
        let file = try Files.read(
            corpus.root + "/samples/pydicom-data/emri_small_jpeg_2k_lossless_too_short.dcm")
        var reader = HeaderReader()
        let whole = try reader.readUpToPixels(BufferSource(file))
        #expect(whole.truncation == nil && whole.header.flags.contains(.unusualEnd))
        // The tenth frame has 3752 bytes after a head of eight.
        let nine = try reader.readUpToPixels(BufferSource(Array(file.dropLast(3760))))
        #expect(nine.truncation?.isInPixels == true)
    }

    @Test(
        "Truncated files are distinguished from whole ones, however odd those are",
        arguments: ["samples", "series"])
    func cuts(_ set: String) throws {
        let corpus = try #require(Corpus.shared)
        var reader = HeaderReader()
        for entry in try corpus.entries(set) where Self.rejected[entry.path] == nil {
            let source = BufferSource(try entry.bytes())
            _ = try reader.read(source)
            let cut = try reader.truncation(of: source)
            #expect((cut != nil) == Self.cutOff.contains(entry.path), "\(entry.path)")
        }
    }

    @Test("DICOMDIR files are distinguished from images")
    func directories() throws {
        let corpus = try #require(Corpus.shared)
        var reader = HeaderReader()
        var directories = 0
        for entry in try corpus.entries("samples") where Self.rejected[entry.path] == nil {
            let header = try reader.read(BufferSource(try entry.bytes()))
            let isNamedSo = entry.path.split(separator: "/").last?.uppercased().hasPrefix(
                "DICOMDIR")
            if header.isMediaStorageDirectory {
                directories += 1
                #expect(isNamedSo == true, "\(entry.path)")
            } else {
                #expect(isNamedSo == false, "\(entry.path)")
            }
        }
        #expect(directories > 5)
    }

    @Test("Veterinary names and identifiers are read")
    func veterinary() throws {
        let corpus = try #require(Corpus.shared)
        var reader = HeaderReader()
        var found = 0
        for entry in try corpus.entries("samples") where Self.rejected[entry.path] == nil {
            let header = try reader.read(BufferSource(try entry.bytes()))
            if header[.patientSpeciesDescription] ?? "" != "" { found += 1 }
        }
        #expect(found > 0)
        let bytes = try Files.read(corpus.root + "/samples/pydicom/test_files/CT_small.dcm")
        #expect(try reader.read(BufferSource(bytes))[.otherPatientIDs] == "ABCD1234\\1234ABCD")
    }

    @Test("No more of an image is read than its header needs")
    func economy() throws {
        let corpus = try #require(Corpus.shared)
        var reader = HeaderReader()
        for entry in try corpus.entries("series") {
            let source = GuardedSource(try entry.bytes())
            let header = try reader.read(source)
            if let pixels = header.pixelDataOffset { #expect(source.furthest <= pixels + 65536) }
            #expect(source.requested <= 65536, "\(entry.path)")
        }
    }
}
