import DICOM

extension Truncation {
    /// The missing part, as a part of a sentence.
    var what: String {
        if lacksPixels { return "there are zeros in place of its pixels" }
        if isInPixels, let length { return "the pixels end after \(bytes) of \(length) bytes" }
        if isInPixels { return "the compressed pixels have no end" }
        return tag.map { "it ends within the element \($0)" }
            ?? "it ends in the middle of its data set"
    }

    /// The reason for the person who copied the file.
    var reason: String {
        """
        This image is cut off: \(what). The copy seems to have been interrupted. Copy the original \
        again; if that is cut off too, move this one back into incoming, and it is archived as it \
        is.
        """
    }
}
