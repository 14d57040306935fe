/// The texts of the files in `/search`.
enum SearchTexts {
    static let whyName = "why this finds nothing.txt"
    static let moreName = "there are more.txt"

    private static let examples = """
        smith rex 2024 ct         words and dates: all must hold
        id=1234                   the patient's number; id=12* for a beginning
        modality=US date=2024-01..2024-03
        owner=meyer  species=canine  microchip=985141000123456

        """

    /// The content of `how to search.txt`.
    static let help = Array(
        """
        Open a folder here whose name is what you look for: its name is the question, what it
        holds is the answer. For example

        \(examples)
        Words match the beginning of names, ids, species, breeds, modalities, body parts and
        descriptions, ignoring case and accents. Dates are 2024, 2024-05, 2024-05-01 or a range \
        such as 2024-01..2024-03.
        KEYWORD=VALUE asks for a DICOM attribute, for example BodyPartExamined=HIP.

        To keep a search in this list, make its folder: mkdir "smith rex". To take it off again,
        remove the folder: rmdir "smith rex". No image is touched by that. The list is everybody's:
        who may add images may change it. It takes \(FileSystem.mostSearches) searches.

        """.utf8)

    static func why(_ reason: String) -> [UInt8] {
        Array(
            """
            \(reason)

            What can be asked:

            \(examples)
            """.utf8)
    }

    static func more(limit: Int) -> [UInt8] {
        Array(
            """
            Only the \(limit) newest studies are shown; there are more. Look for more words, or \
            for a date.

            """.utf8)
    }
}
