import Foundation
import System

/// Decodes the pixels of images by DCMTK, as a viewer would: a child process for each image, since
/// this process never parses pixels.
struct PixelDecoder {
    /// What became of an image.
    enum Outcome: Hashable {
        case decoded
        /// DCMTK cannot decode it, or there is nothing to decode; no fault.
        case notDecoded(String)
        /// It is one that DCMTK decodes, and it could not.
        case failed(String)
    }

    /// A folder for the decoded frames, which are removed at once.
    let scratch: String
    /// Where the programs are, with a `/`; empty for those in `PATH`.
    private let programs: String
    private let variables: [String: String]

    init(scratch: String, programs: String = "") {
        (self.scratch, self.programs) = (scratch, programs)
        variables = ProcessInfo.processInfo.environment.filter {
            ["PATH", "DCMDICTPATH", "TMPDIR"].contains($0.key)
        }
        .merging(["LC_ALL": "C"]) { $1 }
    }

    /// The program for a transfer syntax (PS3.6 annex A, PS3.5 annex A); `nil` when DCMTK has none
    /// that decodes it.
    private static func program(for syntax: String) -> String? {
        switch syntax {
        case "", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99",
            "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5":
            "dcmj2pnm"
        // Lossless JPEG, baseline and extended.
        case "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57",
            "1.2.840.10008.1.2.4.70":
            "dcmj2pnm"
        case "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81": "dcml2pnm"
        default: nil
        }
    }

    private static func name(of syntax: String) -> String {
        switch syntax {
        case "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91": "JPEG 2000"
        case "1.2.840.10008.1.2.4.92", "1.2.840.10008.1.2.4.93": "JPEG 2000 multi-component"
        case _ where syntax.hasPrefix("1.2.840.10008.1.2.4.20"): "HTJ2K"
        case _ where syntax.hasPrefix("1.2.840.10008.1.2.4.11"): "JPEG XL"
        case _ where syntax.hasPrefix("1.2.840.10008.1.2.4.10"): "MPEG"
        default: "the transfer syntax \(syntax)"
        }
    }

    /// Nanoseconds that one image may take.
    private static let patience: Int64 = 600_000_000_000

    /// - Parameters:
    ///   - file: The image.
    ///   - syntax: Its TransferSyntaxUID; empty when it has none.
    func decode(_ file: String, syntax: String) -> Outcome {
        guard let program = Self.program(for: syntax) else {
            return .notDecoded("DCMTK does not decode \(Self.name(of: syntax))")
        }
        let frames = scratch + "/frames"
        defer { try? FileManager.default.removeItem(atPath: frames) }
        var words = ""
        let ending: ChildProcess.Ending?
        do {
            try FileManager.default.createDirectory(
                atPath: frames, withIntermediateDirectories: true)
            let child = try ChildProcess(
                [programs + program, "+Fa", "--write-raw-pnm", file, frames + "/frame"],
                variables: variables)
            ending = child.run(patience: .init(whole: Self.patience)) { piece in
                if case .errors(let bytes) = piece, words.utf8.count < 1 << 16 {
                    words += String(decoding: bytes, as: UTF8.self)
                }
            }
        } catch {
            return .notDecoded(
                (error as? Errno)?.code == ENOENT
                    ? "DCMTK is not installed" : "\(program) could not be run: \(error)")
        }
        switch ending {
        case .exited(0): return .decoded
        case nil: return .notDecoded("it took longer than ten minutes")
        case .killed(let signal): return .failed("\(program) was ended by signal \(signal)")
        case .exited: return Self.outcome(words)
        }
    }

    /// What DCMTK means.
    private static func outcome(_ words: String) -> Outcome {
        if words.contains("no pixel data found") { return .notDecoded("it has no pixels") }
        let lines = words.split(separator: "\n")
        let errors = lines.filter { $0.hasPrefix("E: ") }.map { $0.dropFirst(3) }
        let last = lines.last { $0.hasPrefix("F: ") }?.dropFirst(3) ?? ""
        // A kind of image that it does not show, although nothing is broken.
        let unsupported = [
            "Unsupported element value", "Missing attribute", "Invalid element value",
            "Unsupported photometric", "not supported",
        ]
        if unsupported.contains(where: { last.contains($0) }) {
            return .notDecoded("DCMTK does not show this kind: \(errors.last ?? last)")
        }
        // The path of the file is nobody's business.
        let reason = String(errors.first ?? last).prefix { $0 != "/" }
        return .failed(reason.isEmpty ? "no reason was given" : String(reason))
    }
}
