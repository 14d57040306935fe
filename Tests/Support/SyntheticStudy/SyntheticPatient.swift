/// An animal and the person responsible for it (PS3.3 C.7.1.1 and C.7.2.2).
public struct SyntheticPatient: Sendable, Equatable {
    /// PN: in veterinary use the owner's family name, then the animal's name.
    public var name: String
    public var id: String
    public var issuerOfID = ""
    /// DA, or empty.
    public var birthDate = ""
    /// `M`, `F`, `O` or empty.
    public var sex = ""
    /// `true` writes ALTERED, `false` UNALTERED, `nil` leaves the element empty.
    public var isNeutered: Bool?
    public var species = ""
    public var breed = ""
    /// The number of the RFID chip; goes to the Other Patient IDs Sequence.
    public var microchip = ""
    /// PN of the owner, Responsible Person.
    public var owner = ""

    public init(name: String, id: String) {
        self.name = name
        self.id = id
    }

    /// An animal made up from a seed: names, breeds and ages as in a mixed practice.
    public init(seed: UInt64) {
        var random = SeededRandom(seed: seed, 0x7061)
        let family = random.pick(Words.families)
        let kind = random.pick(Words.kinds)
        self.init(
            name: "\(family)^\(random.pick(Words.animals))", id: "P\(100_000 + seed % 900_000)")
        owner = "\(family)^\(random.pick(Words.owners))"
        issuerOfID = "Example Clinic"
        birthDate = random.date(in: 2008 + random.below(15))
        sex = random.pick(["M", "F"])
        isNeutered = random.below(3) > 0
        species = kind.species
        breed = random.pick(kind.breeds)
        microchip = "276\(0)\(100_000_000_00 + random.below(100_000_000_00))"
    }

    var elements: [SyntheticElement] {
        var elements = [
            SyntheticElement(0x0010_0010, "PN", name),
            SyntheticElement(0x0010_0020, "LO", id),
            SyntheticElement(0x0010_0030, "DA", birthDate),
            SyntheticElement(0x0010_0040, "CS", sex),
            SyntheticElement(0x0010_2201, "LO", species),
            SyntheticElement(
                0x0010_2203, "CS", isNeutered.map { $0 ? "ALTERED" : "UNALTERED" } ?? ""),
            SyntheticElement(0x0010_2210, "CS", "QUADRUPED"),
            SyntheticElement(0x0010_2292, "LO", breed),
            SyntheticElement(0x0010_2293, "SQ", .items([])),
            SyntheticElement(0x0010_2294, "SQ", .items([])),
            SyntheticElement(0x0010_2297, "PN", owner),
            SyntheticElement(0x0010_2299, "LO", ""),
        ]
        if !issuerOfID.isEmpty { elements.append(SyntheticElement(0x0010_0021, "LO", issuerOfID)) }
        if !owner.isEmpty { elements.append(SyntheticElement(0x0010_2298, "CS", "OWNER")) }
        if !microchip.isEmpty {
            let chip = [
                SyntheticElement(0x0010_0020, "LO", microchip),
                SyntheticElement(0x0010_0022, "CS", "RFID"),
            ]
            elements.append(SyntheticElement(0x0010_1002, "SQ", .items([chip])))
        }
        return elements
    }
}
