import Foundation
import Naming

/// The content of `pacsfs.toml`.
public struct Settings: Sendable {
    public struct VolumePlace: Sendable, Equatable {
        public var path: String
        /// The failure domain: everything that fails together with it, such as a disk, a machine
        /// or a room.
        public var domain: String

        public init(path: String, domain: String) {
            self.path = path
            self.domain = domain
        }
    }

    /// How many copies of each image are kept, each on another volume.
    public var copies = 2
    /// How many copies a file needs to count as safe while volumes are away; `nil` means `copies`.
    public var leastCopies: Int?
    /// How long a name stays in `/incoming` after its last use, in seconds.
    public var settle = 10.0
    /// Names that are removed from `/incoming` silently, if their files are not images; `*` at an
    /// end stands for anything.
    public var ignored = ["Thumbs.db", ".DS_Store", "desktop.ini", "._*", directoryName]
    /// Whether a look-up ignores the case of names.
    public var ignoresCase = false
    /// The number of days in which everything is read once; 0 for never.
    public var scrubDays = 30.0
    /// The most bytes per second that the scheduled scrub reads; `nil` for no limit.
    public var scrubRate: Int64?
    /// The number of days in which images are restored once from each source, to prove that it can
    /// be done; 0 for never.
    public var drillDays = 30.0
    /// The most bytes that are fetched for a sample of these; `nil` for no limit.
    public var drillBytes: Int64? = 4_000_000_000
    /// The group that sees the archive; `nil` for everybody.
    public var readers: UserGroup?
    /// The group that may write to `/incoming`; `nil` for everybody.
    public var writers: UserGroup?
    public var views = DefaultViews.all
    /// Whether the file has the table `[views]`; without it the archive keeps its present views.
    public var namesViews = false
    public var volumes: [VolumePlace] = []
    /// Paths at which removable volumes are looked for.
    public var removable: [String] = []
    /// How long anybody waits for one volume whose disk does not answer, in seconds.
    public var patience = 30.0
    /// How remotes are used, by their names; one that is missing is used without limits.
    public var remotes: [String: Remote] = [:]
    /// A line for the shell, run when there is something to tell; `nil` for none.
    public var alertCommand: String?
    /// An address that is called while all is well; `nil` for none.
    public var pingURL: String?

    /// Names at the root of the mount that no view may have.
    static let reserved: Set<String> = [
        "incoming", "rejected", "search", "readme.txt", "status.html", "metrics.prom",
    ]

    public init() {}

    /// How many copies a file needs to count as safe.
    public var minimumCopies: Int { min(leastCopies ?? copies, copies) }

    /// The name of a DICOMDIR (PS3.10 section 8.6). It is recognised by its content: an image with
    /// this name is an image.
    private static let directoryName = "DICOMDIR"

    /// Whether a DICOMDIR is removed silently. It only repeats attributes of the images on its
    /// disc, with their paths there: nothing is lost.
    public var ignoresDirectories: Bool {
        ignored.contains { $0.lowercased() == Self.directoryName.lowercased() }
    }

    /// Names that devices and programs give to images, but for the ending.
    private static let imageNames = [
        "IM000001", "1", "00017", "image", "1.2.840.10008.5.1.4.1.1.2", "rex hip vd",
    ]
    private static let imageEndings = ["", ".dcm", ".dicom", ".dic", ".ima", ".img"]

    /// An image of those that a pattern for names to ignore would drop, if it drops all, or all
    /// with one ending. Patterns count as they are used here, and as a shell reads them (glob(7)).
    static func image(matching pattern: String) -> String? {
        var settings = Settings()
        settings.ignored = [pattern]
        func drops(_ name: String) -> Bool {
            settings.ignores(Array(name.utf8))
                || fnmatch(pattern.lowercased(), name.lowercased(), 0) == 0
        }
        return imageEndings.first { ending in imageNames.allSatisfy { drops($0 + ending) } }
            .map { imageNames[0] + $0 }
    }

    /// Whether a name is on the list `ignore`. What has such a name and is an image is not ignored.
    ///
    /// - Parameter name: The bytes of a file name.
    public func ignores(_ name: [UInt8]) -> Bool {
        let name = String(decoding: name, as: UTF8.self).lowercased()
        return ignored.contains { pattern in
            let pattern = pattern.lowercased()
            if pattern == Self.directoryName.lowercased() { return false }
            if pattern.hasSuffix("*") { return name.hasPrefix(pattern.dropLast()) }
            if pattern.hasPrefix("*") { return name.hasSuffix(pattern.dropFirst()) }
            return name == pattern
        }
    }
}

