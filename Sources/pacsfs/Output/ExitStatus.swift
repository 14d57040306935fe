import ArgumentParser

/// The exit code of a command; 64 is a wrong call (sysexits.h).
enum ExitStatus: Int32 {
    case success = 0
    /// It worked, and something wants attention: files were rejected, a volume is absent.
    case attention = 1
    /// Something failed, or data is at risk.
    case failure = 2
    /// Nothing was found.
    case notFound = 3

    var code: ExitCode { ExitCode(rawValue) }
}
