import CLinux
import Glibc

extension ChildProcess {
    /// Starts a program in a process group of its own, so that Ctrl-C is not for it, and with no
    /// signal blocked or ignored. The caller waits for its end.
    ///
    /// - Parameters:
    ///   - arguments: Its name or path, then its arguments. A name is looked up in `PATH` of this
    ///     process.
    ///   - variables: Its whole environment.
    ///   - descriptors: Of this process, by the numbers that they have in the program. It gets none
    ///     above the highest of these.
    /// - Throws: `ENOENT` when there is no such program; `EMFILE` and the like.
    ///
    /// See: 'man 3 posix_spawn'
    public static func spawn(
        _ arguments: [String], variables: [String: String], descriptors: [Int32: Int32]
    ) throws(Errno) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (number, own) in descriptors.sorted(by: { $0.key < $1.key }) {
            posix_spawn_file_actions_adddup2(&actions, own, number)
        }
        // Libraries may have opened some without O_CLOEXEC.
        let highest = descriptors.keys.max() ?? 2
        posix_spawn_file_actions_addclosefrom_np(&actions, highest + 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setpgroup(&attributes, 0)
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        let list = arguments.map { strdup($0) } + [nil]
        let settings = variables.sorted { $0.key < $1.key }.map { strdup("\($0)=\($1)") } + [nil]
        defer { for pointer in list + settings { free(pointer) } }
        var process = pid_t()
        let error = posix_spawnp(&process, arguments[0], &actions, &attributes, list, settings)
        if error != 0 { throw Errno(error) }
        return process
    }
}
