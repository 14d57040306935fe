/// The names of made-up animals, owners and examinations.
enum Words {
    static let families = [
        "Smith", "Müller", "García", "O'Brien", "Nowak", "Łukasz", "Jensen", "Østergård", "Nguyễn",
        "Rossi",
        "van der Berg", "Schmidt", "Dubois", "Kowalski", "Yılmaz", "Иванов", "Παπαδόπουλος", "山田",
        "Silva",
        "Johnson", "Brown", "Novák", "Horváth", "ABC Farms", "Animal Shelter North", "Weiß",
        "Larsson",
        "Fernández", "Bianchi", "MacDonald", "Lee", "Patel", "Okafor", "Hansen", "Virtanen",
        "Popescu",
    ]
    static let animals = [
        "Rex", "Minka", "Luna", "Bella", "Charlie", "Max", "Coco", "Simba", "Nala", "Rocky", "Milo",
        "Felix",
        "Mia", "Balu", "Emma", "Buddy", "Daisy", "Oscar", "Lilly", "Shadow", "Pünktchen", "Zoë",
        "Running on Water",
        "Bruno", "Molly", "Leo", "Kira", "Sammy", "Lucky", "Paul", "Findus", "Cleo", "Ziggy",
        "Peanut",
    ]
    static let owners = [
        "Mary", "John", "Anna", "Peter", "José", "Zoë", "Jürgen", "Fatma", "Ola", "Linh",
    ]
    static let kinds: [(species: String, breeds: [String])] = [
        (
            "Canine",
            [
                "Labrador Retriever", "German Shepherd", "Mixed breed", "Beagle", "Dachshund",
                "Bernese",
            ]
        ),
        ("Canine", ["French Bulldog", "Golden Retriever", "Border Collie", "Poodle", "Malinois"]),
        (
            "Feline",
            ["European Shorthair", "Maine Coon", "British Shorthair", "Siamese", "Mixed breed"]
        ),
        ("Equine", ["Hanoverian", "Icelandic Horse", "Haflinger"]),
        ("Lagomorph", ["Dwarf rabbit", "Lop"]),
    ]
    static let institutions = [
        "Example Animal Clinic", "Tierklinik am Beispielweg", "North Equine Hospital",
    ]
    static let vets = ["Doe^Jane^^Dr.", "Weber^Karl^^Dr.", "Rossi^Giulia", ""]

    /// A kind of examination: its name, the part of the body, its series.
    static func examinations(_ modality: SyntheticModality) -> [(
        study: String, part: String, series: [String]
    )] {
        switch modality {
        case .digitalRadiography:
            [
                ("Hip dysplasia", "HIP", ["Hip VD", "Hip lateral", "Pelvis VD frog leg"]),
                ("Thorax", "CHEST", ["Thorax VD", "Thorax right lateral", "Thorax left lateral"]),
                ("Stifle left", "KNEE", ["Stifle ML", "Stifle CrCd"]),
                ("", "ABDOMEN", ["Abdomen", ""]),
            ]
        case .computedTomography:
            [
                (
                    "CT Thorax", "CHEST",
                    ["Thorax 1.0 soft", "Thorax 1.0 lung", "Scout", "Thorax 3.0 C+"]
                ),
                ("CT Head", "HEAD", ["Head 0.6 bone", "Head 1.0 soft", "Bulla 0.6"]),
                ("CT Elbow", "ELBOW", ["Elbow 0.6 bone", "Elbow 0.6 MPR cor"]),
            ]
        case .ultrasound:
            [
                ("Abdominal ultrasound", "ABDOMEN", ["Bladder", "Liver", "Spleen", "Kidneys", ""]),
                ("Echocardiography", "HEART", ["RPS long axis", "RPS short axis", "M-mode LV"]),
            ]
        case .magneticResonance:
            [
                ("MRI Brain", "BRAIN", ["T2 TSE sag", "T1 SE tra", "FLAIR tra", "T1 SE tra +C"]),
                ("MRI Spine TL", "SPINE", ["T2 TSE sag", "T2 TSE tra", "STIR sag"]),
            ]
        }
    }
}
