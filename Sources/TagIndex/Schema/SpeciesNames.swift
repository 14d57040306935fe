/// Other names of animals: one device writes `Canine`, another `DOG`, and people search for
/// either.
enum SpeciesNames {
    private struct Species {
        /// The words people search for: an adjective and a noun. A search matches the beginning of
        /// words; with `cattle` here, a search for a cat would find a cow.
        var names: Set<String>
        /// Other words that devices write, such as the genus of the scientific name.
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
        // A guinea pig is not a pig.
        if words.contains("guinea") { words.remove("pig") }
        return all.filter { !words.isDisjoint(with: $0.names.union($0.others)) }
            .flatMap { $0.names.subtracting(words).sorted() }
    }
}
