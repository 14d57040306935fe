import Offsite

/// A recovery sheet that was typed off paper, or saved: only its numbered lines count.
public struct TypedSheet: Sendable {
    /// The remotes on it.
    public let remotes: [RemoteSecrets]

    /// What is to be said of a line while somebody types.
    public enum Answer: Hashable, Sendable {
        case good
        /// Its number.
        case mistyped(Int)
        /// It is no numbered line.
        case other
    }

    /// Looks at one line.
    public static func check(_ line: String) -> Answer {
        switch SheetLine.read(line) {
        case .line: .good
        case .mistyped(let number): .mistyped(number)
        case .other: .other
        }
    }

    /// - Throws: ``ArchiveError`` that names the lines that are mistyped or missing.
    public init(_ text: String) throws(ArchiveError) {
        // The page will do as well as the text.
        let text =
            text.contains("<!DOCTYPE html>") ? RecoverySheet.unescaped(text) : text
        var lines: [Int: SheetLine] = [:]
        var mistyped: Set<Int> = []
        for text in text.split(whereSeparator: \.isNewline) {
            switch SheetLine.read(text) {
            case .line(let line): lines[line.number] = line
            case .mistyped(let number): mistyped.insert(number)
            case .other: break
            }
        }
        // One that was typed again counts.
        mistyped.subtract(lines.keys)
        let first = (lines.keys.min() ?? 1), last = lines.keys.max() ?? 0
        let missing =
            first > last ? [] : (first...last).filter { lines[$0] == nil && !mistyped.contains($0) }
        if !mistyped.isEmpty || !missing.isEmpty {
            throw Self.wrong(mistyped.sorted(), missing)
        }
        remotes = try Self.remotes(lines.values.sorted { $0.number < $1.number })
        if remotes.isEmpty {
            throw ArchiveError(
                .configuration, "There are no numbered lines of a recovery sheet.",
                remedy: "Type them as they are printed: number, name, value and the word.")
        }
    }

    private static func wrong(_ mistyped: [Int], _ missing: [Int]) -> ArchiveError {
        func list(_ numbers: [Int], _ what: String) -> [String] {
            if numbers.isEmpty { return [] }
            let names = numbers.map(String.init).joined(separator: ", ")
            return [
                numbers.count == 1 ? "line \(names) is \(what)" : "lines \(names) are \(what)"
            ]
        }
        let what = list(mistyped, "mistyped") + list(missing, "missing")
        return ArchiveError(
            .configuration, "On the recovery sheet \(what.joined(separator: ", and "))",
            remedy: "Compare each with the paper, the word at its end included.")
    }

    private static func remotes(_ lines: [SheetLine]) throws(ArchiveError) -> [RemoteSecrets] {
        var remotes: [RemoteSecrets] = []
        var fields: [(key: String, value: String)] = []
        for line in lines {
            if line.key == "+" {
                if !fields.isEmpty { fields[fields.count - 1].value += line.value }
            } else if line.key == "end" {
                remotes.append(try remote(fields))
                fields = []
            } else {
                fields.append((line.key, line.value))
            }
        }
        guard fields.isEmpty else {
            throw ArchiveError(
                .configuration, "The last lines of the recovery sheet are missing",
                remedy: "The last line of a remote has the name \"end\".")
        }
        return remotes
    }

    private static func remote(
        _ fields: [(key: String, value: String)]
    ) throws(ArchiveError) -> RemoteSecrets {
        var values: [String: String] = [:]
        for field in fields { values[field.key] = SheetValue.decoded(field.value) }
        guard let name = values["remote"], let id = values["id"], let path = values["path"],
            RemoteConfiguration.isName(name), values["rclone.type"] != nil
        else {
            throw ArchiveError(
                .configuration, "A remote on the recovery sheet lacks its first lines",
                remedy: "It begins with the line that has the name \"remote\".")
        }
        var options: [String: String] = [:]
        for (key, value) in values where key.hasPrefix("rclone.") {
            options[String(key.dropFirst("rclone.".count))] = value
        }
        var keys: CryptKeys?
        if let password = values["crypt.password"], let salt = values["crypt.salt"] {
            keys = CryptKeys(password: password, salt: salt)
        }
        return RemoteSecrets(
            name: name, id: id, location: RemoteLocation(options: options, path: path), keys: keys)
    }
}

extension RemoteSecrets {
    /// The numbered lines of a remote.
    ///
    /// - Parameter number: Of the first.
    func sheetLines(from number: Int) -> [SheetLine] {
        var lines: [SheetLine] = []
        func add(_ key: String, _ value: String) {
            lines += SheetLine.lines(key, value, from: number + lines.count)
        }
        add("remote", name)
        add("id", id)
        for (option, value) in location.options.sorted(by: { $0.key < $1.key }) {
            add("rclone.\(option)", value)
        }
        add("path", location.path)
        if let keys {
            add("crypt.password", keys.password)
            add("crypt.salt", keys.salt)
        }
        add("end", "\(lines.count + 1)")
        return lines
    }
}
