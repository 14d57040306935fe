import Crypto
import Foundation
import Storage
import System

/// The key that reports of drills are signed with. A stranger verifies them with the public key,
/// which is on the recovery sheet.
///
/// ```
/// ARCHIVE/drills/signing-key.pem    PKCS #8, only for its owner
/// ARCHIVE/drills/public-key.pem     SubjectPublicKeyInfo
/// ```
///
/// See: RFC 8032 (Ed25519), RFC 8410
struct DrillKey {
    private let key: Curve25519.Signing.PrivateKey

    static let folder = "drills"
    static let publicName = "public-key.pem"
    private static let privateName = "signing-key.pem"
    /// DER of everything before the 32 bytes of a key.
    private static let privateHead: [UInt8] = [
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ]
    private static let publicHead: [UInt8] = [
        0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00,
    ]

    /// The key of an archive, made when there is none yet.
    ///
    /// - Parameter archive: The archive's directory.
    /// - Throws: ``ArchiveError`` with code `file` when it cannot be read or written.
    init(of archive: String) throws(ArchiveError) {
        let path = "\(archive)/\(Self.folder)/\(Self.privateName)"
        if access(path, F_OK) != 0 { try Self.make(in: archive) }
        guard let text = try? RegularFile.content(of: path),
            let key = Self.key(in: String(decoding: text, as: UTF8.self))
        else {
            throw ArchiveError(
                .file, "The key that reports of drills are signed with cannot be read", path: path,
                remedy: "Move it away: the next drill makes another.")
        }
        self.key = key
        try keepPublicKey(in: archive)
    }

    private static func key(in pem: String) -> Curve25519.Signing.PrivateKey? {
        let base64 = pem.split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined()
        guard let der = Data(base64Encoded: base64), der.starts(with: privateHead),
            der.count == privateHead.count + 32
        else { return nil }
        return try? Curve25519.Signing.PrivateKey(rawRepresentation: der.suffix(32))
    }

    /// Of several processes that make one at once, the first wins.
    private static func make(in archive: String) throws(ArchiveError) {
        let key = Curve25519.Signing.PrivateKey()
        let pem = pem("PRIVATE KEY", privateHead + key.rawRepresentation)
        let attempt = "\(privateName).\(VolumeIdentity.randomIdentifier())"
        let path = "\(archive)/\(folder)/\(privateName)"
        do throws(StorageError) {
            try ReplacedFile.writePrivately(pem.utf8, to: attempt, below: folder, in: archive)
        } catch {
            throw ArchiveError(
                .file, "The key that reports of drills are signed with cannot be written",
                path: path, cause: error, remedy: "Make room on that disk.")
        }
        defer { unlink("\(archive)/\(folder)/\(attempt)") }
        do throws(Errno) {
            try systemCall { link("\(archive)/\(folder)/\(attempt)", path) }
        } catch {
            if error.code == EEXIST { return }
            throw ArchiveError(
                .file, "The key that reports of drills are signed with cannot be written",
                path: path, cause: error, remedy: "Look whether the directory can be written to.")
        }
    }

    private func keepPublicKey(in archive: String) throws(ArchiveError) {
        let path = "\(archive)/\(Self.folder)/\(Self.publicName)"
        if (try? RegularFile.content(of: path)) == Array(publicPEM.utf8) { return }
        do throws(StorageError) {
            try ReplacedFile.writePrivately(
                publicPEM.utf8, to: Self.publicName, below: Self.folder, in: archive)
        } catch {
            throw ArchiveError(
                .file, "The public key of drills cannot be written", path: path, cause: error,
                remedy: "Make room on that disk.")
        }
    }

    private static func pem(_ label: String, _ der: [UInt8]) -> String {
        """
        -----BEGIN \(label)-----
        \(Data(der).base64EncodedString())
        -----END \(label)-----

        """
    }

    /// 32 bytes in base64.
    var publicKey: String { key.publicKey.rawRepresentation.base64EncodedString() }

    /// The public key as openssl reads it.
    var publicPEM: String { Self.publicPEM(key.publicKey.rawRepresentation) }

    private static func publicPEM(_ bytes: Data) -> String { pem("PUBLIC KEY", publicHead + bytes) }

    /// The same of a key in base64; `nil` when it is none.
    static func publicPEM(ofBase64 text: String) -> String? {
        Data(base64Encoded: text).flatMap { $0.count == 32 ? publicPEM($0) : nil }
    }

    /// 64 bytes.
    ///
    /// - Throws: ``ArchiveError`` with code `unexpected`.
    func signature(of bytes: [UInt8]) throws(ArchiveError) -> [UInt8] {
        guard let signature = try? key.signature(for: bytes) else {
            throw ArchiveError(.unexpected, "The report cannot be signed.")
        }
        return Array(signature)
    }
}
