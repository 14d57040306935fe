import Foundation
import Storage
import TagIndex

// The volumes that a changed pacsfs.toml names, examined before a restart depends on them.
extension Configuration {
    /// Notes on the volumes of `new` that are not those in use, a sentence each.
    ///
    /// - Parameter mountpoint: Where the archive is shown; nothing below it is examined.
    func notes(onVolumesOf new: Settings, keptOutside mountpoint: String?) -> [String] {
        let members = core.volumes.members
        var notes: [String] = []
        for place in new.volumes {
            if let known = members.first(where: { $0.place.path == place.path }) {
                if known.place.domain != place.domain {
                    notes.append(
                        """
                        \(place.path) is in the domain \"\(place.domain)\" after a restart of the \
                        daemon.
                        """
                    )
                }
            } else if let mountpoint, AbsolutePath.isInside(place.path, mountpoint) {
                notes.append(
                    """
                    \(place.path) lies in the mount \(mountpoint) itself and cannot be a volume. \
                    Correct the path in pacsfs.toml.
                    """
                )
            } else {
                notes.append(note(onNew: place, members, new))
            }
        }
        for member in members where !new.volumes.contains(where: { $0.path == member.place.path }) {
            let hasMoved =
                member.volume != nil
                && new.volumes.contains { place in
                    !(mountpoint.map { AbsolutePath.isInside(place.path, $0) } ?? false)
                        && (try? Volume.open(at: place.path, archive: core.id))?.identity.volume
                            == member.id
                }
            guard !hasMoved else { continue }
            notes.append(
                """
                \(member.place.path) is not in pacsfs.toml any more, but still a volume of the \
                archive. It is used until the daemon is restarted, and missing from then on. Put \
                its [[volume]] back; to take it out for good: pacsfs volume retire \
                \(member.place.path)
                """
            )
        }
        if let problem = Self.countProblem(new) { notes.append(problem) }
        return notes
    }

    private func note(
        onNew place: Settings.VolumePlace, _ members: [VolumeSet.Member], _ new: Settings
    ) -> String {
        let volume: Volume
        do throws(StorageError) { volume = try Volume.open(at: place.path, archive: core.id) } catch
        {
            return Self.note(on: place, error)
        }
        let number = volume.identity.ordinal
        let twin = members.first { $0.id == volume.identity.volume }
        if let twin, twin.volume != nil, new.volumes.contains(where: { $0.path == twin.place.path })
        {
            return
                """
                \(place.path) is the volume \(twin.place.path) once more, or a copy of it. Take \
                one of the two out of pacsfs.toml.
                """
        }
        let known = try? core.index.read { try $0.volumes() }.first {
            $0.id == volume.identity.volume
        }
        if known?.state == .retired {
            return
                """
                \(place.path) was volume \(number), and was retired or replaced: it is no part of \
                the archive any more. Take it out of pacsfs.toml.
                """
        }
        return
            """
            \(place.path) is volume \(number) of this archive, and is used there after a restart \
            of the daemon.
            """
    }

    private static func note(on place: Settings.VolumePlace, _ error: StorageError) -> String {
        """
        \(place.path) cannot be used, and would be absent after a restart: \(error). If it is to \
        become a new volume, take it out of pacsfs.toml again, and: pacsfs volume add \
        \(place.path)
        """
    }

    private static func countProblem(_ settings: Settings) -> String? {
        settings.volumes.count < settings.copies
            ? """
            \"copies\" is \(settings.copies), and pacsfs.toml names \
            \(settings.volumes.count == 1 ? "one volume" : "\(settings.volumes.count) volumes"). \
            Add one: pacsfs volume add DIR; or lower \"copies\".
            """
            : nil
    }

    /// The problems that the next start will have with the volumes of `settings`: see
    /// ``Archive/notes(onVolumesOf:of:)``.
    static func notes(onVolumesOf settings: Settings, of path: String) throws(ArchiveError)
        -> [String]
    {
        let identity = try Archive.identity(of: path)
        var notes = settings.volumes.compactMap { place -> String? in
            do throws(StorageError) {
                _ = try Volume.open(at: place.path, archive: identity.archive)
            } catch {
                return note(on: place, error)
            }
            return nil
        }
        if let problem = countProblem(settings) { notes.append(problem) }
        return notes
    }
}
