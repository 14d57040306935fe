/// Why a zip archive is not unpacked, or not to its end. It is rejected as a whole, for this
/// reason.
struct ZipError: Error, Equatable {
    /// One or more sentences for a person.
    var reason: String
    /// Whether only one member is damaged: the others may be good.
    var isOfOneMember = false

    init(_ reason: String) { self.reason = reason }

    /// The archive or one of its members cannot be read.
    static func damaged(_ member: String?, _ detail: String) -> ZipError {
        let what = member.map { "its member \($0) is damaged" } ?? "it is damaged or incomplete"
        var error = ZipError(
            "This is a zip archive, and \(what) (\(detail)). Copy the original again.")
        error.isOfOneMember = member != nil
        return error
    }

    /// A member would be outside of its folder, needs a password, or is not a file.
    static func refused(_ member: String, _ why: String) -> ZipError {
        ZipError(
            """
            This is a zip archive whose member \(member) \(why). Nothing of it was unpacked. If \
            you trust it, unpack it yourself and copy the images.
            """
        )
    }

    /// Its list of members does not account for the whole file: the rest would be lost.
    static let holdsMore = ZipError(
        """
        This is a zip archive that holds more than its list says: perhaps two were joined, or \
        there are bytes before or after it. Nothing of it was unpacked. Unpack it yourself and \
        copy the images.
        """
    )

    /// It would fill the disks.
    static func tooLarge(_ why: String) -> ZipError {
        ZipError(
            """
            This is a zip archive that \(why), like archives that are made to fill a disk. If you \
            trust it, unpack it yourself and copy the images.
            """
        )
    }
}
