import CFuse3
import Glibc
import System

extension Operations {
    static func addExtendedAttributes(to operations: inout fuse_lowlevel_ops) {
        operations.getxattr = { request, number, name, size in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            do throws(Errno) {
                let value = try fileSystem.extendedAttribute(
                    String(decoding: bytes(name), as: UTF8.self), of: number)
                request.extendedAttribute(value, size: size)
            } catch {
                request.error(error)
            }
        }
        operations.listxattr = { request, number, size in
            let fileSystem = fileSystem(request)
            let request = taken(request)
            do throws(Errno) {
                let names = try fileSystem.extendedAttributeNames(of: number)
                request.extendedAttribute(names, size: size)
            } catch {
                request.error(error)
            }
        }
        operations.setxattr = { request, number, name, _, _, _ in
            let name = String(decoding: bytes(name), as: UTF8.self)
            let error = fileSystem(request).refusal(ofAttribute: name, of: number)
            taken(request).error(error)
        }
        operations.removexattr = { request, number, name in
            let name = String(decoding: bytes(name), as: UTF8.self)
            let error = fileSystem(request).refusal(ofAttribute: name, of: number)
            taken(request).error(error)
        }
    }
}
