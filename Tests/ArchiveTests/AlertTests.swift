import Foundation
import Glibc
import Storage
import System
import TemporaryArchive
import TestSupport
import Testing

@testable import Archive
@testable import TagIndex

/// Alerts, run by real commands; the time is moved by hand.
@Suite("Alerts")
struct AlertTests {
    private let temporary: TemporaryArchive
    private let clock = ManualClock()

    init() throws { temporary = try TemporaryArchive() }

    /// What the command of ``recording`` wrote: an alert each.
    private var alerts: [String] {
        let text = (try? String(contentsOfFile: temporary.folder.path("alerts"), encoding: .utf8))
        return (text ?? "").components(separatedBy: "\u{C}").dropLast()
    }

    /// Writes subject and text to a file, after what `first` does.
    private func recording(_ first: String = "true") -> String {
        "\(first) && { printf '%s\\n' \"$1\" \"$PACSFS_LEVEL\"; cat; printf '\\f'; } "
            + ">>'\(temporary.folder.path("alerts"))'"
    }

    private func configure(_ lines: String...) throws {
        try temporary.configure { lines.joined(separator: "\n") + "\n" + $0 }
    }

    private func unplug() throws {
        try FileManager.default.moveItem(
            atPath: temporary.volumes[1], toPath: temporary.volumes[1] + ".away")
    }

    private func plugIn() throws {
        try FileManager.default.moveItem(
            atPath: temporary.volumes[1] + ".away", toPath: temporary.volumes[1])
    }

    /// Lets time pass, with a look each minute.
    private func pass(_ minutes: Int, _ archive: Archive) {
        for _ in 0..<minutes {
            clock.advance(by: 60)
            archive.maintenance.watch.look()
            archive.maintenance.alerts.look()
        }
    }

