import Storage

/// What lies where on a remote, below its path:
///
///     pacsfs-archive.json                            whose it is: ``OffsiteMarker``; written first
///     README.txt                                     how to restore by hand; never encrypted
///     blobs/ab/cd/<sha256>.dcm                       a large blob
///     packs/ab/<sha256>.tar                          small ones of a series: ``Pack``
///     ledger/<site>/000001.jsonl                     a segment that is closed, as volumes have it
///     ledger/<site>/tail/<first>-<last>.jsonl        records of the open one, by their numbers
///     rejected/ab/<sha256>                           a rejected file, by the digest of its record
///     rejected/ab/<sha256>.reason.txt                why
///     configuration/<time>-<sha256>.toml             pacsfs.toml as it was from then on
///     drills/<time>-<source>.json …                  reports of drills, and their signatures
///     canaries/<name>                                for trying what the keys can destroy
///
/// No object is ever changed. What stands in a tail is in the segment too, once that is closed.
public enum OffsiteLayout {
    public static let marker = "pacsfs-archive.json"
    public static let readme = "README.txt"
    public static let ledger = "ledger"
    public static let rejected = "rejected"
    public static let configuration = "configuration"
    public static let drills = "drills"
    public static let canaries = "canaries"

    public static func blob(_ digest: Digest) -> String { Pack.blobName(digest) }

    public static func pack(_ digest: Digest) -> String { Pack.name(of: digest) }

    /// A closed segment, from 1; the same path as on a volume.
    public static func segment(_ number: Int, site: String) -> String {
        "\(ledger)/\(site)/\(padded(Int64(number), 6)).jsonl"
    }

    /// A piece of the open segment.
    ///
    /// - Parameter records: The numbers of the records in it. The digits are padded, so that names
    ///   sort as records do.
    public static func tail(_ records: ClosedRange<Int64>, site: String) -> String {
        let (first, last) = (padded(records.lowerBound, 12), padded(records.upperBound, 12))
        return "\(ledger)/\(site)/tail/\(first)-\(last).jsonl"
    }

    /// The numbers of the records in a piece; `nil` for any other object.
    public static func records(ofTail name: String) -> ClosedRange<Int64>? {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == ledger, parts[2] == "tail",
            parts[3].hasSuffix(".jsonl")
        else { return nil }
        let ends = parts[3].dropLast(6).split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Int64(ends[0]), let last = Int64(ends[1]),
            first > 0, first <= last, tail(first...last, site: String(parts[1])) == name
        else { return nil }
        return first...last
    }

    /// The number of a closed segment; `nil` for any other object.
    public static func number(ofSegment name: String) -> Int? {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2].hasSuffix(".jsonl"),
            let number = Int(parts[2].dropLast(6)),
            segment(number, site: String(parts[1])) == name
        else { return nil }
        return number
    }

    /// - Parameter digest: That of its `reject` record.
    public static func rejected(_ digest: Digest) -> String {
        "\(rejected)/\(digest.hex.prefix(2))/\(digest.hex)"
    }

    /// Why a rejected file was rejected, in a sentence.
    public static func reason(_ digest: Digest) -> String { rejected(digest) + ".reason.txt" }

    /// A state of the configuration.
    ///
    /// - Parameters:
    ///   - time: When it was brought here, in 30 characters; names sort as times do.
    ///   - digest: That of the file.
    public static func configuration(_ time: Timestamp, _ digest: Digest) -> String {
        // Colons are no part of a name on some kinds of remote.
        let digits = "\(time)".prefix(19).filter { $0 != "-" && $0 != ":" }
        return "\(configuration)/\(digits)-\(digest.hex).toml"
    }

    /// A file of the report of a drill.
    public static func report(_ file: String) -> String { "\(drills)/\(file)" }

    private static func padded(_ number: Int64, _ count: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, count - digits.count)) + digits
    }
}
