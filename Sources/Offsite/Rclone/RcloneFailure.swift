import System

/// Makes errors of what rclone says and how it ends. Its exit codes alone do not tell much: nearly
/// everything that a server refuses is 1.
///
/// See: https://rclone.org/docs/#exit-code
enum RcloneFailure {
    /// How rclone names what went wrong, in lower case; the first that fits counts.
    private static let signs: [(OffsiteFault, [String])] = [
        (.modified, ["immutable file modified"]),
        (
            .noSpace,
            [
                "no space left", "file too big for remaining disk space", "quota",
                "insufficient storage", "insufficient_space", "insufficientstorage", "disk full",
                "out of storage", "not enough space", "storagefull", "xminiostoragefull",
            ]
        ),
        (
            .wrongKeys,
            [
                "bad password", "bad magic string", "failed to decrypt", "not an encrypted file",
            ]
        ),
        (
            .credentials,
            [
                "401 unauthorized", "403 forbidden", "status code: 403", "statuscode: 403",
                "statuscode: 401", "status code: 401", "accessdenied", "access denied",
                "signaturedoesnotmatch", "invalidaccesskeyid", "unable to authenticate",
                "invalid_grant", "invalid_client", "expired_access_token", "token expired",
                "couldn't fetch token", "invalid credentials", "permission denied",
                "knownhosts: key mismatch", "empty token", "530 login", "530 user",
            ]
        ),
        (
            .configuration,
            [
                "didn't find section in config", "didn't find backend", "unknown flag",
                "failed to create file system", "is a file not a directory", "unknown command",
                "nosuchbucket", "bucket name",
            ]
        ),
        (
            .unreachable,
            [
                "connection refused", "no such host", "i/o timeout", "network is unreachable",
                "no route to host", "connection reset", "tls handshake timeout",
                "server misbehaving",
                "broken pipe", "unexpected eof", "context deadline exceeded", "502 bad gateway",
                "503 service", "504 gateway", "connection timed out", "temporary failure in name",
            ]
        ),
        (.corrupt, ["corrupted on transfer", "hash differ", "sizes differ", "hashes differ"]),
        (.notFound, ["directory not found", "object not found", "no such file or directory"]),
    ]

    /// The fault that a message of rclone is about.
    static func fault(of message: String) -> OffsiteFault {
        let text = message.lowercased()
        // "Failed to create file system" says why after it: the reason counts.
        let isOfConnection = signs.first { $0.0 == .unreachable }!.1.contains { text.contains($0) }
        for (fault, words) in signs where words.contains(where: { text.contains($0) }) {
            if fault == .configuration, isOfConnection { return .unreachable }
            return fault
        }
        return .other
    }

    /// An error with rclone's own words.
    ///
    /// - Parameters:
    ///   - what: What failed, as the start of a sentence.
    ///   - object: The one concerned; `nil` for everything.
    static func error(_ what: String, object: String? = nil, said message: String) -> OffsiteError {
        let fault = fault(of: message)
        return OffsiteError(
            fault, what, path: object, remedy: remedy(of: fault), cause: Words(message))
    }

    /// The error of a run that has ended badly.
    ///
    /// - Parameters:
    ///   - ending: `nil` when it took too long.
    ///   - messages: What it said went wrong, in order.
    static func error(
        _ what: String, _ ending: ChildProcess.Ending?, messages: [String]
    ) -> OffsiteError {
        switch ending {
        case nil:
            return OffsiteError(
                .timedOut, what, remedy: remedy(of: .timedOut),
                cause: Words("nothing has moved for too long"))
        case .killed(let signal):
            // Nobody else ends it than this process, or a person.
            return OffsiteError(
                .stopped, what, remedy: "Run it again.",
                cause: Words("rclone was ended by signal \(signal)"))
        case .exited(let code):
            let faults = messages.map { ($0, Self.fault(of: $0)) }
            let telling = faults.first { $0.1 != .other } ?? faults.last
            // 3 and 4: the folder, the file is not there. The rest is in the words.
            var kind = telling?.1 ?? .other
            if kind == .other, code == 3 || code == 4 { kind = .notFound }
            return OffsiteError(
                kind, what, remedy: remedy(of: kind),
                cause: Words(telling?.0 ?? "rclone ended with code \(code)"))
        }
    }

    /// What rclone said, on one line and without what only its authors need.
    struct Words: Error, Hashable, CustomStringConvertible {
        let description: String

        init(_ text: String) {
            let line = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            description = line.count > 300 ? "\(line.prefix(300))…" : line
        }
    }

    private static func remedy(of fault: OffsiteFault) -> String {
        switch fault {
        case .modified:
            "Objects are never changed: find out who did. Nothing is overwritten."
        case .noSpace: "Make room on the remote, or raise its quota."
        case .wrongKeys: "Type the keys of the recovery sheet again, hyphens included."
        case .credentials: "Look at the remote's user, key or token; do they allow this?"
        case .configuration: "Look at the remote's settings with rclone."
        case .unreachable: "Look at the network and the server."
        case .corrupt: "It is sent again."
        case .notFound: "It may have been deleted on the remote."
        case .timedOut: "Look at the network."
        case .noLocalSpace: "Make room on this machine's disk."
        case .noRclone: "Install rclone (Debian: apt-get install rclone)."
        case .stopped, .other: "Run it again; the log may say more."
        case .local, .badAnswer: "See the log."
        }
    }
}
