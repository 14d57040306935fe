import TestSupport
import Testing

extension MountedArchive {
    /// Names below the mount that are not legal on another file system, each with the reason: the
    /// rules of exFAT and NTFS (Naming Files, learn.microsoft.com), and two names in one folder
    /// that are the same if case is ignored.
    func namesThatAreNotPortable() throws -> [String] {
        try python(
            #"""
            import re, unicodedata
            devices = re.compile(
                r'(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])(\..*)?$')
            def faults(name):
                if re.search(r'[\x00-\x1f\x7f"*/:<>?\\|]', name): yield 'character'
                if name.endswith(('.', ' ')) or name.startswith(' '): yield 'dot or space'
                if devices.match(name): yield 'device'
                if len(name.encode()) > 255 or len(name.encode('utf-16-le')) > 510: yield 'length'
                if unicodedata.normalize('NFC', name) != name: yield 'normal form'
            def keys(name):
                # exFAT and NTFS compare upper case letter by letter, APFS and ext4 fold.
                yield ''.join(c.upper() if len(c.upper()) == 1 else c for c in name)
                yield unicodedata.normalize('NFKC' if name.isascii() else 'NFC', name.casefold())
            count = 0
            for folder, directories, files in os.walk(os.fsencode(M)):
                seen = [{}, {}]
                for raw in directories + files:
                    count += 1
                    where = os.fsdecode(folder + b'/' + raw)
                    try: name = raw.decode()
                    except UnicodeDecodeError:
                        print(where.encode(errors='replace'), 'is no UTF-8'); continue
                    for fault in faults(name): print(where, fault)
                    for known, key in zip(seen, keys(name)):
                        if key in known: print(where, 'is', known[key])
                        known[key] = name
            assert count > 100, count
            """#
        ).lines
    }
}
