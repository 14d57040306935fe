extension SyntheticImage {
    /// The data elements, in no order, that the object definition of the modality asks for
    /// (PS3.3 A.3 CT, A.4 MR, A.6 and A.7 US, A.26 DX).
    var elements: [SyntheticElement] {
        patient.elements + commonElements + modalityElements + pixelElements
    }

    private var commonElements: [SyntheticElement] {
        var elements = [
            SyntheticElement(0x0008_0005, "CS", characterSet.rawValue),
            SyntheticElement(0x0008_0012, "DA", examination.date),
            SyntheticElement(0x0008_0013, "TM", examination.time),
            SyntheticElement(0x0008_0016, "UI", sopClassUID),
            SyntheticElement(0x0008_0018, "UI", sopInstanceUID),
            SyntheticElement(0x0008_0020, "DA", examination.date),
            SyntheticElement(0x0008_0021, "DA", examination.date),
            SyntheticElement(0x0008_0022, "DA", examination.date),
            SyntheticElement(0x0008_0023, "DA", examination.date),
            SyntheticElement(0x0008_0030, "TM", examination.time),
            SyntheticElement(0x0008_0031, "TM", examination.time),
            SyntheticElement(0x0008_0032, "TM", examination.time),
            SyntheticElement(0x0008_0033, "TM", examination.time),
            SyntheticElement(0x0008_0050, "SH", examination.accessionNumber),
            SyntheticElement(0x0008_0060, "CS", series.modality.rawValue),
            SyntheticElement(0x0008_0070, "LO", "pacsfs"),
            SyntheticElement(0x0008_0080, "LO", examination.institution),
            SyntheticElement(0x0008_0090, "PN", examination.referringPhysician),
            SyntheticElement(0x0008_1010, "SH", "\(series.modality.rawValue)1"),
            SyntheticElement(0x0008_1030, "LO", examination.description),
            SyntheticElement(0x0008_103E, "LO", series.description),
            SyntheticElement(0x0008_1090, "LO", "SyntheticStudy"),
            SyntheticElement(0x0018_0015, "CS", series.bodyPart),
            SyntheticElement(0x0018_1020, "LO", "1"),
            SyntheticElement(0x0020_000D, "UI", examination.uid),
            SyntheticElement(0x0020_000E, "UI", series.uid),
            SyntheticElement(0x0020_0010, "SH", examination.id),
            SyntheticElement(0x0020_0011, "IS", "\(series.number)"),
            SyntheticElement(0x0020_0012, "IS", "1"),
            SyntheticElement(0x0020_0013, "IS", "\(number)"),
        ]
        if !series.laterality.isEmpty, series.modality != .digitalRadiography {
            elements.append(SyntheticElement(0x0020_0060, "CS", series.laterality))
        }
        if !viewPosition.isEmpty {
            elements.append(SyntheticElement(0x0018_5101, "CS", viewPosition))
        }
        return elements
    }

    private var modalityElements: [SyntheticElement] {
        switch series.modality {
        case .computedTomography:
            crossSectionElements + [
                SyntheticElement(0x0008_0008, "CS", "ORIGINAL\\PRIMARY\\AXIAL"),
                SyntheticElement(0x0018_0060, "DS", "120"),
                SyntheticElement(0x0018_1210, "SH", "B30"),
                SyntheticElement(0x0028_1052, "DS", "\(picture.rescaleIntercept)"),
                SyntheticElement(0x0028_1053, "DS", "1"),
                SyntheticElement(0x0028_1054, "LO", "HU"),
            ]
        case .magneticResonance:
            crossSectionElements + [
                SyntheticElement(0x0008_0008, "CS", "ORIGINAL\\PRIMARY\\M"),
                SyntheticElement(0x0018_0020, "CS", "SE"),
                SyntheticElement(0x0018_0021, "CS", "NONE"),
                SyntheticElement(0x0018_0022, "CS", ""),
                SyntheticElement(0x0018_0023, "CS", "2D"),
                SyntheticElement(0x0018_0080, "DS", "3500"),
                SyntheticElement(0x0018_0081, "DS", "90"),
                SyntheticElement(0x0018_0087, "DS", "0.3"),
                SyntheticElement(0x0018_0091, "IS", "15"),
            ]
        case .digitalRadiography: radiographElements
        case .ultrasound:
            [
                SyntheticElement(0x0008_0008, "CS", "ORIGINAL\\PRIMARY"),
                SyntheticElement(0x0020_0020, "CS", ""),
                SyntheticElement(0x0028_0301, "CS", "NO"),
                SyntheticElement(0x0028_2110, "CS", "00"),
            ]
        }
    }

    /// Where a slice lies: 3 mm from its neighbours, 0.8 mm a pixel.
    private var crossSectionElements: [SyntheticElement] {
        // In tenths: a decimal string has at most 16 characters.
        func halfExtent(_ pixels: Int) -> String { "\(pixels * 4 / 10).\(pixels * 4 % 10)" }
        let corner = "-\(halfExtent(picture.columns))\\-\(halfExtent(picture.rows))"
        return [
            SyntheticElement(0x0018_0050, "DS", "3"),
            SyntheticElement(0x0018_5100, "CS", "HFS"),
            SyntheticElement(0x0020_0032, "DS", "\(corner)\\\(number * 3)"),
            SyntheticElement(0x0020_0037, "DS", "1\\0\\0\\0\\1\\0"),
            SyntheticElement(0x0020_0052, "UI", series.frameOfReferenceUID),
            SyntheticElement(0x0020_1040, "LO", ""),
            SyntheticElement(0x0020_1041, "DS", "\(number * 3)"),
            SyntheticElement(0x0028_0030, "DS", "0.8\\0.8"),
        ]
    }

    private var radiographElements: [SyntheticElement] {
        let region: (code: String, meaning: String) =
            series.bodyPart == "HIP" ? ("24136001", "Hip joint") : ("51185008", "Chest")
        return [
            SyntheticElement(0x0008_0008, "CS", "ORIGINAL\\PRIMARY"),
            SyntheticElement(0x0008_0068, "CS", "FOR PRESENTATION"),
            SyntheticElement(
                0x0008_2218, "SQ",
                .items([
                    [
                        SyntheticElement(0x0008_0100, "SH", region.code),
                        SyntheticElement(0x0008_0102, "SH", "SCT"),
                        SyntheticElement(0x0008_0104, "LO", region.meaning),
                    ]
                ])),
            SyntheticElement(0x0018_1164, "DS", "0.15\\0.15"),
            SyntheticElement(0x0018_1508, "CS", ""),
            SyntheticElement(0x0018_7004, "CS", "SCINTILLATOR"),
            SyntheticElement(0x0020_0020, "CS", "LE\\CD"),
            SyntheticElement(
                0x0020_0062, "CS", series.laterality.isEmpty ? "U" : series.laterality),
            SyntheticElement(0x0028_0301, "CS", "NO"),
            SyntheticElement(0x0028_1040, "CS", "LOG"),
            SyntheticElement(0x0028_1041, "SS", .bytes([0xFF, 0xFF])),
            SyntheticElement(0x0028_1052, "DS", "0"),
            SyntheticElement(0x0028_1053, "DS", "1"),
            SyntheticElement(0x0028_1054, "LO", "US"),
            SyntheticElement(0x0028_2110, "CS", "00"),
            SyntheticElement(0x0040_0555, "SQ", .items([])),
            SyntheticElement(0x2050_0020, "CS", "IDENTITY"),
        ]
    }

    private var pixelElements: [SyntheticElement] {
        func number(_ tag: UInt32, _ value: Int) -> SyntheticElement {
            SyntheticElement(tag, "US", .numbers([UInt32(value)]))
        }
        var elements = [
            number(0x0028_0002, 1),
            SyntheticElement(0x0028_0004, "CS", "MONOCHROME2"),
            number(0x0028_0010, picture.rows),
            number(0x0028_0011, picture.columns),
            number(0x0028_0100, picture.bitsAllocated),
            number(0x0028_0101, picture.bitsStored),
            number(0x0028_0102, picture.bitsStored - 1),
            number(0x0028_0103, 0),
            SyntheticElement(0x0028_1050, "DS", "\(picture.windowCenter)"),
            SyntheticElement(0x0028_1051, "DS", "\(picture.windowWidth)"),
            SyntheticElement(
                0x7FE0_0010, picture.bitsAllocated == 8 ? "OB" : "OW", .bytes(picture.bytes)),
        ]
        if picture.frames > 1 {
            elements += [
                SyntheticElement(0x0018_1063, "DS", "40"),
                SyntheticElement(0x0028_0008, "IS", "\(picture.frames)"),
                SyntheticElement(0x0028_0009, "AT", .numbers([0x0018_1063])),
            ]
        }
        return elements
    }
}
