import ArgumentParser
import Archive
import FuseServer
import Glibc
import TagIndex

/// Runs a command, and says in one line what went wrong.
///
/// - throws: `ExitCode`
func reporting(_ body: () throws -> Void) throws {
    do {
        try body()
    } catch let code as ExitCode {
        throw code
    } catch {
        Output.error(Failure.text(error))
        throw ExitStatus.failure.code
    }
}

enum Failure {
    /// What an error says to a person; with the line of the configuration where it is, if it is there.
    static func text(_ error: any Error) -> String {
        guard let place = (error as? ArchiveError)?.place else { return "\(error)" }
        return "\(error)\n\(place.excerpt)"
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
