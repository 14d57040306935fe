import DICOM

extension CutOff {
    /// For whoever copied the file.
    var reason: String {
        let what =
            if isInPixels, let length { "the pixels end after \(bytes) of \(length) bytes" }
            else if isInPixels { "the compressed pixels have no end" }
            else if let tag { "it ends within the element \(tag)" }
            else { "it ends in the middle of its data set" }
        return "This image is cut off: \(what). The copy seems to have been interrupted. Copy the original again; if that is cut off too, move this one back into incoming, and it is archived as it is."
    }
}
