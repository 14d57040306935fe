// Writes synthetic DICOM files: a few to look at, or very many for load.

import Foundation
import SyntheticStudy

let usage = """
    usage: synthesize samples DIR
           synthesize archive DIR --instances N [--patients P] [--bytes B] [--seed S]

    samples   writes a handful of examinations to look at
    archive   writes N small images, B bytes each (default 8192), in folders of at most 1,000;
              the same seed (default 1) makes the same files; with P patients, each has one
              series, else four with 25 images each

    """

/// What was wrong with the command line.
struct UsageError: Error {
    let message: String
}

/// The value of each option given.
func options(_ arguments: ArraySlice<String>) throws(UsageError) -> [String: UInt64] {
    var options: [String: UInt64] = [:]
    var rest = arguments
    while let name = rest.popFirst() {
        guard ["--instances", "--patients", "--bytes", "--seed"].contains(name) else {
            throw UsageError(message: "there is no option \(name)")
        }
        guard let value = rest.popFirst(), let number = UInt64(value), number <= UInt64(Int.max)
        else {
            throw UsageError(message: "\(name) needs a whole number")
        }
        options[name] = number
    }
    return options
}

/// A file that could not be written.
struct WriteError: Error {
    let path: String
    let reason: String
}

func write(_ bytes: [UInt8], to file: URL) throws(WriteError) {
    do {
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
    } catch {
        throw WriteError(path: file.path, reason: error.localizedDescription)
    }
}

func writeSamples(to directory: URL) throws {
    let files = SampleArchive.files()
    for file in files { try write(file.bytes, to: directory.appending(path: file.path)) }
    print("wrote \(files.count) files to \(directory.path)")
}

func writeArchive(to directory: URL, instances: Int, patients: Int?, bytes: Int, seed: UInt64)
    throws
{
    let start = ContinuousClock.now
    let archive =
        if let patients {
            SyntheticArchive(
                seed: seed, patients: patients, studiesPerPatient: 1, seriesPerStudy: 1,
                imagesPerSeries: (instances + patients - 1) / patients, bytesPerImage: bytes)
        } else {
            SyntheticArchive(
                seed: seed, patients: (instances + 99) / 100, studiesPerPatient: 2,
                seriesPerStudy: 2,
                imagesPerSeries: 25, bytesPerImage: bytes)
        }
    var total = 0
    for (index, image) in archive.prefix(instances).enumerated() {
        let file = image.write()
        let folder = String(1_000_000 + index / 1_000).dropFirst()
        try write(file, to: directory.appending(path: "\(folder)/\(image.sopInstanceUID).dcm"))
        total += file.count
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let rate = seconds > 0 ? Int(Double(instances) / seconds) : instances
    print(
        "wrote \(instances) files, \(total / 1_000_000) MB, to \(directory.path) in",
        "\(Int(seconds.rounded())) s (\(rate) files/s)")
}

func run(_ arguments: [String]) throws {
    guard arguments.count >= 2 else {
        throw UsageError(message: "a command and a directory are needed")
    }
    let directory = URL(filePath: arguments[1], directoryHint: .isDirectory)
    switch arguments[0] {
    case "samples":
        guard arguments.count == 2 else { throw UsageError(message: "samples takes no options") }
        try writeSamples(to: directory)
    case "archive":
        let options = try options(arguments.dropFirst(2))
        guard let instances = options["--instances"] else {
            throw UsageError(message: "archive needs --instances")
        }
        guard options["--patients"] != 0 else {
            throw UsageError(message: "--patients needs one or more")
        }
        try writeArchive(
            to: directory, instances: Int(instances),
            patients: options["--patients"].map { Int($0) },
            bytes: Int(options["--bytes"] ?? 8_192),
            seed: options["--seed"] ?? 1)
    default:
        throw UsageError(message: "there is no command \(arguments[0])")
    }
}

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.isEmpty || arguments.contains("--help") || arguments.contains("-h") {
    print(usage, terminator: "")
    exit(arguments.isEmpty ? 64 : 0)
}
do {
    try run(arguments)
} catch let error as UsageError {
    FileHandle.standardError.write(Data("synthesize: \(error.message)\n\(usage)".utf8))
    exit(64)
} catch let error as WriteError {
    let message = "synthesize: cannot write \(error.path): \(error.reason)\n"
    FileHandle.standardError.write(Data(message.utf8))
    exit(1)
}
