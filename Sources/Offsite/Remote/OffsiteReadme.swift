/// `README.txt` of every remote: how to restore by hand. The indented lines are commands; tests run
/// them as they stand here.
enum OffsiteReadme {
    static func text(isEncrypted: Bool) -> String {
        let copying =
            isEncrypted
            ? """
            Everything but this file is encrypted by rclone (https://rclone.org/crypt). The keys and
            the settings of rclone are on the recovery sheet. Copy everything with rclone, from the
            remote that the sheet calls "sealed", into an empty folder, and go there.
            """
            : """
            Copy everything into an empty folder, with rclone or in any other way, and go there.
            """
        return """
            This is the off-site copy of a pacsfs archive. With pacsfs, "pacsfs restore" brings it
            back. You need no pacsfs, though:
            \(copying)
            Unpack the small images, and check all of them (prints only what is damaged):
                for p in packs/*/*.tar; do tar xf "$p"; done
                find sums -type f -exec cat {} + | sha256sum -c --quiet
                find blobs -name '*.dcm' | sed 's|.*/\\(.*\\)\\.dcm$|\\1  &|' | sha256sum -c --quiet
            blobs/ holds DICOM files as they were received; the name of each is its SHA-256.
            ledger/ is the catalogue, one JSON line for each event. Find a patient's files in it:
                find ledger -name '*.jsonl' -exec grep -h -i 'smith' {} + | head
            rejected/ holds what was no DICOM, with reasons. Change nothing in here.

            """
    }
}
