import DICOM
import Testing

@Suite("Real files", .enabled(if: Corpus.shared != nil, Comment(rawValue: Corpus.isAbsent)))
struct CorpusTests {
    @Test("probe", arguments: ["samples", "series"])
    func probe(set: String) throws {
        let corpus = try #require(Corpus.shared)
        var reader = HeaderReader()
        for entry in try corpus.entries(set) {
            do throws(ReadError) {
                let bytes = try! entry.bytes()
                let header = try reader.read(BufferSource(bytes))
                if !header.flags.isEmpty { print("FLAGS", entry.path, entry.verdict, header.flags.rawValue) }
                for attribute in entry.compared where header[attribute] != entry.expected[attribute] {
                    print("DIFF", entry.path, entry.verdict, attribute.keyword, header[attribute].debugDescription, entry.expected[attribute].debugDescription)
                }
            } catch {
                print("ERROR", entry.path, entry.verdict, error)
            }
        }
    }
}
