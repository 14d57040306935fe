import Foundation
import Naming

/// What is wrong with a name, by rules written down apart from those that make names:
/// a name is portable when this is empty.
func portabilityFaults(_ name: String) -> [String] {
    var faults: [String] = []
    func require(_ condition: Bool, _ fault: String) { if !condition { faults.append(fault) } }

    require(!name.isEmpty, "is empty")
    require(name.utf8.count <= 255, "has \(name.utf8.count) bytes")
    require(name.utf16.count <= 255, "has \(name.utf16.count) UTF-16 units")
    require(
        Array(name.unicodeScalars)
            == Array(
                name.decomposedStringWithCanonicalMapping.precomposedStringWithCanonicalMapping
                    .unicodeScalars),
        "is not in normal form C")
    require(!name.hasPrefix(" "), "begins with a space")
    require(!name.hasPrefix("."), "begins with a dot")
    require(!name.hasSuffix(" "), "ends with a space")
    require(!name.hasSuffix("."), "ends with a dot")
    for scalar in name.unicodeScalars {
        require(!"/\\:*?\"<>|".unicodeScalars.contains(scalar), "holds \(scalar)")
        let hidden: Set<Unicode.GeneralCategory> = [
            .control, .format, .unassigned, .lineSeparator, .paragraphSeparator, .surrogate,
        ]
        require(
            !hidden.contains(scalar.properties.generalCategory),
            "holds U+\(String(scalar.value, radix: 16))")
        require(!scalar.properties.isVariationSelector, "holds a variation selector")
    }
    let pattern = #"(?i)^(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *(\..*)?$"#
    require(
        name.range(of: pattern, options: .regularExpression) == nil, "is a DOS device")
    require("a/\(name)/b".split(separator: "/").count == 3, "merges with a slash")
    require(!name.utf8.contains(0), "holds a NUL")
    return faults
}
