import Foundation
import Storage
import System

/// What was reported already, kept over restarts in `alerts.json` of the archive's directory.
struct AlertMemory: Codable, Sendable {
    struct Told: Codable, Sendable {
        var text: String
        /// When it was reported.
        var time: Timestamp
    }

    /// Conditions that were reported, and not yet that they are over, by key.
    var told: [String: Told] = [:]
    /// When an alert was last delivered.
    var last: Timestamp?
    /// What was wrong when one was last tried; empty when that went well.
    var problem = ""

    private static let name = "alerts.json"

    init() {}

    /// - Parameter archive: The archive's directory.
    init(of archive: String) {
        guard let content = try? RegularFile.content(of: archive + "/" + Self.name),
            let memory = try? JSONDecoder().decode(Self.self, from: Data(content))
        else { return }
        self = memory
    }

    /// - Throws: The errors of writing it.
    func keep(in archive: String) throws {
        try ReplacedFile.write(JSONEncoder().encode(self), to: Self.name, in: archive)
    }
}
