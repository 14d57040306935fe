/// A value of the representation PN (PS3.5 6.2.1): up to three component groups, alphabetic,
/// ideographic and phonetic, separated by `=`, each of five components separated by `^`.
struct PersonName {
    enum Part: String, Sendable, CaseIterable {
        case family, given, middle, prefix, suffix, ideographic, phonetic
    }

    /// The groups, each without the `^` at its end.
    private let groups: [String]

    init(_ value: String) {
        // Enough for most names.
        if !value.utf8.contains(where: { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: " ") }),
            value.utf8.last != UInt8(ascii: "^"), value.utf8.allSatisfy({ $0 < 0x80 })
        {
            groups = [Value.tidied(value)]
            return
        }
        groups = value.unicodeScalars.split(separator: "=", omittingEmptySubsequences: false)
            .map { group in
                var components = group.split(separator: "^", omittingEmptySubsequences: false)
                    .map { Value.tidied(String($0)) }
                while components.last == "" { components.removeLast() }
                return components.joined(separator: "^")
            }
    }

    /// The name in the notation of DICOM, from the first group that is not empty.
    var text: String? { groups.first { !$0.isEmpty } }

    /// A component of the name that ``text`` shows, or one of its other groups.
    func text(of part: Part) -> String? {
        switch part {
        case .family: component(0)
        case .given: component(1)
        case .middle: component(2)
        case .prefix: component(3)
        case .suffix: component(4)
        case .ideographic: group(1)
        case .phonetic: group(2)
        }
    }

    private func component(_ index: Int) -> String? {
        guard let components = text?.split(separator: "^", omittingEmptySubsequences: false),
            index < components.count, !components[index].isEmpty
        else { return nil }
        return String(components[index])
    }

    private func group(_ index: Int) -> String? {
        index < groups.count && !groups[index].isEmpty ? groups[index] : nil
    }
}
