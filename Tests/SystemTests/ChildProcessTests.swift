import Glibc
import Testing

@testable import System

@Suite("A child process") struct ChildProcessTests {
    private static let second: Int64 = 1_000_000_000

    /// What a program wrote, and how it ended.
    private struct Outcome {
        var ending: ChildProcess.Ending?
        var output = ""
        var errors = ""

        init(
            _ script: String, variables: [String: String] = [:], input: [UInt8] = [],
            patience: ChildProcess.Patience = .init(), grace: Int64 = 5 * second
        ) throws {
            let child = try ChildProcess(
                ["/bin/bash", "-c", script], variables: variables, input: input)
            ending = child.run(patience: patience, grace: grace) { piece in
                switch piece {
                case .output(let bytes): output += String(decoding: bytes, as: UTF8.self)
                case .errors(let bytes): errors += String(decoding: bytes, as: UTF8.self)
                }
            }
        }
    }

    @Test("says what it writes and how it ends") func output() throws {
        let outcome = try Outcome("echo out; echo err >&2; exit 7")
        #expect(outcome.output == "out\n" && outcome.errors == "err\n")
        #expect(outcome.ending == .exited(7))
        #expect(try Outcome("kill -9 $$").ending == .killed(SIGKILL))
        // Far more than a pipe holds, on both.
        let long = try Outcome("seq 100000; seq 100000 >&2; exit 0")
        #expect(long.output.utf8.count == 588_895 && long.errors == long.output)
    }

    @Test("reads what it is given, and only its own variables") func input() throws {
        let input = [UInt8](repeating: 0x61, count: 200_000)
        #expect(
            try Outcome("wc -c", variables: ["PATH": "/usr/bin:/bin"], input: input).output
                == "200000\n")
        #expect(try Outcome("read -r x || echo none").output == "none\n")
        setenv("PACSFS_CHILD_SECRET", "x", 1)
        let outcome = try Outcome("echo $PACSFS_CHILD_SECRET$ONE", variables: ["ONE": "1"])
        #expect(outcome.output == "1\n")
    }

    @Test("has no descriptors but its three, whatever this process has open") func descriptors()
        throws
    {
        let careless = open("/dev/null", O_RDONLY)
        defer { close(careless) }
        let outcome = try Outcome("for n in /proc/$$/fd/*; do [ -e $n ] && echo -n ${n##*/}; done")
        #expect(outcome.output == "012")
    }

    @Test("is ended when it is silent for too long, or takes too long") func patience() throws {
        let silent = try Outcome(
            "echo a; sleep 60", variables: ["PATH": "/usr/bin:/bin"],
            patience: .init(silence: Self.second / 5))
        #expect(silent.ending == nil && silent.output == "a\n")
        let busy = try Outcome(
            "while :; do echo a; sleep 0.02; done", variables: ["PATH": "/usr/bin:/bin"],
            patience: .init(silence: 10 * Self.second, whole: Self.second / 5))
        #expect(busy.ending == nil && busy.output.hasPrefix("a\n"))
        // It does not want to end.
        let stubborn = try Outcome(
            "trap '' TERM; echo a; sleep 60", variables: ["PATH": "/usr/bin:/bin"],
            patience: .init(silence: Self.second / 5), grace: Self.second / 5)
        #expect(stubborn.ending == nil)
    }

    @Test("takes with it what it has started") func group() throws {
        // The program ends at once; what it leaves holds its pipe open.
        let outcome = try Outcome(
            "sleep 60 & echo $!", variables: ["PATH": "/usr/bin:/bin"],
            patience: .init(whole: 20 * Self.second))
        #expect(outcome.ending == .exited(0))
        let left = try #require(pid_t(outcome.output.dropLast()))
        // Killed already, or gone.
        var hasEnded = true
        if let process = try? WatchedProcess(left) {
            hasEnded = process.waitForEnd(until: SystemClock().now + 20 * Self.second)
        }
        #expect(hasEnded)
    }

    @Test("can be ended from another thread, and by an error of its reader") func ending() throws {
        let child = try ChildProcess(
            ["sleep", "60"], variables: [:])
        let thread = try WorkerThread("ending") { child.signal() }
        let ending = child.run { _ in }
        #expect(ending == .killed(SIGTERM))
        thread.join()
        child.signal(SIGKILL)

        let loud = try ChildProcess(["yes"], variables: [:])
        #expect(throws: Errno(EIO)) {
            _ = try loud.run { _ throws(Errno) in throw Errno(EIO) }
        }
        #expect(kill(loud.process, 0) == -1)
    }

    @Test("that does not exist is an error") func missing() {
        #expect(throws: Errno(ENOENT)) {
            try ChildProcess(["/nonexistent/program"], variables: [:])
        }
    }
}
