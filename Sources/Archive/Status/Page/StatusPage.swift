import Foundation
import Storage

/// `status.html`: the status of an archive as one file that a browser shows without a network.
///
/// It has no name of a patient and no path of an image, since everybody who may read the mount sees
/// it. It says nothing that `pacsfs status` does not know now.
public struct StatusPage {
    let status: ArchiveStatus

    public init(_ status: ArchiveStatus) { self.status = status }

    /// The document.
    ///
    /// - Parameter time: When there was the news that it shows, which the page says.
    public func html(at time: Timestamp) -> String {
        let page: HTML = """
            <!DOCTYPE html>
            <html lang="en" data-made="\(Self.machineTime(time))">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="robots" content="noindex">
            <meta name="referrer" content="no-referrer">
            <meta http-equiv="Content-Security-Policy" content="\(Self.policy)">
            <title>\(headline.word): pacsfs</title>
            <link rel="icon" href="data:,">
            <style>\(PageStyle.css)</style>
            </head>
            <body class="\(status.health.level.rawValue)">
            <main>
            \(answer(at: time))
            <div class="grid">
            \(sections(at: time))
            </div>
            </main>
            <footer>
            <p>Made by pacsfs from what it finds, never from what was so earlier. Whenever this
            page is opened in the mounted archive, everything is looked at again: the times
            are those of the last change. A copy of it knows nothing of what came later.</p>
            </footer>
            <script>\(PageStyle.script)</script>
            </body>
            </html>

            """
        return page.text
    }

    /// A page that says why there is no status.
    ///
    /// - Parameter problem: A sentence.
    public static func html(withoutStatus problem: String, at time: Timestamp) -> String {
        let page: HTML = """
            <!DOCTYPE html>
            <html lang="en" data-made="\(machineTime(time))">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="\(policy)">
            <title>Unknown: pacsfs</title>
            <link rel="icon" href="data:,">
            <style>\(PageStyle.css)</style>
            </head>
            <body class="risk">
            <main>
            <header class="answer">
            \(PageStyle.icon(.risk))
            <div>
            <h1>Unknown</h1>
            <p class="headline">Nobody can say now whether the images are safe: \(problem)</p>
            <p class="asof">As of \(Self.time(time))</p>
            </div>
            </header>
            </main>
            <script>\(PageStyle.script)</script>
            </body>
            </html>

            """
        return page.text
    }

    /// Nothing is loaded, and no script runs but the one of the page.
    private static var policy: String {
        let script = Data(Digest.of(Array(PageStyle.script.text.utf8)).bytes).base64EncodedString()
        return """
            default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
            script-src 'sha256-\(script)'; base-uri 'none'; form-action 'none'
            """
    }

    /// The headline: what stands before its first colon, such as `NOT SAFE`, and the rest.
    private var headline: (word: String, sentence: String) {
        let parts = status.health.headline.split(separator: ": ", maxSplits: 1)
        guard parts.count == 2 else { return ("Status", status.health.headline) }
        return (
            parts[0].prefix(1) + parts[0].dropFirst().lowercased(),
            parts[1].prefix(1).uppercased() + parts[1].dropFirst()
        )
    }

    private func answer(at time: Timestamp) -> HTML {
        // Those that the headline does not say, with these words or with other ones before them.
        let reasons = status.health.reasons.filter { reason in
            let rest = reason.split(separator: ": ", maxSplits: 1).last ?? ""
            return !status.health.headline.contains(rest)
        }
        let list: HTML? =
            reasons.isEmpty
            ? nil
            : """
            <section class="todo" aria-labelledby="todo">
            <h2 id="todo">Also to do</h2>
            <ul>
            \(reasons.map { "<li>\(HTML.withCommands($0))</li>" as HTML })
            </ul>
            </section>
            """
        return """
            <p id="old" class="old" hidden></p>
            <header class="answer">
            \(PageStyle.icon(status.health.level))
            <div>
            <p class="question">Are we safe?</p>
            <h1>\(headline.word)</h1>
            <p class="headline">\(HTML.withCommands(headline.sentence))</p>
            <p class="asof">As of \(Self.time(time)), looked at again when the page was opened</p>
            </div>
            </header>
            \(list)
            """
    }

    // MARK: Times

    /// `2026-11-28T11:10:32Z`.
    static func machineTime(_ time: Timestamp) -> String { time.description.prefix(19) + "Z" }

    /// In UTC; the page's script shows it as the reader's clock does.
    static func time(_ time: Timestamp) -> HTML {
        let text = time.description
        return """
            <time datetime="\(machineTime(time))">\(text.prefix(10)) \
            \(text.dropFirst(11).prefix(8)) UTC</time>
            """
    }
}