    @Test("What begins and what is over is told once each, also over a restart")
    func once() throws {
        try configure("alert_command = '''\(recording())'''")
        try temporary.open(clock: clock) { archive in
            pass(3, archive)
            #expect(alerts.isEmpty)
            try unplug()
            pass(1, archive)
            #expect(alerts.isEmpty, "it has to last")
            pass(30, archive)
            #expect(alerts.count == 1)
        }
        let first = try #require(alerts.first)
        let lines = first.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0].hasPrefix("pacsfs on ") && lines[0].contains("ATTENTION: "))
        #expect(lines[0].contains("\(temporary.volumes[1]) is absent"))
        #expect(lines[1] == "attention")
        #expect(first.contains("New:\n- ") && first.contains("pacsfs volume replace"))
        #expect(!first.contains("Over:") && !first.contains("As before:"))
        try temporary.open(clock: clock) { archive in
            pass(30, archive)
            #expect(alerts.count == 1)
            try plugIn()
            pass(4, archive)
            #expect(alerts.count == 1, "it has to last")
            pass(30, archive)
            #expect(alerts.count == 2)
            #expect(alerts.last?.contains("Ready: Over: \(temporary.volumes[1]) is absent") == true)
            #expect(archive.maintenance.alerts.report.last != nil)
        }
    }

    @Test("A volume that comes and goes is not told of each time")
    func flapping() throws {
        try configure("alert_command = '''\(recording())'''")
        try temporary.open(clock: clock) { archive in
            for _ in 1...3 {
                try unplug()
                pass(3, archive)
                try plugIn()
                pass(3, archive)
            }
            #expect(alerts.count == 1)
            pass(10, archive)
            #expect(alerts.count == 2)
        }
    }

    @Test("A command that fails is tried again later and later, and status says so")
    func failing() throws {
        let flag = temporary.folder.path("works")
        try configure("alert_command = '''\(recording("echo no route >&2; test -e '\(flag)'"))'''")
        try temporary.open(clock: clock) { archive in
            try unplug()
            pass(2, archive)
            let problem = try #require(archive.maintenance.alerts.report.problem)
            #expect(problem == "It ended with code 1: no route.")
            let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
            #expect(status.health.reasons.contains { $0.contains(problem) })
            #expect(status.alerts.problem == problem)
            let tries = { temporary.log.messages(.error).count { $0.contains("alert_command") } }
            let before = tries()
            pass(60, archive)
            // After 1, 2, 4, 8, 16 and 32 minutes.
            #expect((4...6).contains(tries() - before), "\(tries() - before)")
            _ = try temporary.folder.write([], to: "works")
            try plugIn()
            pass(61, archive)
            // Though all is well by now: that it was not has been told to nobody.
            #expect(alerts.count == 1)
            let after = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
            #expect(after.alerts.problem == nil && after.health.level == .safe)
        }
    }

    @Test("A command that hangs is ended, and holds up nobody")
    func hanging() throws {
        try configure("alert_command = 'sleep 1000 & sleep 1000'")
        try temporary.open(clock: clock) { archive in
            let core = archive.core
            let alerts = Alerts(core, patience: 300_000_000) {
                try archive.status(pending: nil, readMode: nil, mountpoint: nil)
            }
            try unplug()
            archive.maintenance.watch.look()
            alerts.look()
            clock.advance(by: 61)
            let start = SystemClock().now
            alerts.look()
            #expect(SystemClock().now - start < 10_000_000_000)
            #expect(alerts.report.problem?.contains("did not end") == true)
        }
    }

    @Test("Stopping waits for no command")
    func stopping() throws {
        let started = temporary.folder.path("started")
        try configure("alert_command = '''touch '\(started)'; sleep 1000'''")
        try unplug()
        let begin = SystemClock().now
        try temporary.open(clock: clock) { archive in
            try archive.startMaintenance()
            let hasStarted = eventually {
                clock.advance(by: 60)
                return FileManager.default.fileExists(atPath: started)
            }
            #expect(hasStarted)
        }
        #expect(SystemClock().now - begin < 30_000_000_000)
    }

    @Test("A command that is about to begin when pacsfs stops does not run")
    func stopped() {
        let command = AlertCommand(patience: 600_000_000_000)
        command.stop()
        let problem = command.run(["sleep", "600"], input: "")
        #expect(problem == "pacsfs is being stopped.")
    }

    @Test("Subjects and texts are no part of the command, whatever they have in them")
    func injection() throws {
        let evil = "x'; touch /tmp/pacsfs-evil \"$(touch /tmp/pacsfs-evil)\" `id`\n\r"
        let status = try temporary.open {
            try $0.status(pending: nil, readMode: nil, mountpoint: nil)
        }
        let message = AlertMessage(new: [evil], over: [], still: [], status, host: "h")
        #expect(message.subject.split(whereSeparator: \.isNewline).count == 1)
        #expect(
            AlertCommand(patience: 10_000_000_000).run(
                ["/bin/sh", "-c", recording(), "alert", message.subject], input: message.text)
                == nil)
        #expect(alerts.first?.hasPrefix(message.subject + "\n") == true)
        #expect(!FileManager.default.fileExists(atPath: "/tmp/pacsfs-evil"))
    }

    // MARK: Conditions

    @Test("A thing remains the same while its numbers change")
    func keys() throws {
        func keys(_ reasons: String...) throws -> [String] {
            var status = try temporary.open {
                try $0.status(pending: nil, readMode: nil, mountpoint: nil)
            }
            status.health.reasons = reasons
            return AlertCondition.all(status, silence: [], scrubDays: 30).map(\.key)
        }
        let one = try keys("77 of 1,204 images have one copy only.", "/mnt/disk2 is absent.")
        #expect(try keys("1 of 1,205 images has one copy only.", "/mnt/disk2 is absent.") == one)
        #expect(
            try keys("1 of 1,205 images has one copy only.", "/mnt/disk1 is absent.")[1] != one[1])
        #expect(try keys("a", "a").count == 1)
    }

    @Test("Room, a verification with faults, and an overdue scrub are conditions")
    func conditions() throws {
        var status = try temporary.open {
            try $0.status(pending: nil, readMode: nil, mountpoint: nil)
        }
        func keys(days: Double = 30) -> [String] {
            AlertCondition.all(status, silence: [], scrubDays: days).map(\.key)
        }
        #expect(keys() == [])
        status.freeSpace.daysLeft = 59
        #expect(keys() == ["room"])
        status.freeSpace.daysLeft = 60
        var report = VerificationReport()
        report.add(.init(severity: .fault, reason: "A thing."))
        status.verification = .init(VerificationNote(report, at: status.time))
        #expect(keys() == ["verify"])
        status.verification = .init()
        status.volumes[0].scrubbed = Timestamp(
            nanoseconds: status.time.nanoseconds - 61 * 86_400_000_000_000)
        #expect(keys() == ["scrub 1"])
        #expect(keys(days: 31) == [] && keys(days: 0) == [])
    }

    @Test("Silence is what lasts longer than it ever did, for all or for one modality")
    func silence() {
        // Mondays to Fridays CT and DX, with a week off; US on Mondays.
        var days: [DayOfIntake] = []
        for day: Int64 in 0..<100 where day % 7 < 5 && !(40..<47).contains(day) {
            for modality in ["CT", "DX"] + (day % 7 == 0 ? ["US"] : []) {
                days.append(.init(day: day, modality: modality, instances: 5, bytes: 5))
            }
        }
        #expect(IntakeSilence.all(days, today: 99) == [])
        // The longest was from a Friday over a week off to a Monday: 10 days.
        #expect(IntakeSilence.all(days, today: 115) == [])
        let all = IntakeSilence.all(days, today: 116)
        #expect(all.map(\.key) == ["intake"] && all.first?.usual == 10)
        let withoutDX = days.filter { $0.modality != "DX" || $0.day < 80 }
        let silent = IntakeSilence.all(withoutDX, today: 99)
        #expect(silent.map(\.key) == ["intake DX"])
        #expect(silent.first?.text.contains("No DX images since 1970-03-2") == true)
        // Too few to know what is usual.
        #expect(IntakeSilence.all(Array(days.suffix(8)), today: 300) == [])
        #expect(IntakeSilence.all([], today: 300) == [])
    }

    // MARK: The examples of README

    /// Servers for one message each, which they write to files: SMTP (RFC 5321) and HTTP.
    private static let sinks = #"""
        import http.server, os, socket, sys, threading
        folder = sys.argv[1]
        mail = socket.create_server(('127.0.0.1', 0))
        def serve():
            while True:
                connection, _ = mail.accept()
                stream = connection.makefile('rwb')
                def say(text): stream.write(text + b'\r\n'); stream.flush()
                say(b'220 sink')
                envelope = []
                for line in stream:
                    word = line[:4].upper()
                    if word == b'DATA':
                        say(b'354 go on')
                        text = b''
                        while (part := stream.readline()) != b'.\r\n': text += part
                        with open(folder + '/mail', 'ab') as file:
                            file.write(b''.join(envelope) + text)
                        say(b'250 taken')
                    elif word == b'QUIT': say(b'221 bye'); break
                    else: envelope.append(line); say(b'250 well')
                connection.close()
        threading.Thread(target=serve, daemon=True).start()
        class Web(http.server.BaseHTTPRequestHandler):
            def take(self):
                body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
                with open(folder + '/web', 'ab') as file:
                    file.write(f'{self.command} {self.path} {self.headers.get("Title")}\n'.encode())
                    file.write(body)
                self.send_response(404 if 'nowhere' in self.path else 200)
                self.end_headers()
            do_GET = do_POST = take
            def log_message(self, *arguments): pass
        web = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Web)
        with open(folder + '/ports.new', 'w') as file:
            file.write(f'{mail.getsockname()[1]} {web.server_port}')
        os.rename(folder + '/ports.new', folder + '/ports')
        web.serve_forever()
        """#

    private final class Sinks {
        private let process: ChildProcess
        let mail: String
        let web: String

        init(_ folder: TemporaryFolder) throws {
            let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin"
            process = try ChildProcess(
                ["python3", "-c", AlertTests.sinks, folder.path], variables: ["PATH": path])
            let file = folder.path("ports")
            try #require(eventually { FileManager.default.fileExists(atPath: file) })
            let ports = try String(contentsOfFile: file, encoding: .utf8).split(separator: " ")
            (mail, web) = ("127.0.0.1:\(ports[0])", "127.0.0.1:\(ports[1])")
        }
    }

    /// The lines of README that set `name`.
    private static func examples(_ name: String) throws -> [String] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        return text.matches(of: try Regex("(?ms)^\(name) = (?:'''.*?'''|\"[^\"]*\")$")).map {
            String(text[$0.range])
        }
    }

    private func read(_ name: String) -> String {
        (try? String(contentsOfFile: temporary.folder.path(name), encoding: .utf8)) ?? ""
    }

    @Test("The examples of README send a mail and call a web hook")
    func examples() throws {
        let sinks = try Sinks(temporary.folder)
        let examples = try Self.examples("alert_command").map {
            $0.replacing("smtp://mail.practice.example", with: "smtp://\(sinks.mail)")
                .replacing("https://ntfy.sh", with: "http://\(sinks.web)")
        }
        try #require(examples.count == 2)
        try unplug()
        for example in examples {
            #expect(example.contains("127.0.0.1"))
            try? FileManager.default.removeItem(atPath: temporary.path + "/alerts.json")
            try configure(example)
            try temporary.open(clock: clock) { archive in
                pass(2, archive)
                #expect(archive.maintenance.alerts.report.problem == nil)
            }
            try temporary.configure { $0.replacing(example + "\n", with: "") }
        }
        let mail = read("mail")
        #expect(mail.contains("RCPT TO:<it@practice.example>"))
        #expect(mail.contains("Subject: pacsfs on ") && mail.contains("is absent"))
        #expect(mail.contains("\r\n\r\nATTENTION: "))
        let web = read("web")
        #expect(web.contains("POST /") && web.contains("pacsfs on ") && web.contains("New:\n- "))
    }

    @Test("ping_url is called while all is well, every five minutes, and no longer")
    func ping() throws {
        let sinks = try Sinks(temporary.folder)
        try configure("ping_url = \"http://\(sinks.web)/secret\"")
        func pings() -> Int { read("web").matches(of: /GET \/secret/).count }
        try temporary.open(clock: clock) { archive in
            pass(11, archive)
            #expect(pings() == 3)
            #expect(archive.maintenance.alerts.report.pinged != nil)
            try unplug()
            pass(30, archive)
            #expect(pings() == 3)
            try plugIn()
            pass(1, archive)
            #expect(pings() == 4)
        }
        #expect(try Self.examples("ping_url").count == 1)
        // Nor is it while an alert cannot be delivered.
        try configure("alert_command = \"false\"")
        try temporary.open(clock: clock) { archive in
            try unplug()
            pass(2, archive)
            try plugIn()
            pass(6, archive)
            #expect(pings() == 4)
            #expect(archive.maintenance.alerts.report.problem != nil)
        }
    }

    @Test("A ping that is refused is said, and does not stop the next")
    func refusedPing() throws {
        let sinks = try Sinks(temporary.folder)
        try configure("ping_url = \"http://\(sinks.web)/nowhere\"")
        try temporary.open(clock: clock) { archive in
            pass(6, archive)
            #expect(archive.maintenance.alerts.report.pingProblem?.contains("404") == true)
            #expect(read("web").matches(of: /GET/).count == 2)
            let warnings = temporary.log.messages(.warning)
            #expect(warnings.count { $0.contains("ping_url") } == 1)
            let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
            #expect(status.alerts.pingProblem != nil && status.health.level == .safe)
        }
    }

    @Test(
        "Settings that make no sense are refused",
        arguments: [
            "alert_command = \"\"", "alert_command = 5", "ping_url = \"ftp://x\"",
            "ping_url = \"http://a b\"", "ping_url = 'http://a\"b'",
        ])
    func settings(_ line: String) throws {
        #expect(throws: ArchiveError.self) {
            try Settings(toml: line + "\n[[volume]]\npath = \"/v\"\n")
        }
    }
}
