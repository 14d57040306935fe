import TestSupport
import Testing

/// Commands that meet a daemon of another version of pacsfs.
@Suite(
    "A daemon of another version", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct ControlTests {
    /// Answers every command on `control.sock` with `$ANSWER` until it is killed.
    private static let daemon = """
        import os, socket, sys
        os.chdir(os.environ['PACSFS_ARCHIVE'])
        listener = socket.socket(socket.AF_UNIX); listener.bind('control.sock'); listener.listen()
        while True:
            connection = listener.accept()[0]
            connection.makefile().readline()
            connection.sendall(os.environ['ANSWER'].encode())
            connection.close()

        """

    /// Commands that ask the daemon.
    private static let commands = [
        "status", "status --json", "volume list", "volume add ../new", "volume retire 1",
        "volume replace 1 ../new", "reload", "import samples", "scrub",
    ]

    /// An answer, and what a command says about it.
    private static let answers: [(answer: String, words: String)] = [
        // A newer daemon, whose protocol is another one.
        (
            #"{"protocol":1000,"program":"9.8.7","message":{"wonderful":{"news":1}}}"# + "\n",
            "is version 9.8.7 of pacsfs"
        ),
        // The same protocol, and an answer that is not known.
        (
            #"{"protocol":3,"program":"0.1.1","message":{"wonderful":{"news":1}}}"# + "\n",
            "is version 0.1.1 of pacsfs"
        ),
        // An answer to another question.
        (
            #"{"protocol":3,"program":"0.1.0","message":{"scrubbing":{"_0":{"files":1,"bytes":1,"#
                + #""totalBytes":1,"bad":0,"healed":0}}}}"# + "\n", "cannot read its answer"
        ),
        // A daemon from before there were versions.
        (#"{"status":{"_0":{}}}"# + "\n", "is another version of pacsfs"),
        ("no JSON\n", "is another version of pacsfs"),
        // It closes the connection without an answer.
        ("", "has ended meanwhile"),
    ]

    @Test("An answer that is not known is an error with the remedy, for every command")
    func unknownAnswers() throws {
        try MountedArchive.with(isMounted: false) { archive in
            _ = try archive.writeSamples()
            try Files.write(Array(Self.daemon.utf8), to: archive.work + "/daemon.py")
            let before = try archive.mustShell("find .. -path ../work -prune -o -print | sort")
            for (answer, words) in Self.answers {
                // A scrub waits for the end, and hears that the daemon has gone.
                let isProgress = answer.contains("scrubbing")
                let run = try archive.mustShell(
                    """
                    python3 daemon.py & daemon=$!
                    trap 'kill $daemon; rm -f "$PACSFS_ARCHIVE/control.sock"' EXIT
                    until test -S "$PACSFS_ARCHIVE/control.sock"; do sleep 0.02; done
                    while read -r command; do
                        code=0; "$PACSFS" $command >output 2>errors || code=$?
                        echo "$code $(wc -c <output) $(cat errors)"
                    done <<'END'
                    \(Self.commands.joined(separator: "\n"))
                    END
                    "$PACSFS" doctor || true
                    """, ["ANSWER": answer])
                let lines = run.lines.prefix(Self.commands.count)
                for (command, line) in zip(Self.commands, lines) {
                    let expected = isProgress && command == "scrub" ? "has ended meanwhile" : words
                    #expect(
                        line.hasPrefix("2 0 pacsfs: ") && line.contains(expected)
                            && line.contains("restart"), "\(command), \(answer): \(line)")
                }
            }
            let after = try archive.mustShell("find .. -path ../work -prune -o -print | sort")
            #expect(after.output == before.output, "A command went on without the daemon.")
        }
    }

    @Test("The daemon answers a request that it does not know, and goes on answering others")
    func unknownRequests() throws {
        try MountedArchive.with { archive in
            try archive.python(
                """
                import json, socket
                os.chdir(os.environ['PACSFS_ARCHIVE'])
                def ask(text):
                    connection = socket.socket(socket.AF_UNIX); connection.connect('control.sock')
                    connection.settimeout(20)
                    answers = connection.makefile('rw')
                    for line in [text, '{"protocol":3,"program":"0.1.0","message":{"status":{}}}']:
                        answers.write(line + '\\n'); answers.flush()
                        yield json.loads(answers.readline())
                for text in ['{"protocol":1000,"program":"9.8.7","message":{"status":{}}}',
                             '{"protocol":3,"program":"9.8.7","message":{"wonderful":{}}}']:
                    failure, status = ask(text)
                    assert 'version 9.8.7' in failure['message']['failed']['_0'], failure
                    assert 'restart the daemon' in failure['message']['failed']['_0'], failure
                    assert 'health' in status['message']['status']['_0'], status
                failure, status = ask('no JSON')
                assert 'another version' in failure['message']['failed']['_0'], failure
                assert failure['protocol'] == 3, failure
                """)
        }
    }
}
