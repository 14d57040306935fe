import CFuse3
import Glibc
import System

extension Operations {
    /// GETXATTR, LISTXATTR, SETXATTR and REMOVEXATTR.
    static func addExtendedAttributes(to operations: inout fuse_lowlevel_ops) {
        operations.getxattr = { request, number, name, size in
            answer(request) { (fileSystem, _) throws(Errno) in
                let name = String(decoding: bytes(name), as: UTF8.self)
                let value = try fileSystem.extendedAttribute(name, of: number)
                return .extendedAttribute(value, size: size)
            }
        }
        operations.listxattr = { request, number, size in
            answer(request) { (fileSystem, _) throws(Errno) in
                .extendedAttribute(try fileSystem.extendedAttributeNames(of: number), size: size)
            }
        }
        operations.setxattr = { request, number, name, _, _, _ in
            Operations.changeAttribute(request, number, name)
        }
        operations.removexattr = { request, number, name in
            Operations.changeAttribute(request, number, name)
        }
    }

    private static func changeAttribute(
        _ request: fuse_req_t?, _ number: UInt64, _ name: UnsafePointer<CChar>?
    ) {
        answer(request) { (fileSystem, _) throws(Errno) in
            let name = String(decoding: bytes(name), as: UTF8.self)
            if let refusal = fileSystem.refusal(ofAttribute: name, of: number) { throw refusal }
            return .done
        }
    }
}
