import Glibc

/// Writes images as a computed tomography scanner does: 128 × 128 pixels of 16 bits, explicit
/// VR little endian, series of 100 in directories of their own.
func generate(_ count: Int, in directory: String) throws {
    try makeDirectory(directory)
    for index in 0..<count {
        let folder = "\(directory)/series-\(index / 100)"
        if index % 100 == 0 { try makeDirectory(folder) }
        let bytes = image(index)
        let path = "\(folder)/\(index % 100).dcm"
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw SystemError(what: "create \(path)") }
        defer { close(file) }
        guard write(file, bytes, bytes.count) == bytes.count else {
            throw SystemError(what: "write \(path)")
        }
    }
    print("\(count) images of \(image(0).count) bytes in \(directory)")
}

private func makeDirectory(_ path: String) throws {
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
        throw SystemError(what: "create \(path)")
    }
}

/// Puts elements in explicit VR little endian one after the other.
private struct DataSetWriter {
    var bytes: [UInt8] = []

    mutating func add(_ group: UInt16, _ element: UInt16, _ vr: String, _ value: [UInt8]) {
        add(group)
        add(element)
        bytes += Array(vr.utf8)
        if ["OB", "OW", "SQ", "UN", "UT"].contains(vr) {
            add(0)
            add(UInt16(truncatingIfNeeded: value.count))
            add(UInt16(truncatingIfNeeded: value.count >> 16))
        } else {
            add(UInt16(value.count))
        }
        bytes += value
    }

    mutating func add(_ group: UInt16, _ element: UInt16, _ vr: String, _ text: String) {
        var value = Array(text.utf8)
        if value.count % 2 == 1 { value.append(vr == "UI" ? 0 : 0x20) }
        add(group, element, vr, value)
    }

    mutating func add(_ group: UInt16, _ element: UInt16, number: Int) {
        add(group, element, "US", [UInt8(number & 0xFF), UInt8(number >> 8)])
    }

    /// A sequence of one item.
    mutating func add(_ group: UInt16, _ element: UInt16, item: DataSetWriter) {
        var writer = DataSetWriter()
        writer.add(0xFFFE)
        writer.add(0xE000)
        writer.add(UInt16(truncatingIfNeeded: item.bytes.count))
        writer.add(UInt16(truncatingIfNeeded: item.bytes.count >> 16))
        add(group, element, "SQ", writer.bytes + item.bytes)
    }

    private mutating func add(_ number: UInt16) {
        bytes += [UInt8(number & 0xFF), UInt8(number >> 8)]
    }
}

private func image(_ index: Int) -> [UInt8] {
    let (series, number) = (index / 100, index % 100 + 1)
    let (patient, study) = (series / 6, series / 2)
    let root = "1.2.826.0.1.3680043.8.498"
    let seriesUID = "\(root).20240131.\(study).\(series)"
    let instanceUID = "\(seriesUID).\(number)"
    let ctImage = "1.2.840.10008.5.1.4.1.1.2"

    var meta = DataSetWriter()
    meta.add(0x0002, 0x0001, "OB", [0, 1])
    meta.add(0x0002, 0x0002, "UI", ctImage)
    meta.add(0x0002, 0x0003, "UI", instanceUID)
    meta.add(0x0002, 0x0010, "UI", "1.2.840.10008.1.2.1")
    meta.add(0x0002, 0x0012, "UI", "\(root).1")
    meta.add(0x0002, 0x0013, "SH", "PARSEBENCH_1")
    var head = DataSetWriter()
    let length = meta.bytes.count
    head.add(0x0002, 0x0000, "UL", [UInt8(length & 0xFF), UInt8(length >> 8), 0, 0])

    var data = DataSetWriter()
    addStudy(&data, ctImage, instanceUID, root, study)
    addPatient(&data, patient)
    addAcquisition(&data, number)
    data.add(0x0020, 0x000D, "UI", "\(root).20240131.\(study)")
    data.add(0x0020, 0x000E, "UI", seriesUID)
    addPosition(&data, series, number, root)
    addPixels(&data)
    return [UInt8](repeating: 0, count: 128) + Array("DICM".utf8) + head.bytes + meta.bytes
        + data.bytes
}

private func addStudy(
    _ data: inout DataSetWriter, _ sopClass: String, _ instance: String, _ root: String,
    _ study: Int
) {
    data.add(0x0008, 0x0005, "CS", "ISO_IR 100")
    data.add(0x0008, 0x0008, "CS", "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI")
    data.add(0x0008, 0x0012, "DA", "20240131")
    data.add(0x0008, 0x0013, "TM", "101502.125000")
    data.add(0x0008, 0x0016, "UI", sopClass)
    data.add(0x0008, 0x0018, "UI", instance)
    for element in [0x0020, 0x0021, 0x0022, 0x0023] as [UInt16] {
        data.add(0x0008, element, "DA", "20240131")
    }
    for element in [0x0030, 0x0031, 0x0032, 0x0033] as [UInt16] {
        data.add(0x0008, element, "TM", "101502.125000")
    }
    data.add(0x0008, 0x0050, "SH", "A\(100_000 + study)")
    data.add(0x0008, 0x0060, "CS", "CT")
    data.add(0x0008, 0x0070, "LO", "SIEMENS")
    data.add(0x0008, 0x0080, "LO", "Small Animal Clinic North")
    data.add(0x0008, 0x0081, "ST", "12 High Street, Northtown")
    data.add(0x0008, 0x0090, "PN", "Farrier^Anna^^Dr")
    data.add(0x0008, 0x1010, "SH", "CTAWP73256")
    data.add(0x0008, 0x1030, "LO", "CT Thorax and Abdomen")
    data.add(0x0008, 0x103E, "LO", "Thorax 1.0 B70f")
    data.add(0x0008, 0x1050, "PN", "Keller^Ruth")
    data.add(0x0008, 0x1070, "PN", "Radiographer")
    data.add(0x0008, 0x1090, "LO", "SOMATOM Definition AS")
    for element in [0x1111, 0x1140, 0x2112] as [UInt16] {
        var item = DataSetWriter()
        item.add(0x0008, 0x1150, "UI", sopClass)
        item.add(0x0008, 0x1155, "UI", "\(root).7.\(study).\(element)")
        data.add(0x0008, element, item: item)
    }
}

