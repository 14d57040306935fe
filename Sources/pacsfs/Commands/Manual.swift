import ArgumentParser

/// For `Scripts/install`.
struct Manual: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the manual page, in roff.",
        discussion: """
            Example:
              pacsfs manual >pacsfs.1 && man ./pacsfs.1
            """,
        shouldDisplay: false)

    func run() { Output.lines(ManualPage.lines) }
}
