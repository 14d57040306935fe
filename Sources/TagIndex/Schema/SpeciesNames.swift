/// What else an animal is called: one device writes `Canine`, another `DOG`, and people look for
/// either.
enum SpeciesNames {
    private struct Species {
        /// By which it is looked for: an adjective and a noun. Words match by their beginning, so
        /// that `cattle` would make a cat of a cow.
        var names: Set<String>
        /// What devices write besides; the genus of the scientific name.
        var others: Set<String>
    }

    private static let all = [
        Species(names: ["canine", "dog"], others: ["canis"]),
        Species(names: ["feline", "cat"], others: ["felis"]),
        Species(names: ["equine", "horse"], others: ["equus"]),
        Species(names: ["bovine", "cow"], others: ["cattle", "bos"]),
        Species(names: ["ovine", "sheep"], others: ["ovis"]),
        Species(names: ["caprine", "goat"], others: ["capra"]),
        Species(names: ["porcine", "pig"], others: ["swine", "sus"]),
        Species(names: ["lapine", "rabbit"], others: ["leporine", "oryctolagus"]),
        Species(names: ["murine", "mouse"], others: ["mus"]),
        Species(names: ["avian", "bird"], others: ["aves"]),
    ]

    /// The other names of the species that `text` names.
    static func others(in text: String?) -> [String] {
        var words = Set((text ?? "").lowercased().split { !$0.isLetter }.map(String.init))
        // A guinea pig is none.
        if words.contains("guinea") { words.remove("pig") }
        return all.filter { !words.isDisjoint(with: $0.names.union($0.others)) }
            .flatMap { $0.names.subtracting(words).sorted() }
    }
}
