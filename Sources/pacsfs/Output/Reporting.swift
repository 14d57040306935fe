import ArgumentParser
import Archive
import System

/// Runs a command, and prints what went wrong.
///
/// - Throws: `ExitCode`.
func reporting(_ body: () throws -> Void) throws {
    do {
        try body()
    } catch let code as ExitCode {
        throw code
    } catch {
        Output.error(Failure.lines(error))
        throw ExitStatus.failure.code
    }
}

enum Failure {
    /// An error for people: a sentence, then the line of the configuration that has the mistake.
    static func lines(_ error: any Error) -> [String] {
        if let error = error as? DaemonStartError { return ["\(error)"] + error.excerpt }
        let excerpt = (error as? ArchiveError)?.place?.excerpt.split(separator: "\n") ?? []
        return ["\(error)"] + excerpt.map(String.init)
    }
}

/// Two of the directories that lie on one disk, and its name, if there are such.
func sharedDisk(_ paths: [String]) -> (one: String, other: String, disk: String)? {
    var seen: [(path: String, disk: PhysicalDisk)] = []
    for path in paths {
        guard let disk = PhysicalDisk(path) else { continue }
        for other in seen {
            if let name = other.disk.shared(with: disk) { return (other.path, path, name) }
        }
        seen.append((path, disk))
    }
    return nil
}
