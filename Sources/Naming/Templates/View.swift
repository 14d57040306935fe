/// How the files of a view are named.
public enum FileNaming: Sendable, Equatable {
    /// `00001.dcm`, after the instance number.
    case instanceNumber
    /// `<SOPInstanceUID>.dcm`.
    case sopInstanceUID
}

/// A way to show the archive as directories.
public struct View: Sendable, Equatable {
    /// The name of its directory at the root of the mount.
    public let name: String
    /// The directories below it.
    public let template: Template
    /// The names of the files: after their UID when the last level is `{SeriesInstanceUID}` and
    /// nothing else, after their number otherwise.
    public var fileNaming: FileNaming {
        template.lastAttribute == .seriesInstanceUID ? .sopInstanceUID : .instanceNumber
    }

    /// A view of that name and with that template.
    public init(name: String, template: Template) {
        self.name = name
        self.template = template
    }
}
