/// What else an animal is called: one device writes `Canine`, another `DOG`, and people look for
/// either.
enum SpeciesNames {
    /// English, as an adjective and a noun, and the genus of the scientific name.
    private static let groups: [Set<String>] = [
        ["canine", "dog", "canis"], ["feline", "cat", "felis"], ["equine", "horse", "equus"],
        ["bovine", "cow", "cattle", "bos"], ["ovine", "sheep", "ovis"], ["caprine", "goat", "capra"],
        ["porcine", "pig", "swine", "sus"], ["lapine", "leporine", "rabbit", "oryctolagus"],
        ["murine", "mouse", "mus"], ["avian", "bird", "aves"], ["cavine", "cavy", "cavia"],
    ]

    /// The other names of the species that `text` names.
    static func others(in text: String?) -> [String] {
        let words = Set((text ?? "").lowercased().split { !$0.isLetter }.map(String.init))
        return groups.filter { !$0.isDisjoint(with: words) }.flatMap { $0.subtracting(words).sorted() }
    }
}
