import Foundation
import Storage

/// The report of a drill for people: text, and a page that loads nothing.
public struct DrillDocument: Sendable {
    private let report: DrillReport
    /// The name of the JSON that is signed.
    private let file: String

    /// - Parameter file: The name of the JSON that is signed; `nil` for what it is called.
    public init(_ report: DrillReport, file: String? = nil) {
        self.report = report
        self.file = file ?? DrillFolder.name(of: report) + ".json"
    }

    /// One sentence.
    public var headline: String {
        let name = report.source.replacing("remote ", with: "the remote ")
        switch report.result {
        case .passed:
            return
                """
                PASSED: from \(name) alone, \(Figures.count(report.restored, "image", "images")) \
                of \(Figures.grouped(report.images)) were restored, and are what was archived.
                """
        case .failed:
            let things = Figures.count(report.failureCount, "thing", "things")
            return "FAILED: restoring from \(name) alone, \(things) did not fit."
        }
    }

    /// Names and values of what was found.
    private var facts: [(String, String)] {
        func images(_ count: Int64) -> String { Figures.count(count, "image", "images") }
        var facts = [
            ("Archive", report.archive), ("Source", report.source),
            ("Begun", Self.time(report.begun)), ("Ended", Self.time(report.ended)),
            ("Should be there", "\(images(report.images)), \(Figures.bytes(report.bytes))"),
            ("Listed", images(report.listed)),
            ("Hash seen", "\(images(report.hashSeen)) (as the server says it)"),
            (
                "Restored",
                "\(images(report.restored)), \(Figures.bytes(report.restoredBytes)): hashed, and "
                    + "compared in bytes, attributes and paths"
            ), ("Decoded", "\(images(report.decoded)), by DCMTK"),
        ]
        for undecoded in report.undecoded {
            facts.append(("Not decoded", "\(images(undecoded.images)): \(undecoded.reason)"))
        }
        if !report.broken.isEmpty {
            facts.append(
                (
                    "Broken",
                    "\(images(Int64(report.broken.count))): broken when they came, see below"
                ))
        }
        if report.leftOut > 0 {
            facts.append(
                (
                    "Left out",
                    "\(images(report.leftOut)) of the sample: a drill may fetch no more ([drill] "
                        + "in pacsfs.toml)"
                ))
        }
        if report.rejected > 0 {
            facts.append(
                (
                    "Rejected files",
                    Figures.count(report.rejected, "file", "files") + ", hashed and compared"
                ))
        }
        facts.append(
            (
                "Ledger",
                """
                \(Figures.count(report.ledger.records, "record", "records")), every hash compared; \
                at least \(report.ledger.expected) should be there
                """
            ))
        facts.append(
            (
                "Sample",
                report.isFull
                    ? "everything"
                    : "newest, oldest, one of each modality and year, some by chance (seed "
                        + "\(report.seed))"
            ))
        if let seconds = report.fullRestoreS {
            facts.append(
                (
                    "Full restore",
                    "about \(Figures.duration(seconds)), at \(Figures.bytes(report.rate)) a second"
                ))
        }
        if let test = report.wipeTest {
            let found =
                switch test.result {
                case .wipeProof: "the keys of this machine can destroy nothing there"
                case .hidden: "what is deleted or overwritten there can be had again"
                case .destroyable: "the keys of this machine can delete everything there"
                }
            facts.append(("Wipe test", found))
        }
        return facts
    }

    private static func time(_ time: Timestamp) -> String {
        time.description.prefix(19).replacing("T", with: " ") + " UTC"
    }

    /// How a stranger verifies the signature.
    public var command: String {
        """
        openssl pkeyutl -verify -pubin -inkey \(DrillKey.publicName) -rawin -in \(file) \
        -sigfile \(file).sig
        """
    }

    private var publicPEM: String { DrillKey.publicPEM(ofBase64: report.publicKey) ?? "" }

    private static let signed =
        """
        This report is signed with a key of the archive. Its public key is on the recovery sheet, \
        and here. To verify it, with the JSON, its signature and the public key in one folder:
        """

    private static let broken =
        """
        Broken when they came: the bytes are those that were archived, and the pixels cannot be \
        decoded. That is no fault of this copy. Send them again from where they were made:
        """

    // MARK: Text

    /// What was found, without the certificate.
    public var lines: [String] {
        var lines = [headline, ""]
        for (name, value) in facts {
            lines.append(name.padding(toLength: 17, withPad: " ", startingAt: 0) + value)
        }
        if !report.failures.isEmpty { lines += ["", "What did not fit:"] }
        for failure in report.failures {
            let subject = failure.subject.isEmpty ? "" : " \(failure.subject)"
            lines.append("  \(failure.kind.rawValue)\(subject): \(failure.text)")
        }
        if !report.broken.isEmpty { lines += ["", Self.broken] }
        for image in report.broken { lines.append("  \(image.sha256): \(image.reason)") }
        if report.failureCount > report.failures.count {
            lines.append("  … and \(report.failureCount - Int64(report.failures.count)) more")
        }
        return lines
    }

    public var text: String {
        let evidence = report.evidence.map { "  \($0)" }
        return
            (lines + ["", "It is evidence for:"] + evidence + [
                "", Self.signed, "", "    \(command)", "", publicPEM,
            ]).joined(separator: "\n")
    }

    // MARK: Page

    public var html: String {
        let rows: [HTML] = facts.map { "<tr><th>\($0.0)</th><td>\($0.1)</td></tr>" }
        let failures: [HTML] = report.failures.map {
            let text = HTML.withCommands($0.text)
            return "<li><b>\($0.kind.rawValue)</b> <code>\($0.subject)</code> \(text)</li>"
        }
        let evidence: [HTML] = report.evidence.map { "<li>\($0)</li>" }
        let list: HTML = failures.isEmpty ? "" : "<h2>What did not fit</h2><ul>\(failures)</ul>"
        let images: [HTML] = report.broken.map {
            "<li><code>\($0.sha256)</code> \($0.reason)</li>"
        }
        let broken: HTML = images.isEmpty ? "" : "<p>\(Self.broken)</p><ul>\(images)</ul>"
        let document: HTML = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width">
            <title>pacsfs drill</title>
            <style>
            :root { color-scheme: light dark }
            body { font: 11pt/1.5 sans-serif; max-width: 48rem; margin: 1rem auto; padding: 0 1rem }
            th { text-align: left; vertical-align: top; padding-right: 1em; white-space: nowrap }
            pre, code { overflow-wrap: anywhere; white-space: pre-wrap }
            @media print { body { margin: 0; max-width: none } }
            </style>
            </head>
            <body>
            <h1>Restore drill</h1>
            <p><b>\(headline)</b></p>
            <table>\(rows)</table>
            \(list)
            \(broken)
            <h2>Certificate</h2>
            <p>It is evidence for:</p>
            <ul>\(evidence)</ul>
            <p>\(Self.signed)</p>
            <pre>\(command)</pre>
            """
        // A key has lines, which HTML's interpolation makes blanks of; it is base64 alone.
        return document.text + "\n<pre>\n\(publicPEM)</pre>\n</body>\n</html>\n"
    }
}
