import Foundation
import Naming
import TOMLKit

// The table [views].
extension Settings {
    /// - Parameter order: The keys of the table, as far as they are known.
    static func views(_ table: TOMLTable, inOrderOf order: [String]) throws -> [View] {
        var folded: Set<String> = []
        let keys = table.keys.sorted()
        let views = try (order.filter(keys.contains) + keys.filter { !order.contains($0) }).map {
            name in
            guard let text = table[name]?.string else {
                throw SettingMistake(
                    in: "views", name, "The view \"\(name)\" must be a template in quotes.")
            }
            guard !reserved.contains(name.lowercased()), PortableName.component(name) == name else {
                throw SettingMistake(in: "views", name, "\"\(name)\" cannot be the name of a view.")
            }
            guard folded.insert(PortableName.folded(name)).inserted else {
                throw SettingMistake(
                    in: "views", name,
                    """
                    There are two views \"\(name)\": names that differ in case only are the same. \
                    Rename one.
                    """
                )
            }
            do throws(TemplateError) { return View(name: name, template: try Template(text)) } catch
            {
                let end = error.sentence.hasSuffix("?") ? "" : "."
                throw SettingMistake(
                    in: "views", name, character: error.column - 1,
                    "The view \"\(name)\": \(error.sentence)\(end)")
            }
        }
        guard views.contains(where: { !$0.template.isSelective }) else {
            throw SettingMistake(
                in: "views", nil,
                "[views] needs at least one view that leaves no image out: one without \"!\".")
        }
        return views
    }
}
