/// Any number of small images, for load: each is made when it is asked for, from its number alone.
public struct SyntheticArchive: Sendable, RandomAccessCollection {
    public let patients: Int
    public let studiesPerPatient: Int
    public let seriesPerStudy: Int
    public let imagesPerSeries: Int
    /// The length of every file, in bytes; longer only when the header alone is longer, which
    /// takes up to 2,000 bytes.
    public let bytesPerImage: Int
    private let seed: UInt64
    /// One picture for each modality, shared by its images; only their headers differ.
    private let pictures: [SyntheticModality: SyntheticPicture]

    public init(
        seed: UInt64, patients: Int, studiesPerPatient: Int = 2, seriesPerStudy: Int = 2,
        imagesPerSeries: Int = 25, bytesPerImage: Int = 8_192
    ) {
        self.seed = seed
        self.patients = patients
        self.studiesPerPatient = studiesPerPatient
        self.seriesPerStudy = seriesPerStudy
        self.imagesPerSeries = imagesPerSeries
        self.bytesPerImage = bytesPerImage
        func side(bytesPerPixel: Int) -> Int {
            let pixels = Double(Swift.max(0, bytesPerImage - 2_000)) / Double(bytesPerPixel)
            return Swift.max(8, Int(pixels.squareRoot()))
        }
        let wide = side(bytesPerPixel: 2)
        let narrow = side(bytesPerPixel: 1)
        pictures = [
            .digitalRadiography: .thorax(rows: wide, columns: wide, seed: seed),
            .computedTomography: .slice(rows: wide, columns: wide, position: 0.4, seed: seed),
            .magneticResonance: .head(rows: wide, columns: wide, position: 0.5, seed: seed),
            .ultrasound: .ultrasound(rows: narrow, columns: narrow, frames: 1, seed: seed),
        ]
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { patients * studiesPerPatient * seriesPerStudy * imagesPerSeries }

    public subscript(index: Int) -> SyntheticImage {
        precondition(indices.contains(index), "there is no image \(index) among \(count)")
        let (series, image) = index.quotientAndRemainder(dividingBy: imagesPerSeries)
        let (study, seriesInStudy) = series.quotientAndRemainder(dividingBy: seriesPerStudy)
        let patient = study / studiesPerPatient

        var random = SeededRandom(seed: seed, 0x6172, UInt64(study))
        // As in a practice with every device: two thirds X-ray, the rest shared.
        let modality: SyntheticModality =
            switch random.below(12) {
            case 0..<7: .digitalRadiography
            case 7..<10: .ultrasound
            case 10: .computedTomography
            default: .magneticResonance
            }
        var animal = SyntheticPatient(seed: seed &+ UInt64(patient) &* 0x9e37_79b9)
        animal.id = "P\(1_000_000 + patient)"
        let made = SyntheticStudy(
            seed: random.next(), patient: animal, modality: modality, series: seriesPerStudy,
            imagesPerSeries: imagesPerSeries)
        guard let picture = pictures[modality] else {
            preconditionFailure("every modality has a picture")
        }
        var result = made.image(series: seriesInStudy, index: image, picture: picture)
        result.minimumLength = bytesPerImage
        return result
    }
}
