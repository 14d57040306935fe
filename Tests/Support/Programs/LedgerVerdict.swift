/// The result of checking a volume's ledger by its format alone: one JSON object per line, numbered
/// from 1, with the SHA-256 of the line before in `prev`.
public struct LedgerVerdict: Decodable, Equatable {
    /// The number of the first wrong record, and the mistake in it.
    public var fault: String?
    public var records: Int
    /// The SHA-256 of the last line.
    public var head: String
    /// How many records there are of each kind.
    public var kinds: [String: Int]

    public init(volume: String) throws {
        let run = try ProgramRun(["python3", "-c", Self.script, volume])
        guard run.succeeded else { throw ProgramError(description: run.report) }
        self = try run.json(LedgerVerdict.self)
    }

    private static let script = """
        import collections, glob, hashlib, json, sys
        sites = glob.glob(sys.argv[1] + '/ledger/*')
        assert len(sites) == 1, sites
        head, number, fault, kinds = '0' * 64, 0, None, collections.Counter()
        for segment in sorted(glob.glob(sites[0] + '/*.jsonl')):
            text = open(segment, 'rb').read()
            assert text.endswith(b'\\n'), segment
            for line in text[:-1].split(b'\\n'):
                record = json.loads(line)
                number += 1
                if record['n'] != number: fault = fault or f'{number}: n'
                if record['prev'] != head: fault = fault or f'{number}: prev'
                head = hashlib.sha256(line).hexdigest()
                kinds[record['kind']] += 1
        print(json.dumps({'fault': fault, 'records': number, 'head': head, 'kinds': kinds}))
        """
}
