/// The presentation contexts that `storescp` accepts of an association: everything that the sender
/// asks for and storescp can receive, in the transfer syntax that the sender prefers. So an image
/// comes as the sender has it, also of private SOP classes.
///
/// storescp's own options know a list of SOP classes and one order of transfer syntaxes, in which
/// lossy ones come before lossless ones: a sender that can choose would send a worse image.
struct AssociationProfile {
    /// A configuration file as asconfig.txt of DCMTK explains it; its one profile is called
    /// ``name``.
    let text: String

    static let name = "Asked"

    init(_ request: AssociationRequest) {
        var wanted: [(abstractSyntax: String, transferSyntaxes: [String])] = []
        for context in request.contexts where Self.isStored(context.abstractSyntax) {
            var known = context.transferSyntaxes.filter(Self.transferSyntaxes.contains)
            // A syntax that was not asked for makes storescp refuse the context for that reason.
            if known.isEmpty { known = [Self.implicitLittleEndian] }
            if let index = wanted.firstIndex(where: { $0.abstractSyntax == context.abstractSyntax })
            {
                wanted[index].transferSyntaxes += known.filter {
                    !wanted[index].transferSyntaxes.contains($0)
                }
            } else {
                wanted.append((context.abstractSyntax, known))
            }
        }
        // A profile must not be empty; storescp refuses all that it does not name.
        if wanted.isEmpty { wanted = [(Self.verification, [Self.implicitLittleEndian])] }
        var syntaxes = "[[TransferSyntaxes]]\n"
        var contexts = "[[PresentationContexts]]\n[Contexts]\n"
        for (number, context) in wanted.enumerated() {
            syntaxes += "[Syntaxes\(number + 1)]\n"
            for (order, uid) in context.transferSyntaxes.enumerated() {
                syntaxes += "TransferSyntax\(order + 1) = \(uid)\n"
            }
            contexts +=
                """
                PresentationContext\(number + 1) = \
                \(context.abstractSyntax)\\Syntaxes\(number + 1)\n
                """
        }
        text =
            syntaxes + contexts + "[[Profiles]]\n[\(Self.name)]\nPresentationContexts = Contexts\n"
    }

    private static let verification = "1.2.840.10008.1.1"
    private static let implicitLittleEndian = "1.2.840.10008.1.2"

    /// Whether instances may be sent with it: all private SOP classes; of the standard ones, those
    /// of PS3.4 annexes B and GG, and Verification.
    private static func isStored(_ abstractSyntax: String) -> Bool {
        if abstractSyntax == verification || !abstractSyntax.hasPrefix("1.2.840.10008.") {
            return true
        }
        if abstractSyntax.hasPrefix("1.2.840.10008.5.1.4.1.1.") { return true }
        return nonPatientObjects.contains(abstractSyntax)
    }

    /// Hanging protocols, colour palettes, templates, inventories and the like (PS3.4 annex GG).
    private static let nonPatientObjects: Set<String> = [
        "1.2.840.10008.5.1.4.34.7", "1.2.840.10008.5.1.4.38.1", "1.2.840.10008.5.1.4.39.1",
        "1.2.840.10008.5.1.4.43.1", "1.2.840.10008.5.1.4.44.1", "1.2.840.10008.5.1.4.45.1",
    ]

    /// The transfer syntaxes that storescp 3.6.7 can receive. If it has accepted another one, such
    /// as High-Throughput JPEG 2000, it ends the association as soon as an image comes.
    private static let transferSyntaxes: Set<String> = {
        let uncompressed = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"]
        let others = ["1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"]
        let jpeg = (Array(50...66) + [70, 80, 81, 90, 91, 92, 93]).map {
            "1.2.840.10008.1.2.4.\($0)"
        }
        let video = (100...108).map { "1.2.840.10008.1.2.4.\($0)" }
        return Set(uncompressed + others + jpeg + video)
    }()
}
