import TestSupport
import Testing

/// Programs that run as the owner of the archive, because nobody else sees the mount.
extension MountedArchive {
    /// The SHA-256 of every file below the mount point, by its path from there.
    func digestsBelowMount() throws -> [String: String] {
        try Files.digests { try run($0, in: mountpoint, timeout: 120) }
    }

    /// The bytes of a file.
    ///
    /// - Parameter path: from the mount point
    func readBelowMount(_ path: String) throws -> [UInt8] {
        let whole = mountpoint + "/" + path
        return try asUser { try Files.read(whole) }
    }

    /// Does something within this process.
    func asUser<R: Sendable>(_ body: @escaping @Sendable () throws -> R) throws -> R {
        guard let user else { return try body() }
        return try user.perform(body)
    }

    /// Runs scripts at the same time, each in a folder with its name in ``work`` and with the
    /// variables of ``shell(_:_:timeout:)``. All must succeed.
    func together(
        _ scripts: [(name: String, script: String)], _ environment: [String: String] = [:],
        timeout: Double = 120,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for (name, script) in scripts {
            try Files.write(
                Array("fails() { ! \"$@\"; }\n\(script)\n".utf8), to: "\(work)/\(name)/script")
        }
        try handOver()
        let names = scripts.map(\.name).joined(separator: " ")
        try mustShell(
            """
            for name in \(names); do (cd $name; exec bash -euo pipefail script) >$name.log 2>&1 \
            & running+=($!); done
            failed=0
            for name in \(names); do
                wait ${running[0]} || { failed=1; echo "$name:"; tail -n 20 $name.log; }
                running=("${running[@]:1}")
            done
            if [ $failed = 1 ]; then grep -E ' (warning|error|critical): |answered' \
            "$PACSFS_ARCHIVE/pacsfs.log" | tail -n 20; fi
            exit $failed
            """, environment, timeout: timeout, sourceLocation: sourceLocation)
    }
}
