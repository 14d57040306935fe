import CFuse3
import System

extension Operations {
    /// LOOKUP and FORGET.
    static func addLookup(to operations: inout fuse_lowlevel_ops) {
        operations.lookup = { request, parent, name in
            answer(request) { (fileSystem, request) throws(Errno) in
                .entry(
                    try fileSystem.lookup(bytes(name), in: parent, by: request.callingThread))
            }
        }
        operations.forget = { request, number, count in
            fileSystem(request).forget(number, count: count)
            taken(request).none()
        }
        operations.forget_multi = { request, count, list in
            let fileSystem = fileSystem(request)
            for item in UnsafeBufferPointer(start: list, count: count) {
                fileSystem.forget(item.ino, count: item.nlookup)
            }
            taken(request).none()
        }
    }
}
