/// The way in which the files of a view are named.
public enum FileNaming: Sendable, Equatable {
    /// By instance number: `00001.dcm`.
    case instanceNumber
    /// By UID: `<SOPInstanceUID>.dcm`.
    case sopInstanceUID
}

/// A way to show the archive as directories.
public struct View: Sendable, Equatable {
    /// The name of its directory at the root of the mount.
    public let name: String
    /// The directories below it.
    public let template: Template
    /// The way its files are named: by UID if the last level is only `{SeriesInstanceUID}`,
    /// otherwise by number.
    public var fileNaming: FileNaming {
        template.lastAttribute == .seriesInstanceUID ? .sopInstanceUID : .instanceNumber
    }

    /// A view with a name and a template.
    public init(name: String, template: Template) {
        self.name = name
        self.template = template
    }
}