private func addPatient(_ data: inout DataSetWriter, _ patient: Int) {
    let names = ["Smith^Rex", "Jones^Bella", "Taylor^Max", "Brown^Luna", "Davies^Charlie"]
    data.add(0x0010, 0x0010, "PN", names[patient % names.count])
    data.add(0x0010, 0x0020, "LO", "P\(10_000 + patient)")
    data.add(0x0010, 0x0021, "LO", "CLINIC NORTH")
    data.add(0x0010, 0x0030, "DA", "20180412")
    data.add(0x0010, 0x0040, "CS", "M")
    data.add(0x0010, 0x1010, "AS", "005Y")
    data.add(0x0010, 0x1030, "DS", "31.5")
    data.add(0x0010, 0x2201, "LO", "Canine species")
    data.add(0x0010, 0x2203, "CS", "ALTERED")
    data.add(0x0010, 0x2292, "LO", "Labrador retriever")
    data.add(0x0010, 0x2297, "PN", "Smith^Joan")
    data.add(0x0010, 0x2298, "CS", "OWNER")
}

private func addAcquisition(_ data: inout DataSetWriter, _ number: Int) {
    data.add(0x0018, 0x0015, "CS", "CHEST")
    data.add(0x0018, 0x0022, "CS", "HELICAL MODE")
    data.add(0x0018, 0x0050, "DS", "1")
    data.add(0x0018, 0x0060, "DS", "120")
    data.add(0x0018, 0x0090, "DS", "500")
    data.add(0x0018, 0x1000, "LO", "73256")
    data.add(0x0018, 0x1020, "LO", "syngo CT 2012B")
    data.add(0x0018, 0x1030, "LO", "ThoraxRoutine")
    data.add(0x0018, 0x1100, "DS", "380")
    data.add(0x0018, 0x1110, "DS", "1085.6")
    data.add(0x0018, 0x1120, "DS", "0")
    data.add(0x0018, 0x1130, "DS", "\(150 + number)")
    data.add(0x0018, 0x1140, "CS", "CW")
    data.add(0x0018, 0x1150, "IS", "500")
    data.add(0x0018, 0x1151, "IS", "\(180 + number)")
    data.add(0x0018, 0x1152, "IS", "92")
    data.add(0x0018, 0x1160, "SH", "FLAT")
    data.add(0x0018, 0x1190, "DS", "1.2")
    data.add(0x0018, 0x1210, "SH", "B70f")
    data.add(0x0018, 0x5100, "CS", "HFP")
    data.add(0x0018, 0x9311, "FD", [0, 0, 0, 0, 0, 0, 0xE0, 0x3F])
}

private func addPosition(_ data: inout DataSetWriter, _ series: Int, _ number: Int, _ root: String)
{
    data.add(0x0020, 0x0010, "SH", "\(1000 + series / 2)")
    data.add(0x0020, 0x0011, "IS", "\(series % 2 + 1)")
    data.add(0x0020, 0x0012, "IS", "1")
    data.add(0x0020, 0x0013, "IS", "\(number)")
    data.add(0x0020, 0x0032, "DS", "-189.62890625\\-357.62890625\\-\(number).5")
    data.add(0x0020, 0x0037, "DS", "1\\0\\0\\0\\1\\0")
    data.add(0x0020, 0x0052, "UI", "\(root).9.\(series)")
    data.add(0x0020, 0x1040, "LO", "")
    data.add(0x0020, 0x1041, "DS", "-\(number).5")
}

private func addPixels(_ data: inout DataSetWriter) {
    data.add(0x0028, 0x0002, number: 1)
    data.add(0x0028, 0x0004, "CS", "MONOCHROME2")
    data.add(0x0028, 0x0010, number: 128)
    data.add(0x0028, 0x0011, number: 128)
    data.add(0x0028, 0x0030, "DS", "0.7421875\\0.7421875")
    data.add(0x0028, 0x0100, number: 16)
    data.add(0x0028, 0x0101, number: 12)
    data.add(0x0028, 0x0102, number: 11)
    data.add(0x0028, 0x0103, number: 0)
    data.add(0x0028, 0x0106, number: 0)
    data.add(0x0028, 0x0107, number: 2800)
    data.add(0x0028, 0x1050, "DS", "40")
    data.add(0x0028, 0x1051, "DS", "400")
    data.add(0x0028, 0x1052, "DS", "-1024")
    data.add(0x0028, 0x1053, "DS", "1")
    data.add(0x7FE0, 0x0010, "OW", [UInt8](repeating: 0x20, count: 128 * 128 * 2))
}
