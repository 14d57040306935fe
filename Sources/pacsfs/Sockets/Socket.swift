import CLinux
import Foundation
import System

/// Bytes over stream sockets.
enum Socket {
    /// Sends all bytes.
    ///
    /// - Returns: False when the other side has gone, or does not take them in time.
    static func send(_ bytes: some ContiguousBytes, to socket: Int32) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = try? systemCall {
                    Glibc.send(socket, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
                }
                guard let count, count > 0 else { return false }
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
            }
            return true
        }
    }

    /// Waits for bytes.
    ///
    /// - Returns: How many came; 0 when the other side has closed, or nothing came in time.
    static func receive(from socket: Int32, into buffer: inout [UInt8]) -> Int {
        let size = buffer.count
        return (try? systemCall { recv(socket, &buffer, size, 0) }) ?? 0
    }

    /// Waits for a connection; when descriptors or memory are short, until there are some.
    ///
    /// - Throws: The ``Errno`` of `accept4(2)`, when the listener is shut down.
    static func accept(on listener: Int32) throws(Errno) -> Descriptor {
        while true {
            do throws(Errno) {
                return Descriptor(
                    owning: try systemCall {
                        accept4(listener, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
                    })
            } catch {
                switch error.code {
                case ECONNABORTED, EAGAIN: continue
                case EMFILE, ENFILE, ENOMEM, ENOBUFS: usleep(100_000)
                default: throw error
                }
            }
        }
    }
}

extension Descriptor {
    /// A stream socket of this machine.
    ///
    /// - Throws: The ``Errno`` of `socket(2)`.
    static func unixSocket() throws(Errno) -> Descriptor {
        Descriptor(
            owning: try systemCall {
                socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            })
    }
}
