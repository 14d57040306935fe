/// `README.txt` of every volume: how to recover by hand. The indented lines are commands for
/// a shell in the volume's folder; the tests run them as they stand here.
enum VolumeReadme {
    static let name = "README.txt"

    static let text = """
        This folder is one volume of a pacsfs archive. You need no pacsfs to read it.
        blobs/ holds DICOM files as they were received; the name of each is its SHA-256.
        Check them all (prints only what is damaged; look for a copy on another volume):
            find blobs -name '*.dcm' | sed 's|.*/\\(.*\\)\\.dcm$|\\1  &|' | sha256sum -c --quiet
        Copy them all into one folder, to read them into any other program:
            mkdir -p ~/recovered && find blobs -name '*.dcm' -exec cp -n -t ~/recovered {} +
        ledger/ is the catalogue, one JSON line for each event. Find a patient's files in it:
            grep -h -i 'smith' ledger/*/*.jsonl | head
        Every line holds the SHA-256 of the line before ("prev"); this prints what does not fit:
            for s in ledger/*; do p=$(printf '%064d' 0); cat $s/*.jsonl | while IFS= read -r l; \
        do case $l in *"\\"prev\\":\\"$p\\""*) ;; *) echo "$l";; esac; p=$(printf %s "$l" | \
        sha256sum | cut -c1-64); done; done
        rejected/ holds what was no DICOM, with reasons. staging/ is work in progress: keep it.
        With pacsfs, one surviving volume is enough: pacsfs rebuild. Change nothing in here.

        """
}
