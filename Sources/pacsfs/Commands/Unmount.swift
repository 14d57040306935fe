import ArgumentParser
import Archive
import Foundation
import FuseServer

struct Unmount: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "End a mount.",
        discussion: """
            Returns when everything is on disk and the daemon has gone.

            Example:
              pacsfs unmount /mnt/images
            """)

    @Argument(help: "Where it is mounted.")
    var mountpoint: String

    func run() throws {
        try reporting {
            let mountpoint = Paths.absolute(mountpoint)
            guard let mount = Mountpoint.mount(at: mountpoint), mount.type == "fuse.pacsfs" else {
                throw MountError("No pacsfs is mounted on \(mountpoint).")
            }
            switch Mountpoint.answer(of: mountpoint, within: 30) {
            case .alive: break
            case .stale:
                try Mountpoint.detach(mountpoint)
                print("Took away the mount on \(mountpoint); its daemon had died before.")
                return
            case .silent:
                let process = Archive.holder(of: mount.source).map { " (process \($0))" } ?? ""
                throw MountError(
                    "The daemon\(process) of \(mountpoint) does not answer. When it still does not in a minute, end it with «kill -9», and run this again."
                )
            }
            let daemon = Archive.holder(of: mount.source)
            try Mountpoint.unmount(mountpoint)
            var waited = 0
            while let daemon, Archive.holder(of: mount.source) == daemon {
                usleep(20_000)
                waited += 1
                if waited == 250 {
                    print("Waiting for the daemon (process \(daemon)) to finish writing…")
                }
            }
            print("Unmounted \(mountpoint).")
        }
    }
}
