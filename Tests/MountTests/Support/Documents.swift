import Foundation
import TestSupport
import Testing

// What commands print with --json; the fields that tests look at. DocumentTests looks at all.

/// `pacsfs status --json`.
struct Status: Decodable, Equatable {
    struct Copies: Decodable, Equatable {
        var wanted: Int
        var underReplicated: Int
    }

    struct Volume: Decodable, Equatable {
        var id: String
        var path: String
        var domain: String
        var state: String
        var blobs: Int
        var free: Int
    }

    struct Incoming: Decodable, Equatable {
        var pending: Int
    }

    struct Ledger: Decodable, Equatable {
        var records: Int
        var head: String
    }

    var instances: Int
    var studies: Int
    var patients: Int
    var blobs: Int
    var bytes: Int
    var copies: Copies
    var volumes: [Volume]
    var readMode: String?
    var incoming: Incoming
    var rejected: Int
    var ledger: Ledger
}

/// `pacsfs import --json`.
struct ImportSummary: Decodable {
    struct Rejection: Decodable {
        var path: String
        var reason: String
    }

    var files: Int
    var archived: Int
    var duplicates: Int
    var rejected: Int
    var ignored: Int
    var failed: Int
    var links: Int
    var bytes: Int
    var truncated: [Rejection]
    var rejections: [Rejection]
}

/// `pacsfs show --json`.
struct ShownImages: Decodable {
    var images: [ImageDetails]
}

struct ImageDetails: Decodable {
    struct Copy: Decodable {
        var ordinal: Int
    }

    var sha256: String
    var bytes: Int
    var source: String
    var flags: [String]
    var attributes: [String: String]
    var copies: [Copy]
    var paths: [String]
}

/// `pacsfs find --json`.
struct FoundStudies: Decodable {
    var studies: [FoundStudy]
}

struct FoundStudy: Decodable {
    var date: String?
    var attributes: [String: String]
    var modalities: [String]
    var series: Int
    var images: Int
    var paths: [String]
}

extension MountedArchive {
    /// What the first line of `pacsfs status` says, and why.
    struct Health: Decodable {
        struct Document: Decodable { var health: Health }

        var level: String
        var headline: String
        var reasons: [String]
    }

    func health() throws -> Health {
        try pacsfs("status", "--json").json(Health.Document.self).health
    }

    /// Whether there is nothing to say but that a test has both volumes in one folder.
    func isWellOnOneDisk() throws -> Bool {
        let health = try health()
        return health.level == "attention" && health.reasons.count == 1
            && health.reasons[0].contains("both volumes are on one disk (")
    }

    func status() throws -> Status { try pacsfs("status", "--json").json(Status.self) }

    /// The image with these bytes; `nil` when it is not archived.
    func image(_ sha256: String) throws -> ImageDetails? {
        let run = try pacsfs("show", "--json", sha256)
        return try run.json(ShownImages.self).images.first
    }

    /// Waits until nothing is left in `/incoming`.
    ///
    /// - Parameter seconds: after which it is an error
    func settled(within seconds: Double = 60, sourceLocation: SourceLocation = #_sourceLocation)
        throws
    {
        try letNamesGo()
        let isEmpty = try eventually(within: seconds) {
            let names = try run(["ls", "-A", incoming], timeout: 10)
            return names.succeeded && names.output.isEmpty
        }
        guard !isEmpty else { return }
        let left = try run(["find", incoming], timeout: 10)
        Issue.record("incoming is not empty: \(left.output)", sourceLocation: sourceLocation)
    }

    /// Expects that the bytes of `file` are on both volumes under their SHA-256, and can be
    /// read at every path that the archive shows for them.
    func expectArchived(_ file: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let digest = try Files.digest(file)
        let image = try #require(
            try image(digest), "\(file) is not archived", sourceLocation: sourceLocation)
        let places = volumes.map { blobPath(digest, on: $0) } + (isMounted ? image.paths : [])
        let names = image.paths.map { path in
            let below =
                path.hasPrefix(mountpoint + "/") ? path.dropFirst(mountpoint.count + 1) : path[...]
            return String(below.prefix { $0 != "/" })
        }
        #expect(
            Set(names).isSuperset(of: Self.completeViews), "\(names)",
            sourceLocation: sourceLocation)
        let compare =
            """
            file=$1; shift; differ=0; for place; do cmp -- \"$file\" \"$place\" || differ=1; \
            done; exit $differ
            """
        let run = try run(["bash", "-c", compare, "bash", file] + places)
        #expect(run.succeeded, "\(run.report)", sourceLocation: sourceLocation)
    }

    /// Expects that the files below `folder`, in ``work``, are all seen with their bytes in a view.
    func expectSeen(below folder: String, sourceLocation: SourceLocation = #_sourceLocation) throws
    {
        let digests = "-type f -exec sha256sum {} + | cut -c1-64 | sort -u"
        let missing = try mustShell(
            """
            find "$FOLDER" \(digests) >digests; test -s digests
            comm -23 digests <(find "$M/by-uid" \(digests))
            """, ["FOLDER": folder], sourceLocation: sourceLocation)
        #expect(
            missing.output.isEmpty, "not in by-uid: \(missing.output)",
            sourceLocation: sourceLocation)
    }

    /// Expects that the bytes of `file` are not in the archive.
    func expectUnknown(_ file: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let image = try image(Files.digest(file))
        #expect(image == nil, "\(file) is archived", sourceLocation: sourceLocation)
    }
}
