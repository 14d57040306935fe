import Foundation
import TestSupport

/// The library between `pacsfs` and the disk; `interposer/interposer.c` says what it does.
enum Interposer {
    /// Compiled once, beside the test program.
    static let library: Result<String, ProgramError> = {
        do { return .success(try compile()) } catch {
            return .failure(error as? ProgramError ?? ProgramError(description: "\(error)"))
        }
    }()

    private static func compile() throws -> String {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let directory = (own as NSString).deletingLastPathComponent
        let source =
            (#filePath as NSString).deletingLastPathComponent + "/../interposer/interposer.c"
        let fresh = "\(directory)/interposer-\(getpid()).so"
        let run = try ProgramRun(
            ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", fresh, source])
        guard run.succeeded else {
            throw ProgramError(description: "The interposer cannot be compiled. \(run.report)")
        }
        let library = directory + "/interposer.so"
        // Another test run may be using the one that is there.
        guard rename(fresh, library) == 0 else {
            throw ProgramError(description: "\(library): \(lastError)")
        }
        return library
    }

    /// The environment for a program that runs under the interposer.
    ///
    /// - Parameters:
    ///   - roots: The folders that are watched; rules number them from 1.
    ///   - trace: The file to which records are appended.
    static func environment(
        roots: [String], rules: [FaultRule] = [], trace: String? = nil
    ) throws -> [String: String] {
        var variables = [
            "LD_PRELOAD": try library.get(), "PACSFS_FAULT_ROOTS": roots.joined(separator: ":"),
        ]
        if !rules.isEmpty {
            variables["PACSFS_FAULT_RULES"] = rules.map(\.description).joined(separator: ";")
        }
        if let trace { variables["PACSFS_FAULT_TRACE"] = trace }
        return variables
    }
}

/// A rule: what the interposer does at some of the calls.
struct FaultRule: Sendable, CustomStringConvertible {
    enum Moment: String { case before, during, after }

    let description: String

    private init(_ action: String, _ calls: Calls, _ more: String = "") {
        description = "action=\(action),\(calls.text)\(more)"
    }

    /// The calls to which a rule applies: of those that match, the `first` to the `last`.
    struct Calls: Sendable {
        fileprivate var text: String

        /// - Parameters:
        ///   - last: 0 for all that follow; `nil` for the first only.
        ///   - kinds: Names of kinds; if empty, all that change something.
        ///   - root: The number of a root, from 1; `nil` for all.
        ///   - type: `file` or `folder`: the object of a sync.
        init(
            _ first: Int = 1, to last: Int? = nil, kinds: [String] = [], root: Int? = nil,
            type: String? = nil
        ) {
            text = "from=\(first)"
            if let last { text += ",to=\(last)" }
            if !kinds.isEmpty { text += ",kinds=\(kinds.joined(separator: "+"))" }
            if let root { text += ",root=\(root)" }
            if let type { text += ",type=\(type)" }
        }
    }

    static func kill(_ moment: Moment, _ calls: Calls) -> FaultRule {
        FaultRule("kill", calls, ",when=\(moment)")
    }

    static func fail(_ error: Int32, _ calls: Calls) -> FaultRule {
        FaultRule("fail", calls, ",errno=\(error)")
    }

    /// Writes half of the bytes.
    static func short(_ calls: Calls) -> FaultRule { FaultRule("short", calls) }

    /// A sync returns success and does nothing.
    static func lie(_ calls: Calls) -> FaultRule { FaultRule("lie", calls) }

    /// Calls about a path that contains `name` wait as long as the file `gate` exists.
    static func hang(name: String, kinds: [String], gate: String) -> FaultRule {
        FaultRule("hang", Calls(kinds: kinds), ",name=\(name),gate=\(gate)")
    }

    static func delay(microseconds: Int, _ calls: Calls) -> FaultRule {
        FaultRule("delay", calls, ",micros=\(microseconds)")
    }
}
