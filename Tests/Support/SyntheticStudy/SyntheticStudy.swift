/// A study that never was: the same images for the same seed.
public struct SyntheticStudy: Sendable {
    public var patient: SyntheticPatient
    public var examination: SyntheticExamination
    public let modality: SyntheticModality
    /// How many series there are, and how many images in each.
    public let seriesCount: Int
    public let imagesPerSeries: Int
    private let seed: UInt64
    private let bodyPart: String
    private let descriptions: [String]
    private let side: Int

    /// A study of one animal on one day between 2020 and 2024.
    ///
    /// - Parameters:
    ///   - patient: The animal; by default made up from the seed.
    ///   - modality: The modality of all its series; by default made up from the seed.
    ///   - side: Rows and columns of the images, in pixels.
    public init(
        seed: UInt64, patient: SyntheticPatient? = nil, modality: SyntheticModality? = nil,
        series: Int = 1, imagesPerSeries: Int = 3, side: Int = 64
    ) {
        var random = SeededRandom(seed: seed, 0x7374)
        let someModality = random.pick(SyntheticModality.allCases)
        let choice = random.pick(Words.examinations(modality ?? someModality))
        self.seed = seed
        self.patient = patient ?? SyntheticPatient(seed: seed)
        self.modality = modality ?? someModality
        self.side = side
        seriesCount = series
        self.imagesPerSeries = imagesPerSeries
        bodyPart = choice.part
        descriptions = choice.series
        examination = SyntheticExamination(
            uid: random.uid(), date: random.date(in: 2020 + random.below(5)), time: random.time())
        examination.accessionNumber =
            random.below(4) == 0 ? "" : "A\(1_000_000 + random.below(9_000_000))"
        examination.description = choice.study
        examination.institution = random.pick(Words.institutions)
        examination.referringPhysician = random.pick(Words.vets)
    }

    /// All images, series by series; each is drawn when the sequence gets there.
    public func images() -> some Sequence<SyntheticImage> {
        (0..<seriesCount * imagesPerSeries).lazy.map {
            image(series: $0 / imagesPerSeries, index: $0 % imagesPerSeries)
        }
    }

    /// An image by the numbers of its series and of itself in it, both from 0.
    public func image(series: Int, index: Int) -> SyntheticImage {
        let position = Float(index) / Float(max(1, imagesPerSeries - 1))
        let picture: SyntheticPicture =
            switch modality {
            case .digitalRadiography where bodyPart == "HIP":
                .hip(rows: side, columns: side, isLateral: index % 2 == 1, seed: seed)
            case .digitalRadiography: .thorax(rows: side, columns: side, seed: seed)
            case .computedTomography:
                .slice(rows: side, columns: side, position: position, seed: seed &+ UInt64(index))
            case .magneticResonance:
                .head(rows: side, columns: side, position: position, seed: seed &+ UInt64(index))
            case .ultrasound:
                .ultrasound(rows: side, columns: side, frames: 1, seed: seed &+ UInt64(index))
            }
        return image(series: series, index: index, picture: picture)
    }

    /// The same image, with that picture.
    func image(series: Int, index: Int, picture: SyntheticPicture) -> SyntheticImage {
        var random = SeededRandom(seed: seed, 0x7365, UInt64(series))
        var attributes = SyntheticSeries(
            uid: random.uid(), number: series + 1, modality: modality,
            frameOfReferenceUID: random.uid())
        attributes.description = descriptions[series % descriptions.count]
        attributes.bodyPart = bodyPart
        if ["ELBOW", "KNEE"].contains(bodyPart) { attributes.laterality = "L" }
        random = SeededRandom(seed: seed, 0x696d, UInt64(series), UInt64(index))
        var image = SyntheticImage(
            patient: patient, examination: examination, series: attributes,
            sopInstanceUID: random.uid(), picture: picture)
        image.number = index + 1
        return image
    }
}
