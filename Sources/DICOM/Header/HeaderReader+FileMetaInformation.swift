extension HeaderReader {
    /// Reads group 0002 (PS3.10 section 7.1), element by element until another group begins:
    /// its group length is often wrong or missing. It is explicit VR little endian; implicit
    /// elements, which some writers produce, are recognised one by one.
    ///
    /// - Returns: Where the data set begins, `start` when there is no group 0002.
    mutating func readFileMetaInformation(from start: Int) throws(Fault) -> Int {
        var position = start
        var declaredEnd = -1
        while true {
            let have = try window.reach(position, 12)
            if have == 0 { return position }
            if position == 0, have < 8 { return position }
            guard have >= 2 else { throw .data(.truncatedMeta, at: position) }
            let head = window.pointer(position)
            guard head.loadUnaligned(as: UInt16.self) == 0x0002 else { return position }
            guard have >= 8 else { throw .data(.truncatedMeta, at: position) }
            let vr = head.loadUnaligned(fromByteOffset: 4, as: UInt16.self)
            let isExplicit = layouts[vr] != .unknown
            // What comes after may be deflated and begin with any bytes.
            if position == declaredEnd, !isExplicit { return position }
            let encoding: DataEncoding = isExplicit ? .explicitLittleEndian : .implicitLittleEndian
            if isExplicit, layouts[vr] == .long, have < 12 {
                throw .data(.truncatedMeta, at: position)
            }
            let element = try element(at: position, encoding)
            if position == start, start == 0, !isFirstMetaElement(element) { return position }
            current = element.tag
            guard !element.isUndefined, element.length <= window.limit - element.value else {
                throw .data(.truncatedMeta, at: position)
            }
            let end = element.value + element.length
            switch element.tag {
            case .metaGroupLength where element.length == 4:
                if try window.reach(element.value, 4) >= 4 {
                    declaredEnd = end + Int(Self.number32(window.pointer(element.value), encoding))
                }
            case .transferSyntaxUID:
                try storeText(.transferSyntaxUID, element, form: .code)
            case .mediaStorageSOPClassUID where element.length <= 64:
                if try window.reach(element.value, element.length) >= element.length {
                    isDirectory = Self.isDirectoryClass(window.bytes(element.value, element.length))
                }
            default: break
            }
            position = end
        }
    }

    /// Without `DICM`, bytes 02 00 alone are not enough to take a file for DICOM.
    private func isFirstMetaElement(_ element: Element) -> Bool {
        element.tag.element <= 0x0010 && element.length <= 256
    }

    /// Whether a class UID is that of Media Storage Directory Storage.
    private static func isDirectoryClass(_ uid: UnsafeRawBufferPointer) -> Bool {
        let name: StaticString = "1.2.840.10008.1.3.10"
        guard uid.count >= name.utf8CodeUnitCount else { return false }
        let wanted = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        return uid.prefix(wanted.count).elementsEqual(wanted)
            && uid.dropFirst(wanted.count).allSatisfy { $0 == 0 || $0 == 0x20 }
    }
}
