/// The fields of a document that a command prints with `--json`.
struct DocumentFormat: Sendable {
    /// The version of all documents. It goes up when a field is renamed, taken away or gets another
    /// meaning; fields may be added without that.
    static let version = 1

    /// Which command prints it: `pacsfs status`.
    let command: String
    let fields: [DocumentField]

    init(_ command: String, _ fields: [DocumentField]) {
        self.command = command
        self.fields = fields
    }
}

/// A field of a document.
struct DocumentField: Sendable {
    /// Where it is: `volumes[].ordinal` is the `ordinal` of each object in the array `volumes`.
    var path: String
    /// Its type, as the manual page shows it: `integer or null`.
    var type: String
    /// Its meaning.
    var text: String

    static func string(_ path: String, orNull: Bool = false, _ text: String) -> Self {
        Self(path: path, type: "string" + (orNull ? " or null" : ""), text: text)
    }

    static func integer(_ path: String, orNull: Bool = false, _ text: String) -> Self {
        Self(path: path, type: "integer" + (orNull ? " or null" : ""), text: text)
    }

    static func number(_ path: String, _ text: String) -> Self {
        Self(path: path, type: "number", text: text)
    }

    static func boolean(_ path: String, orNull: Bool = false, _ text: String) -> Self {
        Self(path: path, type: "boolean" + (orNull ? " or null" : ""), text: text)
    }

    /// A time in UTC.
    static func time(_ path: String, orNull: Bool = false, _ text: String) -> Self {
        Self(path: path, type: "time" + (orNull ? " or null" : ""), text: text)
    }

    /// An object that is `null` when there is none; its fields are listed as well.
    static func object(_ path: String, orNull: Bool = false, _ text: String) -> Self {
        Self(path: path, type: "object" + (orNull ? " or null" : ""), text: text)
    }

    /// One of the words of an enumeration.
    static func word<Word: RawRepresentable<String> & CaseIterable>(
        _ path: String, _ type: Word.Type, orNull: Bool = false, _ text: String
    ) -> Self {
        let words = type.allCases.map { "\"\($0.rawValue)\"" } + (orNull ? ["null"] : [])
        return Self(path: path, type: words.joined(separator: " | "), text: text)
    }

    /// The same fields, further inside: those of an array's objects with `volumes[]`.
    func inside(_ path: String) -> Self {
        Self(path: path + "." + self.path, type: type, text: text)
    }
}
