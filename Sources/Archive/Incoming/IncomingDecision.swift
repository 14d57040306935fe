import DICOM
import Storage

/// Everything that decides what becomes of a file of `/incoming`.
public struct IncomingFacts: Sendable {
    /// How the writing of the file has ended.
    public enum Ending: Hashable, Sendable {
        /// Not yet: a program has it open for writing.
        case open
        /// Its writer closed it. A second name in `staging/commit` says the same after a restart.
        case closed
        /// Nobody has used its temporary name for ``IncomingDecision/patience``.
        case abandoned
        /// pacsfs ended before the writer had closed it.
        case interrupted
        /// It was closed and is known to be incomplete, for this reason.
        case incomplete(String)
    }

    /// Whether its name says that a program is going to rename it: ``TemporaryName``.
    public var isTemporary: Bool
    /// Whether its name is on the list `ignore` of `pacsfs.toml`.
    public var isIgnored: Bool
    /// Whether it is an image by its content. Matters for names on that list only.
    public var isImage = false
    /// Its size, bytes.
    public var bytes: Int64
    public var ending: Ending
    /// Whether a person has moved it here from `/rejected`: ``ForcedFile``.
    public var isForced = false
    /// Whether it is a zip archive. Its members have checksums, so that half of one is noticed.
    public var isZip = false
    /// Whether the same bytes are archived already.
    public var isIndexed = false

    /// - Parameter path: Below `/incoming`, names joined with `/`.
    public init(path: [UInt8], settings: Settings, bytes: Int64, ending: Ending) {
        let name = path.split(separator: UInt8(ascii: "/")).last.map(Array.init) ?? []
        isTemporary = TemporaryName.matches(path: path)
        isIgnored = settings.ignores(name)
        self.bytes = bytes
        self.ending = ending
    }
}

/// What becomes of a file of `/incoming`. This is decided here and nowhere else: when the file is
/// closed, renamed or settles, when pacsfs starts, when the file is moved from `/rejected`, and
/// when it is taken over from another volume.
///
/// The first line of this table that applies decides:
///
///     its name is on the list `ignore`, and its
///     content is not that of an image             discard
///     it was abandoned: a day under such a name   set aside
///     its name is temporary                       wait
///     a program has it open for writing           wait
///     it is known to be incomplete                set aside
///     it is empty                                 set aside
///     it is forced, a zip archive, or archived    archive
///     its writer closed it                        archive
///     pacsfs ended before that                    set aside
public enum IncomingDecision: Hashable, Sendable {
    /// Its writer goes on with it.
    case wait
    /// It vanishes when it settles, without a word.
    case discard
    /// It goes to the archive, which unpacks zip archives and may refuse other files.
    case archive
    /// It goes to `/rejected` when it settles, with this reason.
    case setAside(String)

    public init(_ facts: IncomingFacts) {
        switch facts.ending {
        case _ where facts.isIgnored && !facts.isImage: self = .discard
        case .abandoned: self = .setAside(Self.abandoned)
        case _ where facts.isTemporary, .open: self = .wait
        case .incomplete(let reason): self = .setAside(reason)
        case _ where facts.bytes == 0: self = .setAside(Self.empty)
        case _ where facts.isForced || facts.isZip || facts.isIndexed: self = .archive
        case .closed: self = .archive
        case .interrupted: self = .setAside(Self.interrupted)
        }
    }

    /// How long a temporary name may be unused before its copy counts as abandoned, ns.
    public static let patience: Int64 = 86_400_000_000_000

    // MARK: Reasons

    static let empty = "It is empty (0 bytes). Copy the original again."

    /// Why a file is set aside that was not closed before pacsfs ended.
    public static let interrupted =
        """
        The copy was interrupted: pacsfs ended before the file was closed. Copy the original \
        again; if this is all there is, move it back into incoming.
        """

    /// Why a file is set aside whose writer was killed.
    public static let killed =
        """
        The copy was interrupted: the program that wrote it was ended before it closed the file. \
        Copy the original again; if this is all there is, move it back into incoming.
        """

    static let abandoned =
        """
        It was written under the temporary name of a copy that never finished. Copy the original \
        again.
        """

    /// Why a file is set aside that has its size, but not all of its bytes.
    ///
    /// - Parameter missing: A part of a sentence.
    public static func partlyWritten(_ missing: String) -> String {
        """
        The copy was interrupted: \(missing). Copy the original again; if this is all there is, \
        move it back into incoming.
        """
    }

    /// Why a file is set aside of which a write failed.
    ///
    /// - Parameter error: What the system says of it.
    public static func writeFailed(_ error: String) -> String {
        "It could not be written whole: \(error). Copy the original again."
    }

    /// Why a zip archive is set aside that fails again and again.
    public static func failsAgain(_ error: ArchiveError) -> String {
        """
        This is a zip archive that could not be unpacked, time and again. \(error) If you have \
        mended that, move it back into incoming; otherwise unpack it yourself and copy the images.
        """
    }

    // MARK: A look at the content

    /// The same decision after a look at the content of a file that was interrupted: an error in
    /// the header says more than that, and a DICOMDIR may be discarded.
    ///
    /// - Parameter descriptor: The open file.
    func refined(by descriptor: Int32, _ settings: Settings) -> IncomingDecision {
        guard self == .setAside(Self.interrupted) else { return self }
        var reader = HeaderReader()
        do {
            let header = try reader.read(FileDescriptorSource(descriptor: descriptor))
            return header.isMediaStorageDirectory && settings.ignoresDirectories ? .discard : self
        } catch {
            return .setAside(error.explanation)
        }
    }
}
