import CFuse3
import Glibc
import System
import System

extension Operations {
    /// GETATTR, SETATTR and STATFS. They go by the inode number: a handle, where there is one,
    /// leads to the same file.
    static func addAttributes(to operations: inout fuse_lowlevel_ops) {
        operations.getattr = { request, number, _ in
            answer(request) { (fileSystem, _) throws(Errno) in
                .attributes(
                    try fileSystem.attributes(of: number), timeout: fileSystem.timeout(of: number))
            }
        }
        operations.setattr = { request, number, attributes, which, _ in
            answer(request) { (fileSystem, _) throws(Errno) in
                guard let attributes else { throw Errno(EINVAL) }
                let tree = try fileSystem.writableTree(number)
                let result = try tree.setAttributes(
                    number, to: attributes.pointee, which: which)
                return .attributes(result, timeout: 0)
            }
        }
        operations.statfs = { request, _ in
            answer(request) { (fileSystem, _) throws(Errno) in
                .statistics(try fileSystem.statistics())
            }
        }
    }
}
