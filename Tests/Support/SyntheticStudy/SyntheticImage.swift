/// The devices that synthetic images come from, by the Modality they write (PS3.3 C.7.3.1.1.1).
public enum SyntheticModality: String, Sendable, CaseIterable {
    case computedTomography = "CT"
    case digitalRadiography = "DX"
    case magneticResonance = "MR"
    case ultrasound = "US"

    /// The storage SOP class (PS3.4 B.5) for images of one frame or of several.
    func sopClassUID(isMultiFrame: Bool) -> String {
        switch self {
        case .computedTomography: "1.2.840.10008.5.1.4.1.1.2"
        case .digitalRadiography: "1.2.840.10008.5.1.4.1.1.1.1"
        case .magneticResonance: "1.2.840.10008.5.1.4.1.1.4"
        case .ultrasound:
            isMultiFrame ? "1.2.840.10008.5.1.4.1.1.3.1" : "1.2.840.10008.5.1.4.1.1.6.1"
        }
    }
}

/// The attributes that the images of a study share, without the patient (PS3.3 C.7.2.1).
public struct SyntheticExamination: Sendable, Equatable {
    public var uid: String
    /// Study ID.
    public var id = "1"
    /// DA and TM, or empty.
    public var date: String
    public var time: String
    public var accessionNumber = ""
    public var description = ""
    public var institution = "Example Animal Clinic"
    public var referringPhysician = ""

    public init(uid: String, date: String, time: String) {
        self.uid = uid
        self.date = date
        self.time = time
    }
}

/// The attributes that the images of a series share (PS3.3 C.7.3.1).
public struct SyntheticSeries: Sendable, Equatable {
    public var uid: String
    public var number: Int
    public var modality: SyntheticModality
    public var description = ""
    /// CS, as in PS3.16 annex L.
    public var bodyPart = "CHEST"
    /// `L` or `R` for a paired part of the body, else empty.
    public var laterality = ""
    public var frameOfReferenceUID: String

    public init(uid: String, number: Int, modality: SyntheticModality, frameOfReferenceUID: String)
    {
        self.uid = uid
        self.number = number
        self.modality = modality
        self.frameOfReferenceUID = frameOfReferenceUID
    }
}

/// An image that never was: a valid DICOM file, the same for the same attributes.
///
/// ```swift
/// var image = SyntheticImage(seed: 1, modality: .digitalRadiography)
/// image.patient.name = "Smith^Rex"
/// let bytes = image.write()
/// ```
public struct SyntheticImage: Sendable {
    public var patient: SyntheticPatient
    public var examination: SyntheticExamination
    public var series: SyntheticSeries
    public var sopInstanceUID: String
    /// Instance Number.
    public var number = 1
    /// CS such as `VD`, or empty.
    public var viewPosition = ""
    public var picture: SyntheticPicture
    public var characterSet = SyntheticCharacterSet.utf8
    /// Elements that replace or join those made from the other properties.
    public var overrides: [SyntheticElement] = []
    /// Tags that are left out.
    public var omitted: Set<UInt32> = []
    /// The minimum length of the file in bytes. Data Set Trailing Padding fills it up, exactly if
    /// at least 12 bytes are missing and the length is even.
    public var minimumLength = 0

    public init(
        patient: SyntheticPatient, examination: SyntheticExamination, series: SyntheticSeries,
        sopInstanceUID: String, picture: SyntheticPicture
    ) {
        self.patient = patient
        self.examination = examination
        self.series = series
        self.sopInstanceUID = sopInstanceUID
        self.picture = picture
    }

    /// The first image of the study made up from a seed.
    public init(seed: UInt64, modality: SyntheticModality = .digitalRadiography) {
        self = SyntheticStudy(seed: seed, modality: modality, series: 1, imagesPerSeries: 1).image(
            series: 0, index: 0)
    }

    /// The SOP class that fits modality and frames.
    public var sopClassUID: String { series.modality.sopClassUID(isMultiFrame: picture.frames > 1) }

    /// The bytes of the file: PS3.10, Explicit VR Little Endian.
    public func write() -> [UInt8] {
        var writer = ElementWriter(
            characterSet: characterSet, capacity: max(minimumLength, picture.bytes.count + 4_096))
        writer.append(raw: repeatElement(0, count: 128))
        writer.append(raw: "DICM".utf8)
        appendMetaInformation(to: &writer)

        var elements: [UInt32: SyntheticElement] = [:]
        for element in self.elements + overrides { elements[element.tag] = element }
        for (tag, element) in elements.sorted(by: { $0.key < $1.key }) where !omitted.contains(tag)
        {
            writer.append(element)
        }
        let missing = minimumLength - writer.bytes.count
        if missing > 0 {
            let padding = [UInt8](repeating: 0, count: max(0, missing - 12))
            writer.append(SyntheticElement(0xFFFC_FFFC, "OB", .bytes(padding)))
        }
        return writer.bytes
    }

    /// File Meta Information (PS3.10 7.1).
    private func appendMetaInformation(to writer: inout ElementWriter) {
        var meta = ElementWriter(characterSet: characterSet)
        func overriding(_ tag: UInt32, _ text: String) -> String {
            guard let element = overrides.last(where: { $0.tag == tag }),
                case .text(let text) = element.value
            else { return text }
            return text
        }
        meta.append(SyntheticElement(0x0002_0001, "OB", .bytes([0, 1])))
        meta.append(SyntheticElement(0x0002_0002, "UI", overriding(0x0008_0016, sopClassUID)))
        meta.append(SyntheticElement(0x0002_0003, "UI", overriding(0x0008_0018, sopInstanceUID)))
        meta.append(SyntheticElement(0x0002_0010, "UI", "1.2.840.10008.1.2.1"))
        meta.append(
            SyntheticElement(0x0002_0012, "UI", "2.25.176832870243018117953186541867045162389"))
        meta.append(SyntheticElement(0x0002_0013, "SH", "PACSFS_SYNTH"))
        writer.append(
            SyntheticElement(0x0002_0000, "UL", .numbers([UInt32(meta.bytes.count)])))
        writer.append(raw: meta.bytes)
    }
}
