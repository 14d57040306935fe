/// A handful of examinations to look at, as a small practice could have them on its disk.
public enum SampleArchive {
    /// The files, 17 of them and about 1 MB, with a path for each as somebody might have
    /// kept them. The same bytes in every run.
    ///
    /// - Parameter year: the year of the newest examination
    public static func files(year: Int = 2026) -> [(path: String, bytes: [UInt8])] {
        let images = hips(year) + thorax(year) + ultrasound(year) + tomography(year)
        return images.map { ($0.path, $0.image.write()) }
    }

    private typealias Sample = (path: String, image: SyntheticImage)

    private static var rex: SyntheticPatient {
        var patient = SyntheticPatient(name: "Smith^Rex", id: "1001")
        patient.issuerOfID = "Example Animal Clinic"
        patient.birthDate = "20190412"
        patient.sex = "M"
        patient.isNeutered = true
        patient.species = "Canine"
        patient.breed = "Labrador Retriever"
        patient.microchip = "276098100123456"
        patient.owner = "Smith^Mary"
        return patient
    }

    private static var minka: SyntheticPatient {
        var patient = SyntheticPatient(name: "Müller^Minka", id: "1002")
        patient.issuerOfID = "Example Animal Clinic"
        patient.birthDate = "20210830"
        patient.sex = "F"
        patient.isNeutered = true
        patient.species = "Feline"
        patient.breed = "European Shorthair"
        patient.microchip = "276098100654321"
        patient.owner = "Müller^Jürgen"
        return patient
    }

    private static func hips(_ year: Int) -> [Sample] {
        let visits = [(date: "\(year - 1)0314", views: 2), (date: "\(year)0211", views: 1)]
        return visits.enumerated().flatMap { index, visit in
            let study = Draft(
                number: 1 + index, patient: rex, date: visit.date, time: "101500",
                accession: "A10\(index + 1)", description: "Hip dysplasia")
            return (0..<visit.views).map { view -> Sample in
                var image = study.image(
                    series: view + 1, .digitalRadiography, view == 0 ? "Hip VD" : "Hip lateral",
                    "HIP",
                    number: 1,
                    picture: .hip(
                        rows: 320, columns: 320, isLateral: view == 1,
                        seed: UInt64(10 * index + view)))
                image.viewPosition = view == 0 ? "VD" : "LL"
                return ("Smith Rex/\(visit.date) X-ray hip/IM\(view + 1).dcm", image)
            }
        }
    }

    /// Text in Latin-1, as many X-ray consoles write it.
    private static func thorax(_ year: Int) -> [Sample] {
        let study = Draft(
            number: 3, patient: minka, date: "\(year)0520", time: "163000", accession: "A103",
            description: "Thorax, Röntgen")
        var image = study.image(
            series: 1, .digitalRadiography, "Thorax right lateral", "CHEST", number: 1,
            picture: .thorax(rows: 320, columns: 320, seed: 3))
        image.viewPosition = "RL"
        image.characterSet = .latin1
        return [("Mueller Minka/\(year)-05-20/00001.dcm", image)]
    }

    private static func ultrasound(_ year: Int) -> [Sample] {
        let study = Draft(
            number: 4, patient: minka, date: "\(year)0520", time: "170500", accession: "A104",
            description: "Abdominal ultrasound")
        let loop = study.image(
            series: 1, .ultrasound, "Bladder", "ABDOMEN", number: 1,
            picture: .ultrasound(rows: 128, columns: 128, frames: 8, seed: 4))
        return [("Mueller Minka/\(year)-05-20/US_LOOP_1.dcm", loop)]
    }

    private static func tomography(_ year: Int) -> [Sample] {
        let study = Draft(
            number: 5, patient: rex, date: "\(year)0303", time: "090000", accession: "A105",
            description: "CT Thorax")
        return (0..<12).map { slice in
            let picture = SyntheticPicture.slice(
                rows: 64, columns: 64, position: Float(slice) / 11, seed: UInt64(50 + slice))
            return (
                "CT/\(year)0303_REX/SLICE\(String(101 + slice).suffix(2)).dcm",
                study.image(
                    series: 2, .computedTomography, "Thorax 3.0 soft", "CHEST", number: slice + 1,
                    picture: picture)
            )
        }
    }

    /// A study to which images are added.
    private struct Draft {
        let number: Int
        let patient: SyntheticPatient
        let date: String
        let time: String
        let accession: String
        let description: String

        func image(
            series: Int, _ modality: SyntheticModality, _ seriesDescription: String,
            _ bodyPart: String,
            number instance: Int, picture: SyntheticPicture
        ) -> SyntheticImage {
            // Of the date too: another year is another study.
            let seed = (UInt64(date) ?? 0) &* 100 &+ UInt64(number)
            var studyRandom = SeededRandom(seed: seed)
            var examination = SyntheticExamination(uid: studyRandom.uid(), date: date, time: time)
            examination.id = "\(number)"
            examination.accessionNumber = accession
            examination.description = description
            examination.referringPhysician = "Doe^Jane^^Dr."
            var random = SeededRandom(seed: seed, UInt64(series))
            var attributes = SyntheticSeries(
                uid: random.uid(), number: series, modality: modality,
                frameOfReferenceUID: random.uid())
            attributes.description = seriesDescription
            attributes.bodyPart = bodyPart
            var imageRandom = SeededRandom(seed: seed, UInt64(series), UInt64(instance))
            var image = SyntheticImage(
                patient: patient, examination: examination, series: attributes,
                sopInstanceUID: imageRandom.uid(), picture: picture)
            image.number = instance
            return image
        }
    }
}
