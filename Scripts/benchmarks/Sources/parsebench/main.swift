import Glibc

// parsebench DIR              reads every header below DIR and says how fast that was
// parsebench generate DIR N   writes N images as a computed tomography scanner does

let arguments = Array(CommandLine.arguments.dropFirst())
do {
    switch (arguments.first, arguments.count) {
    case ("generate", 3):
        guard let count = Int(arguments[2]), count > 0 else { throw Usage() }
        try generate(count, in: arguments[1])
    case (.some(let directory), 1):
        try measure(directory)
    default:
        throw Usage()
    }
} catch {
    let text = "parsebench: \(error)\n"
    _ = write(STDERR_FILENO, text, text.utf8.count)
    exit(error is Usage ? 64 : 1)
}
