/// What an alert says.
struct AlertMessage: Equatable, Sendable {
    /// One line.
    var subject: String
    var text: String

    /// - Parameters:
    ///   - new: What is wrong since the last alert.
    ///   - over: What was wrong then, and is not any more.
    ///   - still: What was reported before and lasts.
    init(
        new: [String], over: [String], still: [String], _ status: ArchiveStatus, host: String
    ) {
        let headline = status.health.headline
        let word = headline.split(separator: ":").first.map(String.init) ?? "Status"
        let what =
            new.first.map { Self.short($0) + (new.count > 1 ? " (and \(new.count - 1) more)" : "") }
            ?? over.first.map { "Over: " + Self.short($0) } ?? "Alerts work again"
        subject = Self.line("pacsfs on \(host): \(word): \(what)")
        var parts = [headline]
        for (title, texts) in [
            ("New:", new), ("Over:", over), ("As before:", still),
        ] where !texts.isEmpty {
            parts.append(([title] + texts.map { "- \($0)" }).joined(separator: "\n"))
        }
        parts.append(
            """
            Archive: \(status.archive)
            As of: \(status.time)
            Everything: pacsfs status
            """)
        text = parts.joined(separator: "\n\n") + "\n"
    }

    /// The first sentence of a text, at most 120 characters of it.
    private static func short(_ text: String) -> String {
        let end = text.firstRange(of: ". ")?.lowerBound ?? text.endIndex
        let sentence = text[..<end].trimmingPrefix("- ")
        return sentence.count > 120 ? sentence.prefix(119) + "…" : String(sentence)
    }

    /// Without what would end a header of a mail.
    private static func line(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }
}
