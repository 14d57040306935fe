import ArgumentParser
import Archive
import Glibc

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

/// Two of the directories that lie on one file system, if there are such.
func sharedDevice(_ paths: [String]) -> (String, String)? {
    var seen: [UInt: String] = [:]
    for path in paths {
        var status = stat()
        guard stat(path, &status) == 0 else { continue }
        if let other = seen[status.st_dev] { return (other, path) }
        seen[status.st_dev] = path
    }
    return nil
}
