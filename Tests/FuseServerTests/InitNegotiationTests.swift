import Glibc
import Testing

@testable import FuseServer

@Suite("Negotiating INIT")
struct InitNegotiationTests {
    /// A `fuse_in_header` and a `fuse_init_in` (linux/fuse.h 7.40).
    private func request(
        opcode: UInt32 = 26, unique: UInt64 = 7, flags2: UInt32 = 1 << 5, bytes: Int = 104
    ) -> [UInt8] {
        var request = [UInt8](repeating: 0, count: bytes)
        request.withUnsafeMutableBytes { buffer in
            buffer.storeBytes(of: opcode, toByteOffset: 4, as: UInt32.self)
            if bytes >= 16 { buffer.storeBytes(of: unique, toByteOffset: 8, as: UInt64.self) }
            if bytes >= 60 { buffer.storeBytes(of: flags2, toByteOffset: 56, as: UInt32.self) }
        }
        return request
    }

    /// An answer after it has passed through.
    private struct Sent {
        var isInit: Bool
        var minor: UInt32
        var flags: UInt32
        var flags2: UInt32
        var depth: UInt32
        var isUnchanged: Bool
    }

    /// A `fuse_out_header` and a `fuse_init_out` of 64 bytes, as libfuse 3.14 writes them.
    private func send(
        to negotiation: InitNegotiation, unique: UInt64 = 7, length: Int = 64, flags: UInt32 = 0x21
    ) -> Sent {
        var header = [UInt8](repeating: 0, count: 16)
        var body = [UInt8](repeating: 0, count: length)
        header.withUnsafeMutableBytes {
            $0.storeBytes(of: unique, toByteOffset: 8, as: UInt64.self)
        }
        body.withUnsafeMutableBytes { buffer in
            buffer.storeBytes(of: 7, toByteOffset: 0, as: UInt32.self)
            buffer.storeBytes(of: 38, toByteOffset: 4, as: UInt32.self)
            buffer.storeBytes(of: flags, toByteOffset: 12, as: UInt32.self)
        }
        let before = body
        let isInit = header.withUnsafeMutableBytes { header in
            body.withUnsafeMutableBytes { body in
                let vectors = [
                    iovec(iov_base: header.baseAddress, iov_len: header.count),
                    iovec(iov_base: body.baseAddress, iov_len: body.count),
                ]
                return vectors.withUnsafeBufferPointer { negotiation.completeAnswer($0) }
            }
        }
        return body.withUnsafeBytes { buffer in
            func word(_ offset: Int) -> UInt32 {
                offset + 4 <= buffer.count
                    ? buffer.loadUnaligned(fromByteOffset: offset, as: UInt32.self) : 0
            }
            return Sent(
                isInit: isInit, minor: word(4), flags: word(12), flags2: word(32), depth: word(36),
                isUnchanged: body == before)
        }
    }

    @Test("A kernel that offers passthrough gets the answer that it is wanted")
    func passthrough() {
        let negotiation = InitNegotiation(wantsPassthrough: true)
        #expect(!negotiation.passthrough)
        request().withUnsafeBytes { negotiation.sawRequest($0) }
        #expect(!negotiation.passthrough)
        let sent = send(to: negotiation)
        #expect(sent.isInit)
        // FUSE_INIT_EXT, FUSE_PARALLEL_DIROPS, and the flags that were there.
        #expect(sent.flags == 1 << 30 | 1 << 18 | 0x21)
        #expect(sent.flags2 == 1 << 5)
        #expect(sent.depth == 1)
        #expect(sent.minor == 40)
        #expect(negotiation.passthrough)
    }

    @Test(
        "Without the offer, or when it is not wanted, only parallel look-ups are added",
        arguments: [false, true])
    func cached(isWanted: Bool) {
        let negotiation = InitNegotiation(wantsPassthrough: isWanted)
        request(flags2: isWanted ? 0 : 1 << 5).withUnsafeBytes { negotiation.sawRequest($0) }
        let sent = send(to: negotiation)
        #expect(sent.isInit)
        #expect(sent.flags == 1 << 18 | 0x21)
        #expect((sent.flags2, sent.depth, sent.minor) == (0, 0, 38))
        #expect(!negotiation.passthrough)
    }

    @Test("Other requests, and those of an old kernel that are too short, are not looked at")
    func otherRequests() {
        for bytes in [request(opcode: 3), request(bytes: 56), request(bytes: 8), []] {
            let negotiation = InitNegotiation(wantsPassthrough: true)
            bytes.withUnsafeBytes { negotiation.sawRequest($0) }
            let sent = send(to: negotiation)
            #expect(!sent.isInit)
            #expect(sent.isUnchanged)
            #expect(!negotiation.passthrough)
        }
    }

    @Test("Only the answer to that request is changed, and only once")
    func otherAnswers() {
        let negotiation = InitNegotiation(wantsPassthrough: true)
        request(unique: 7).withUnsafeBytes { negotiation.sawRequest($0) }
        #expect(send(to: negotiation, unique: 8).isUnchanged)
        #expect(send(to: negotiation, length: 24).isUnchanged)
        #expect(!send(to: negotiation).isUnchanged)
        let again = send(to: negotiation)
        #expect(again.isUnchanged)
        #expect(!again.isInit)
    }

    @Test("An answer of one piece is left as it is")
    func onePiece() {
        let negotiation = InitNegotiation(wantsPassthrough: true)
        request().withUnsafeBytes { negotiation.sawRequest($0) }
        var bytes = [UInt8](repeating: 0, count: 16)
        bytes.withUnsafeMutableBytes { buffer in
            let vectors = [iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)]
            #expect(!vectors.withUnsafeBufferPointer { negotiation.completeAnswer($0) })
        }
        #expect(bytes == [UInt8](repeating: 0, count: 16))
    }

    @Test("OPEN with a backing file is answered with the bytes that the kernel expects")
    func openAnswer() {
        var answer = PassthroughOpen(handle: 0x1122_3344_5566_7788, backing: 9)
        withUnsafeBytes(of: &answer) { bytes in
            #expect(bytes.count == 16)
            #expect(
                bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self) == 0x1122_3344_5566_7788)
            #expect(bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self) & 1 << 7 != 0)
            #expect(bytes.loadUnaligned(fromByteOffset: 12, as: Int32.self) == 9)
        }
    }
}
