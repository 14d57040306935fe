import ArgumentParser

@main
struct Pacsfs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pacsfs",
        abstract:
            "A PACS that is a folder: keeps DICOM images on several disks and shows them as paths.",
        discussion: """
            First steps:
              pacsfs init --volume /mnt/disk1/pacsfs --volume /mnt/disk2/pacsfs
              pacsfs mount /mnt/images
              cp -r /media/cdrom/* /mnt/images/incoming/
              ls /mnt/images/by-patient
            """,
        version: "0.1.0",
        subcommands: [
            Init.self, Mount.self, Unmount.self, Import.self, Find.self, Show.self, Status.self,
            Volumes.self, Remotes.self, Views.self, Reload.self, Scrub.self, Verify.self,
            Rebuild.self, Restore.self, DrillCommand.self,
            Receive.self,
            Doctor.self, Manual.self,
        ])
}
