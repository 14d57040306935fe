/// The variables that rclone runs with: the whole configuration of one remote, so that no secret
/// stands in a list of arguments or in a file.
///
/// The remote is `base:` there, and `sealed:` is the same with encryption on top.
public struct RcloneEnvironment: Sendable {
    public let variables: [String: String]

    /// Of this process's variables, those that rclone may have: how it finds programs and the
    /// network. Everything else could change what it does, `RCLONE_…` and `AWS_…` above all.
    private static let inherited: Set = [
        "ALL_PROXY", "HOME", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "PATH", "SSH_AUTH_SOCK",
        "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ", "all_proxy", "http_proxy", "https_proxy",
        "no_proxy",
    ]

    /// For one remote.
    ///
    /// - Parameters:
    ///   - obscured: The keys as `rclone obscure` gives them; `nil` when it is not encrypted.
    ///   - own: The variables of this process.
    public init(_ location: RemoteLocation, obscured: CryptKeys?, inheriting own: [String: String])
    {
        var variables = Self.common(inheriting: own)
        for (option, value) in location.options {
            variables[Self.variable("BASE", option)] = value
        }
        if let obscured {
            variables[Self.variable("SEALED", "type")] = "crypt"
            variables[Self.variable("SEALED", "remote")] = "base:\(location.path)"
            variables[Self.variable("SEALED", "password")] = obscured.password
            variables[Self.variable("SEALED", "password2")] = obscured.salt
        }
        self.variables = variables
    }

    private init(variables: [String: String]) { self.variables = variables }

    /// The same keys over a folder of this machine.
    func sealing(_ folder: String) -> RcloneEnvironment {
        RcloneEnvironment(
            variables: variables.merging([Self.variable("SEALED", "remote"): folder]) { $1 })
    }

    /// For commands that need no remote.
    public init(inheriting own: [String: String]) {
        variables = Self.common(inheriting: own)
    }

    /// For a look into the user's own configuration, which may need a password.
    ///
    /// - Parameter own: The variables of this process.
    public init(ofUser own: [String: String]) {
        variables = own.filter {
            Self.inherited.contains($0.key) || $0.key == "XDG_CONFIG_HOME"
                || $0.key.hasPrefix("RCLONE_CONFIG") || $0.key == "RCLONE_PASSWORD_COMMAND"
        }
        .merging(["RCLONE_ASK_PASSWORD": "false"]) { $1 }
    }

    private static func common(inheriting own: [String: String]) -> [String: String] {
        own.filter { inherited.contains($0.key) }.merging([
            // The user's own configuration must not change what happens here.
            "RCLONE_CONFIG": "/dev/null", "RCLONE_ASK_PASSWORD": "false",
            "RCLONE_USE_JSON_LOG": "true", "LC_ALL": "C.UTF-8",
        ]) { $1 }
    }

    /// The variable of an option of rclone's configuration.
    ///
    /// See: https://rclone.org/docs/#config-file
    private static func variable(_ remote: String, _ option: String) -> String {
        "RCLONE_CONFIG_\(remote)_\(option.uppercased().replacing("-", with: "_"))"
    }
}