extension Settings {
    /// The text of a new `pacsfs.toml`, with comments.
    public var toml: String {
        var text = """
            # Configuration of this pacsfs archive. After a change: pacsfs reload. It takes over
            # views, settle, ignore, ignore_case, scrub, drill, offsite, alert_command and ping_url;
            # the rest needs a restart of the daemon.

            # On how many volumes every image is kept.
            copies = \(copies)

            # On how many it must be before a file is taken, while volumes are away. What is
            # missing is made up for when they are back; "pacsfs status" says NOT SAFE until then.
            # With as many as "copies", files are refused while a volume is away.
            \(leastCopies.map { "min_copies = \($0)" } ?? "# min_copies = 1")

            # Seconds for which a name stays in incoming/ after it was last used.
            settle = \(settle == settle.rounded() ? String(Int(settle)) : String(settle))

            # Names that are cleared from incoming/ quietly; an image is archived whatever it is
            # called. DICOMDIR stands for the table of contents of a disc, known by its content.
            ignore = [\(ignored.map(Self.quoted).joined(separator: ", "))]

            # true: names are found in any case, as Windows expects, so that Samba need not read
            # whole folders to find them ("case sensitive = yes" in smb.conf).
            ignore_case = \(ignoresCase)

            # The group (name or number) that sees the archive, and the one that may add to it.
            # Without "writers", those who may read; without both, everybody whom the mount lets in.
            \(Self.setting("readers", readers))
            \(Self.setting("writers", writers))

            """
        text += """

            # A line for the shell, run when something begins to be wrong and when it is over: "$1"
            # is the subject, the text comes on standard input. README has examples ("Alerts").
            \(alertCommand.map { "alert_command = \(Self.quoted($0))" } ?? "# alert_command = ''")

            # An address that is called every five minutes, but only while all is well.
            \(pingURL.map { "ping_url = \(Self.quoted($0))" } ?? "# ping_url = 'https://…'")

            """
        text += """

            # Every copy is read and compared with its name once in so many days (0: never), by
            # the daemon, at most at this rate in bytes a second ("20M"; "0": no limit).
            [scrub]
            days = \(scrubDays == scrubDays.rounded() ? String(Int(scrubDays)) : String(scrubDays))
            rate = "\(scrubRate ?? 0)"

            """
        text += """

            # Once in so many days (0: never), images are restored from each volume and each remote
            # alone and compared, to prove that it can be done; for a sample at most so many bytes
            # are fetched ("0": no limit). See "pacsfs drill".
            [drill]
            days = \(Self.number(drillDays))
            bytes = "\(drillBytes ?? 0)"

            """
        text += """

            # Seconds that a disk may take for one call. One that takes longer does not answer: its
            # volume counts as absent until it answers again. Raise it for slow disks.
            [volumes]
            patience = \(Self.number(patience))

            """
        text += """

            # For each remote of "pacsfs offsite", all of it optional: the most bytes a second, the
            # hours of the day in which images are brought there, years for which the server is
            # asked to let nobody delete them (object lock), and the days in which everything there
            # is fetched and hashed once, with the most bytes a day for that.
            # [offsite.NAME]
            # bandwidth = "500k"
            # hours = "19:00-07:00"
            # keep_years = 10
            # check_days = 180
            # check_bytes = "2G"

            """
        for volume in volumes {
            text += """

                [[volume]]
                path = \(Self.quoted(volume.path))
                # What fails together: volumes with the same domain do not count as two copies
                # as long as there is another one.
                domain = \(Self.quoted(volume.domain))

                """
        }
        for path in removable {
            text += """

                [[volume]]
                path = \(Self.quoted(path))
                role = "removable"

                """
        }
        text += """

            # How the archive is shown: a folder for each view, levels made of DICOM keywords. A
            # field that ends with ! leaves out images without a value. Try one before it is used:
            # pacsfs views try "{PatientID}/{StudyDate}". A view that is taken out keeps its paths
            # for when it is put in again.
            [views]

            """
        for view in views {
            text += "\(Self.key(view.name)) = \(Self.quoted(view.template.description))\n"
        }
        return text
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() ? String(Int(value)) : String(value)
    }

    /// A key as it is where TOML allows that, else in quotes.
    private static func key(_ text: String) -> String {
        let isBare =
            !text.isEmpty
            && text.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
        return isBare ? text : quoted(text)
    }

    /// A basic string (TOML 1.0, String).
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case "\u{0}"..<"\u{20}", "\u{7F}":
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
