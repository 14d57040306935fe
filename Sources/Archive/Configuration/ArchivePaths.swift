/// The files in the directory of an archive.
///
/// ```
/// ARCHIVE/
///   pacsfs.toml     the configuration, for people to edit
///   archive.json    its identifier, and its volumes while their disks are away
///   index.sqlite    the index, made anew when it is missing
///   control.sock    commands to the daemon
///   pacsfs.log      messages of a daemon in the background
/// ```
public struct ArchivePaths: Sendable {
    public static let configurationName = "pacsfs.toml"
    public static let identityName = "archive.json"
    public static let indexName = "index.sqlite"
    public static let controlSocketName = "control.sock"
    public static let logName = "pacsfs.log"

    /// The directory.
    public let directory: String

    public init(_ directory: String) { self.directory = directory }

    public var configuration: String { directory + "/" + Self.configurationName }
    public var identity: String { directory + "/" + Self.identityName }
    public var index: String { directory + "/" + Self.indexName }
    public var log: String { directory + "/" + Self.logName }
}
