/// The two passwords of an encrypted remote, as they stand on the recovery sheet. rclone derives
/// its keys from them with scrypt.
///
/// See: https://rclone.org/crypt, "Key derivation"
public struct CryptKeys: Hashable, Sendable {
    /// rclone's `password`.
    public var password: String
    /// rclone's `password2`, the salt.
    public var salt: String

    public init(password: String, salt: String) {
        self.password = password
        self.salt = salt
    }

    /// New keys from the kernel's random numbers: 160 bits each.
    public static func generated() -> CryptKeys {
        var random = SystemRandomNumberGenerator()
        return CryptKeys(password: text(from: &random), salt: text(from: &random))
    }

    /// The 32 digits of base32 (RFC 4648), which has neither 0 nor 1: people read these off paper.
    private static let digits = Array("abcdefghijklmnopqrstuvwxyz234567")

    /// Eight groups of four digits; the hyphens belong to the password.
    private static func text(from random: inout some RandomNumberGenerator) -> String {
        (0..<8).map { _ in
            String((0..<4).map { _ in digits[Int.random(in: 0..<32, using: &random)] })
        }.joined(separator: "-")
    }
}
