extension Attribute {
    /// The keyword of the attribute as PS3.6 spells it: `PatientName`.
    public var keyword: String { definition.keyword }

    /// The tag of the attribute in a data set. For `otherPatientIDs` it is the retired
    /// (0010,1000), although the sequence (0010,1002) is preferred when reading.
    public var tag: Tag { definition.tag }

    /// The value representation that PS3.6 gives the attribute.
    public var vr: VR { definition.vr }

    /// The attribute with a keyword, ignoring case; `nil` when there is none.
    public init?(keyword: String) {
        guard let found = Self.byExactKeyword[keyword] ?? Self.byKeyword[keyword.lowercased()]
        else { return nil }
        self = found
    }

    private static let byKeyword: [String: Attribute] = Dictionary(
        uniqueKeysWithValues: allCases.map { ($0.keyword.lowercased(), $0) })

    private static let byExactKeyword: [String: Attribute] = Dictionary(
        uniqueKeysWithValues: allCases.map { ($0.keyword, $0) })

    private var definition: (keyword: String, tag: Tag, vr: VR) {
        switch self {
        case .transferSyntaxUID: ("TransferSyntaxUID", Tag(0x0002, 0x0010), .UI)
        case .specificCharacterSet: ("SpecificCharacterSet", Tag(0x0008, 0x0005), .CS)
        case .imageType: ("ImageType", Tag(0x0008, 0x0008), .CS)
        case .instanceCreationDate: ("InstanceCreationDate", Tag(0x0008, 0x0012), .DA)
        case .sopClassUID: ("SOPClassUID", Tag(0x0008, 0x0016), .UI)
        case .sopInstanceUID: ("SOPInstanceUID", Tag(0x0008, 0x0018), .UI)
        case .studyDate: ("StudyDate", Tag(0x0008, 0x0020), .DA)
        case .seriesDate: ("SeriesDate", Tag(0x0008, 0x0021), .DA)
        case .acquisitionDate: ("AcquisitionDate", Tag(0x0008, 0x0022), .DA)
        case .contentDate: ("ContentDate", Tag(0x0008, 0x0023), .DA)
        case .studyTime: ("StudyTime", Tag(0x0008, 0x0030), .TM)
        case .accessionNumber: ("AccessionNumber", Tag(0x0008, 0x0050), .SH)
        case .modality: ("Modality", Tag(0x0008, 0x0060), .CS)
        case .manufacturer: ("Manufacturer", Tag(0x0008, 0x0070), .LO)
        case .institutionName: ("InstitutionName", Tag(0x0008, 0x0080), .LO)
        case .referringPhysicianName: ("ReferringPhysicianName", Tag(0x0008, 0x0090), .PN)
        case .stationName: ("StationName", Tag(0x0008, 0x1010), .SH)
        case .studyDescription: ("StudyDescription", Tag(0x0008, 0x1030), .LO)
        case .seriesDescription: ("SeriesDescription", Tag(0x0008, 0x103E), .LO)
        case .manufacturerModelName: ("ManufacturerModelName", Tag(0x0008, 0x1090), .LO)
        case .patientName: ("PatientName", Tag(0x0010, 0x0010), .PN)
        case .patientID: ("PatientID", Tag(0x0010, 0x0020), .LO)
        case .issuerOfPatientID: ("IssuerOfPatientID", Tag(0x0010, 0x0021), .LO)
        case .patientBirthDate: ("PatientBirthDate", Tag(0x0010, 0x0030), .DA)
        case .patientSex: ("PatientSex", Tag(0x0010, 0x0040), .CS)
        case .otherPatientIDs: ("OtherPatientIDs", Tag(0x0010, 0x1000), .LO)
        case .patientSpeciesDescription: ("PatientSpeciesDescription", Tag(0x0010, 0x2201), .LO)
        case .patientSexNeutered: ("PatientSexNeutered", Tag(0x0010, 0x2203), .CS)
        case .patientBreedDescription: ("PatientBreedDescription", Tag(0x0010, 0x2292), .LO)
        case .responsiblePerson: ("ResponsiblePerson", Tag(0x0010, 0x2297), .PN)
        case .bodyPartExamined: ("BodyPartExamined", Tag(0x0018, 0x0015), .CS)
        case .viewPosition: ("ViewPosition", Tag(0x0018, 0x5101), .CS)
        case .studyInstanceUID: ("StudyInstanceUID", Tag(0x0020, 0x000D), .UI)
        case .seriesInstanceUID: ("SeriesInstanceUID", Tag(0x0020, 0x000E), .UI)
        case .seriesNumber: ("SeriesNumber", Tag(0x0020, 0x0011), .IS)
        case .instanceNumber: ("InstanceNumber", Tag(0x0020, 0x0013), .IS)
        case .laterality: ("Laterality", Tag(0x0020, 0x0060), .CS)
        case .numberOfFrames: ("NumberOfFrames", Tag(0x0028, 0x0008), .IS)
        case .rows: ("Rows", Tag(0x0028, 0x0010), .US)
        case .columns: ("Columns", Tag(0x0028, 0x0011), .US)
        }
    }
}
