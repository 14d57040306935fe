import TestSupport

import Offsite

extension RemoteAccess {
    /// Copies everything into a folder, as a person with rclone would.
    ///
    /// - Parameter isWhole: Whether it is a failure when an object cannot be read.
    public func download(to folder: String, isWhole: Bool = true) throws {
        let result = try run(["copy", plain(), folder], "Nothing can be downloaded")
        if isWhole { try result.check() }
    }

    /// Runs rclone with the remote's variables: `base:` is what the server has, `sealed:` what that
    /// is before it is encrypted.
    public func rclone(_ arguments: [String], input: [UInt8] = []) throws -> [UInt8] {
        var output: [UInt8] = []
        try run(arguments, input: input, "rclone fails", output: { output += $0 }).check()
        return output
    }

    /// The path that `base:` needs for an object, by its plain name.
    public func serverPath(of object: String) throws -> String {
        base(try serverNames(of: [object])[object] ?? object)
    }
}

extension TestRemote {
    /// As a user writes it.
    public var written: String {
        if location.options["type"] == "local" { return location.path }
        let options = location.options.filter { $0.key != "type" }.sorted { $0.key < $1.key }
        let words = options.map { ",\($0.key)=\"\($0.value)\"" }.joined()
        return ":\(location.options["type"] ?? "")\(words):\(location.path)"
    }
}
