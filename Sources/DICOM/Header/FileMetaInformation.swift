/// The facts from group 0002 (PS3.10 section 7.1); the Transfer Syntax UID is an attribute like
/// others.
struct FileMetaInformation {
    /// Position of the data set; that of the first byte read when there is no group 0002.
    var dataSet: Int
    /// Whether the file is a DICOMDIR, by its Media Storage SOP Class UID.
    var isDirectory = false
}

extension HeaderReader {
    /// Reads group 0002, element by element until another group begins: its group length is
    /// often wrong or missing. The group is in explicit VR little endian; some writers produce
    /// implicit elements, which are recognised one by one.
    mutating func readFileMetaInformation(from start: Int) throws(Fault) -> FileMetaInformation {
        var meta = FileMetaInformation(dataSet: start)
        var declaredEnd = -1
        while true {
            let position = meta.dataSet
            let have = try elements.buffer.reach(position, 12)
            if have == 0 { return meta }
            if position == 0, have < 8 { return meta }
            guard have >= 2 else { throw .data(.truncatedMeta, at: position) }
            let head = elements.buffer.pointer(position)
            guard head.loadUnaligned(as: UInt16.self) == 0x0002 else { return meta }
            guard have >= 8 else { throw .data(.truncatedMeta, at: position) }
            let layout = elements.layouts[head.loadUnaligned(fromByteOffset: 4, as: UInt16.self)]
            let isExplicit = layout != .unknown
            // The data set after the group may be deflated and begin with any bytes.
            if position == declaredEnd, !isExplicit { return meta }
            if layout == .long, have < 12 { throw .data(.truncatedMeta, at: position) }
            let encoding: DataEncoding = isExplicit ? .explicitLittleEndian : .implicitLittleEndian
            let element = try elements.element(at: position, encoding)
            if position == start, start == 0, !isFirstMetaElement(element) { return meta }
            elements.current = element.tag
            guard !element.isUndefined, element.length <= elements.buffer.limit - element.value
            else { throw .data(.truncatedMeta, at: position) }
            meta.dataSet = element.value + element.length
            switch element.tag {
            case .metaGroupLength where element.length == 4:
                if try elements.buffer.reach(element.value, 4) >= 4 {
                    let length = encoding.number32(at: elements.buffer.pointer(element.value))
                    declaredEnd = meta.dataSet + Int(length)
                }
            case .transferSyntaxUID:
                values.storeText(.transferSyntaxUID, try value(of: element), vr: .CS)
            case .mediaStorageSOPClassUID where element.length <= 64:
                if try elements.buffer.reach(element.value, element.length) >= element.length {
                    meta.isDirectory = Self.isDirectoryClass(
                        elements.buffer.bytes(element.value, element.length))
                }
            default: break
            }
        }
    }

    /// Without `DICM`, the bytes 02 00 alone do not make a file DICOM.
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
