import Glibc
import Naming

/// An entry that every archive has, besides the views.
enum FixedEntry: UInt64, CaseIterable {
    case root = 1
    case incoming = 2
    case rejected = 3
    case readme = 4
    case search = 5
    /// In `search`; all others are at the root.
    case searchHelp = 6
    case statusPage = 7
    case metrics = 8

    var number: UInt64 { rawValue }

    var name: String {
        switch self {
        case .root: "."
        case .incoming: "incoming"
        case .rejected: "rejected"
        case .readme: "README.txt"
        case .search: "search"
        case .searchHelp: "how to search.txt"
        case .statusPage: "status.html"
        case .metrics: "metrics.prom"
        }
    }

    /// The entries of the root, in the order in which they are listed.
    static let atRoot: [FixedEntry] = [
        .incoming, .rejected, .readme, .search, .statusPage, .metrics,
    ]

    /// The entry of the root that has this name.
    ///
    /// - Parameter ignoresCase: Whether its case may differ.
    static func named(_ name: [UInt8], ignoresCase: Bool = false) -> FixedEntry? {
        let folded = PortableName.folded(String(decoding: name, as: UTF8.self))
        return atRoot.first {
            Array($0.name.utf8) == name || ignoresCase && PortableName.folded($0.name) == folded
        }
    }

    var isDirectory: Bool {
        switch self {
        case .root, .incoming, .rejected, .search: true
        case .readme, .searchHelp, .statusPage, .metrics: false
        }
    }

    /// The bytes of a file that never changes; `nil` for all others.
    var text: [UInt8]? {
        switch self {
        case .readme: Self.readmeText
        case .searchHelp: SearchTexts.help
        case .root, .incoming, .rejected, .search, .statusPage, .metrics: nil
        }
    }

    /// The document that is made when it is read; `nil` for all others.
    var document: StatusDocuments.Kind? {
        switch self {
        case .statusPage: .page
        case .metrics: .metrics
        case .root, .incoming, .rejected, .search, .readme, .searchHelp: nil
        }
    }

    /// The content of README.txt.
    static let readmeText = Array(
        """
        This folder is a pacsfs archive of DICOM images.

        incoming/     Copy or save images here. When the copy has ended without an error, the
                      image is safe: it is stored on as many disks as the archive keeps copies.
                      Names go from here some seconds later. Zip archives are unpacked.
        by-patient/   The archive as folders: by-patient, by-date, by-owner and the others show
                      the same images in different orders ("pacsfs views" lists them). Open
                      them with any DICOM viewer. Nobody can change or delete them here.
        rejected/     Files that are no images, cannot be read or are cut off, each with a
                      .reason.txt. Move one back into incoming to try it again.

        search/       A folder for everything you look for: open search/smith rex 2024.

        Whoever looks after the archive has commands for it:

        Are we safe?                  status.html in this folder, or: pacsfs status
        Find a study:                 pacsfs find smith rex 2024
        Everything about an image:    pacsfs show PATH
        Something does not work:      pacsfs doctor

        Every image is also an ordinary file on each of the archive's volumes. The README.txt
        there says how to get them back without pacsfs.

        """.utf8)
}
